"""The fence with as many volumes as are promised: real processes and mounts, a hung engine."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flocker.engine.client import Engine
from flocker.engine.mount_table import users_of
from flocker.fence.fence import Fence, boottime
from flocker.fence.guard import VOLUMES_AT_MOST
from flocker.fence.lease_file import AutoVolume, LeaseFile
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.writers import last_write, writers

pytestmark = pytest.mark.contract

LEASE_SECONDS = 15
LATEST_SECONDS = 10.5  # of silence, when the fence looks: after two thirds, twice a second
SPARE_SECONDS = 2


@pytest.fixture
def lives() -> Iterator[list[Path]]:
    """The writable copies of many volumes in one pool."""
    with mounted_btrfs() as root:
        lives = [root / "volumes" / f"id{number}" / "live" for number in range(VOLUMES_AT_MOST)]
        for live in lives:
            live.parent.mkdir(parents=True)
            subprocess.run(["btrfs", "-q", "subvolume", "create", live], check=True)
        yield lives


@pytest.fixture
def hung_engine(tmp_path: Path) -> Iterator[Engine]:
    """It takes every connection and answers nothing."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "engine.sock"))
        listening.listen(128)
        yield Engine(tmp_path / "engine.sock", tmp_path)


def test_the_last_of_many_writers_is_stopped_two_seconds_before_the_lease_ends(
    lives: list[Path], hung_engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "data"
    target.mkdir()
    files = LeaseFile(tmp_path / "run")
    files.write_auto(
        [AutoVolume(f"auto{number}", live.parent.name, str(live))
         for number, live in enumerate(lives)]
    )  # fmt: skip
    fence = Fence("node1", files, hung_engine)
    with writers(target, lives):
        assert len(users_of(lives)) == VOLUMES_AT_MOST
        renewed_at = boottime() - LATEST_SECONDS
        files.write_renewed(renewed_at, LEASE_SECONDS)
        with caplog.at_level(logging.ERROR):
            fence.check()
        assert users_of(lives) == {}
    assert fence.last is not None
    assert fence.last.volumes == VOLUMES_AT_MOST
    assert fence.last.ended_at is not None
    assert max(map(last_write, lives)) <= fence.last.ended_at
    assert fence.last.ended_at <= renewed_at + LEASE_SECONDS - SPARE_SECONDS
