"""Stopping the time of a node's container by an engine that sometimes cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.machines import containers

ENGINE = """#!/bin/sh
# An engine with one container; it refuses to pause it as often as `refusals` has lines.
cd {folder}
echo "$1" >>asked
case $1 in
    pause)
        if [ -s refusals ]; then
            sed -i 1d refusals
            echo "Error response from daemon: OCI runtime pause failed: unable to freeze" >&2
            exit 1
        fi
        echo true >paused
        echo "$2" ;;
    inspect) cat paused ;;
    unpause)
        if [ "$(cat paused)" = false ]; then
            echo "Error response from daemon: Container $2 is not paused" >&2
            exit 1
        fi
        echo false >paused ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an engine that is the only program there is besides /bin's."""
    (tmp_path / "docker").write_text(ENGINE.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "paused").write_text("false\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def is_paused(engine: Path) -> bool:
    return (engine / "paused").read_text() == "true\n"


def test_a_container_that_cannot_be_paused_now_is_paused_later(engine: Path) -> None:
    (engine / "refusals").write_text("1\n2\n")
    containers.pause("node7")
    assert is_paused(engine)
    assert (engine / "asked").read_text().split() == ["pause"] * 3


def test_letting_go_of_what_was_never_paused_does_nothing(engine: Path) -> None:
    containers.unpause("node7")
    assert (engine / "asked").read_text().split() == ["inspect"]


def test_a_paused_container_goes_on(engine: Path) -> None:
    containers.pause("node7")
    containers.unpause("node7")
    assert not is_paused(engine)


def test_a_refusal_says_what_the_engine_said(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (engine / "refusals").write_text("1\n" * 1000)
    monkeypatch.setattr(containers, "PAUSE_SECONDS", 0.3)
    with pytest.raises(AssertionError, match="unable to freeze"):
        containers.pause("node7")
    assert not is_paused(engine)
