"""The kernel tells who uses a volume; the disk of the pool, which may hang, is not asked."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from flocker.base.volume_id import check_id
from flocker.engine.pool_mounts import PoolMounts
from flocker.pool.volume_folder import live_of

VOLUME_ID = check_id("11111111-1111-1111-1111-111111111111")


def test_a_pool_whose_disk_hangs_is_not_asked_who_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a node could not give up what it can no longer write to."""
    pool = tmp_path.resolve()
    mounts = PoolMounts(partial(live_of, pool), pool / "shared")
    ask = os.lstat

    def lstat(path: str | Path, **how: int | None) -> os.stat_result:
        assert not Path(path).is_relative_to(pool), "that would hang"
        return ask(path, **how)

    monkeypatch.setattr(os, "lstat", lstat)
    assert mounts.mounted([VOLUME_ID]) == set()
    mounts.kill_users([VOLUME_ID])
