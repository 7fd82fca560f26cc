"""What goes into the driver's package, and that what is said about it in several places agrees."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import flocker
from flocker.cli.commands import app
from host import ROOT, deb
from host.problem import Problem

NOT_USED = {"setuptools"}  # see debian/libraries

LOCK = """\
httpx2==2.16.2 \\
    --hash=sha256:11 \\
    --hash=sha256:12
idna==3.20 \\
    --hash=sha256:21
"""


def needed_by(requirement: str, found: set[str]) -> set[str]:
    """The names of a requirement and of all it needs in turn, with this interpreter."""
    parsed = Requirement(requirement)
    name = canonicalize_name(parsed.name)
    is_wanted = parsed.marker is None or parsed.marker.evaluate({"extra": ""})
    if not is_wanted or name in found | NOT_USED:
        return found
    found.add(name)
    for each in requires(name) or []:
        needed_by(each, found)
    return found


def project() -> dict[str, list[str]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def test_the_package_carries_what_the_driver_needs_and_nothing_else() -> None:
    needed: set[str] = set()
    for requirement in project()["dependencies"]:
        needed_by(requirement, needed)
    assert deb.library_names() == sorted(needed)


def test_everybody_says_the_same_version() -> None:
    manual = (ROOT / "debian" / "flocker.1").read_text().splitlines()[0]
    assert {flocker.VERSION, str(project()["version"])} == {deb.version()}
    assert f'"flocker {deb.version()}"' in manual


def test_the_manual_has_every_command() -> None:
    manual = (ROOT / "debian" / "flocker.1").read_text()
    typed = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
    assert re.findall(r"^\.TP\n\.B ([a-z]+)$", manual, re.MULTILINE) == typed


def test_every_library_has_its_licence_told_and_nothing_else_has() -> None:
    told = (ROOT / "debian" / "copyright").read_text()
    patterns = re.findall(r"libraries/([^\s/]+)\*", told)
    names = [name.replace("-", "_") for name in deb.library_names()]
    assert [name for name in names if not any(map(name.startswith, patterns))] == []
    assert [each for each in patterns if not any(name.startswith(each) for name in names)] == []


def test_the_lock_files_entries_are_taken_whole() -> None:
    assert deb.locked(LOCK, ["idna"]) == ["idna==3.20 \\\n    --hash=sha256:21\n"]
    assert deb.locked(LOCK, ["httpx2"])[0].count("--hash") == 2


def test_a_library_without_a_hash_is_refused() -> None:
    with pytest.raises(Problem, match=r"requirements\.lock has no rich, which debian/libraries"):
        deb.locked(LOCK, ["httpx2", "rich"])


@pytest.mark.parametrize("answer", ["riscv64\n", None])
def test_a_machine_nobody_compiled_for_is_refused_in_one_line(
    answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deb, "attempt", lambda *_: answer)
    with pytest.raises(Problem, match=r"is made for amd64 and arm64, not for '(riscv64|a machine)"):
        deb.architecture()
