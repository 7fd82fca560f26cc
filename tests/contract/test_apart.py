"""Nothing of a contract test is there for the machine, nor for tests that run beside it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from judge.machine.mounts import PLUGINS
from tests.contract.flocker.conftest import mounted_btrfs

pytestmark = pytest.mark.contract

OUTSIDE = Path(f"/proc/{os.getppid()}")


def test_the_machines_engine_does_not_see_the_plugins_of_tests() -> None:
    path = PLUGINS / f"test-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        seen = (OUTSIDE / "root" / path.relative_to("/")).exists()
        path.unlink()
    assert not seen


def test_pools_of_tests_are_mounted_nowhere_else() -> None:
    with mounted_btrfs() as root:
        assert str(root) in Path("/proc/self/mountinfo").read_text()
        assert str(root) not in (OUTSIDE / "mountinfo").read_text()
