"""What `python3 -m box images` says when a program of the host refuses."""

from pathlib import Path

import pytest

from box import __main__ as command
from box import apt, images
from box.recipe import SUITE

pytestmark = pytest.mark.contract


def test_a_failing_command_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real apt-get with a configuration it cannot read; nothing is built."""
    broken = tmp_path / "apt.conf"
    broken.write_text('Dir "x\n')
    monkeypatch.setenv("APT_CONFIG", str(broken))
    monkeypatch.setattr(images, "build", lambda _: apt.from_host(SUITE))
    monkeypatch.setattr("sys.argv", ["box", "images"])
    assert command.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("apt-get indextargets")
    assert str(broken) in said
