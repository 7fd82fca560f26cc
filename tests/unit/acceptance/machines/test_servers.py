"""What the suite needs to know of servers without asking them."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from acceptance.machines.protocol import Ability
from acceptance.machines.servers import Servers, SwitchFailed
from acceptance.machines.upload import below

POWER = ", power: {off: 'true', on: 'true'}"
PAUSE = ", power: {pause: 'true', resume: 'true'}"


def servers(folder: Path, *extras: str) -> Servers:
    entries = [f"node{n}: {{address: 10.0.0.{n}{extra}}}" for n, extra in enumerate(extras, 1)]
    file = folder / "servers.yml"
    file.write_text("nodes: {" + ", ".join(entries) + "}")
    return Servers(file)


@pytest.mark.parametrize(
    ("extras", "abilities"),
    [
        (("", ""), set()),
        ((POWER, ""), set()),
        ((POWER, POWER), {Ability.POWER, Ability.FORGET}),
        ((PAUSE, PAUSE), {Ability.PAUSE}),
    ],
)
def test_what_can_be_done_to_servers_is_what_all_have_a_switch_for(
    tmp_path: Path, extras: tuple[str, ...], abilities: set[Ability]
) -> None:
    assert servers(tmp_path, *extras).abilities == abilities


def test_keys_lie_beside_the_inventory(tmp_path: Path) -> None:
    assert servers(tmp_path, "", "").certificates == tmp_path / "servers.certs" / "operator"


def test_a_switch_that_fails_is_an_error(tmp_path: Path) -> None:
    broken = servers(tmp_path, ", power: {off: 'exit 3 # s3cret', on: 'false'}", POWER)
    with pytest.raises(SwitchFailed, match=r"node1's .* ended with status 3") as failed:
        broken.power_off("node1")
    assert "s3cret" not in "".join(traceback.format_exception(failed.value))


def test_a_switch_that_hangs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = servers(tmp_path, ", power: {off: 'read answer', on: 'exec sleep 60'}", POWER)
    with pytest.raises(SwitchFailed, match="ended with status 1"):
        hanging.power_off("node1")  # nobody is there who would type an answer
    monkeypatch.setattr("acceptance.machines.servers.SWITCH_SECONDS", 0.2)
    with pytest.raises(SwitchFailed, match=r"took longer than 0\.2 s") as failed:
        hanging.power_on("node1")
    assert "sleep" not in "".join(traceback.format_exception(failed.value))


def test_what_python_compiled_is_not_uploaded(tmp_path: Path) -> None:
    for path in ("app/__pycache__/a.pyc", "app/a.py", "app/web/b.py", "other/c"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert sorted(below(tmp_path, "app/**/*")) == ["app/a.py", "app/web/b.py"]
