"""Data put aside under a wrong clock is not deleted early; run on memory and on real btrfs."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import cast

import pytest

from flocker.base.records import Node
from flocker.base.troubles import Troubles
from flocker.care.purging import Purging
from flocker.consensus.mirror import Mirror
from flocker.engine.volume_use import VolumeUse
from flocker.node import observed
from flocker.node.context import NodeContext
from flocker.node.observed import Observed
from flocker.node.pools import Pools
from flocker.node.retention import Retention
from flocker.pool.local_pool import LocalPool
from tests.contract.flocker.conftest import SURE, MakePool
from tests.contract.flocker.pool.test_pool_asides import a_volume, content_of
from tests.twins.memory_ownership import MemoryOwnership

pytestmark = pytest.mark.contract

RETENTION_SECONDS = 7 * 86400.0
MONTH = timedelta(days=30)


class Clock:
    """A node's clocks: the one that never steps, and how far the wall's is from it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ahead = timedelta()

    def wall(self) -> float:
        return datetime.now().timestamp() + self.seconds + self.ahead.total_seconds()


class Daemon:
    """What purges on one node, with a clock of its own."""

    def __init__(self, pool: LocalPool, file: Path) -> None:
        self.pool, self.clock, self._file = pool, Clock(), file
        self._ownership = MemoryOwnership()
        self.start()

    def start(self) -> None:
        clock = self.clock
        self._observed = Observed(self._file, lambda: clock.seconds, clock.wall)
        context = NodeContext(
            "node1",
            self._ownership,
            Mirror(self._ownership, self._file.with_name("catalog.json")),
            Pools("node1", self.pool, self._ownership),
            cast(VolumeUse, None),  # nothing here asks who uses a volume
            Retention(RETENTION_SECONDS, self._observed),
            Troubles(),
        )
        self._purging = Purging(context)

    def live(self, seconds: float) -> None:
        for _ in range(int(seconds / 30)):
            self.clock.seconds += 30
            self._observed.look(self._ownership.state())

    def purge(self) -> int:
        """Purge, and count what is left."""
        self._ownership.ahead["node1"] = self.clock.wall() - datetime.now().timestamp()
        self._ownership.announce(Node("node1", "127.0.0.1", "0", 0, 1))
        self._purging.purge_old()
        return len(self.pool.asides())


@pytest.fixture
def daemon(make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    # A week has ten thousand minutes, and none of these has to outlive a loss of power.
    monkeypatch.setattr(observed, "SAVE_SECONDS", 3600.0)
    return Daemon(make_pool(), tmp_path / "observed.json")


def put_aside(pool: LocalPool, monkeypatch: pytest.MonkeyPatch, clock_is: timedelta) -> None:
    """Remove a volume while the clock is wrong by that much."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return cls.fromtimestamp((datetime.now(tz) + clock_is).timestamp(), tz)

    claim, _ = a_volume(pool, "text")
    with monkeypatch.context() as patch:
        patch.setattr("flocker.pool.trash.datetime", Wrong)
        patch.setattr("tests.twins.memory_parts.datetime", Wrong)
        pool.discard(claim.volume_id, "demo", "node1", SURE)


@pytest.mark.parametrize("clock_was", [-MONTH, timedelta(), MONTH])
def test_data_is_kept_for_the_retention_whatever_the_clock_said(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, clock_was: timedelta
) -> None:
    put_aside(daemon.pool, monkeypatch, clock_was)
    assert daemon.purge() == 1
    daemon.live(RETENTION_SECONDS - 60)
    assert daemon.purge() == 1
    daemon.live(120)
    assert daemon.purge() == 0


def test_a_clock_that_is_a_month_ahead_for_a_moment_empties_no_trash(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(daemon.pool, monkeypatch, timedelta())
    assert daemon.purge() == 1
    for ahead in (MONTH, timedelta()):
        daemon.clock.ahead = ahead
        assert daemon.purge() == 1
        daemon.start()
        assert daemon.purge() == 1
    daemon.live(RETENTION_SECONDS - 60)
    assert daemon.purge() == 1
    [aside] = daemon.pool.asides()
    assert content_of(daemon.pool, aside) == "text"
