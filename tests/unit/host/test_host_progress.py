"""Ctrl-C at a terminal is for a step and its program; the program may end what it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from host import ROOT

PROGRAM = "trap 'sleep 1; touch tidy; exit 1' INT; touch begun; while true; do sleep 0.1; done"
# A run in the background ignores Ctrl-C, and all it starts inherits that.
AT_TERMINAL = ("env", "--default-signal=INT")


@pytest.mark.parametrize(
    "run",
    [
        "progress.run('Working', {command}, Path('log'))",
        "commands.to_its_end({command})",
    ],
)
def test_an_interrupted_program_tidies_up(run: str, tmp_path: Path) -> None:
    code = f"from pathlib import Path; from host import commands, progress; {run}"
    typed = subprocess.Popen(
        [*AT_TERMINAL, sys.executable, "-c", code.format(command=["bash", "-c", PROGRAM])],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        eventually((tmp_path / "begun").exists, is_=True, within=20)
        os.killpg(typed.pid, signal.SIGINT)
        _, printed = typed.communicate(timeout=20)
    finally:
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(typed.pid, signal.SIGKILL)
    assert b"KeyboardInterrupt" in printed
    assert (tmp_path / "tidy").exists()
