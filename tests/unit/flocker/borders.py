"""The borders of a machine in memory: its engine and kernel, its way to etcd, its fence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

from flocker.base.errors import ControlPlaneAway, Refused
from flocker.base.records import ClusterState, Volume
from flocker.engine.client import EngineUse, Stopped
from flocker.engine.volume_use import VolumeUse
from flocker.fence.lease_file import AutoVolume
from tests.twins.memory_ownership import MemoryOwnership


class Containers:
    """The engine and the kernel of a machine: which containers run, and which of them are seen."""

    def __init__(self) -> None:
        self.running: dict[str, list[str]] = {}  # volume -> containers
        self.exited: dict[str, list[str]] = {}  # volume -> containers that are there, and stopped
        self.mounts: set[str] = set()  # volume ids
        self.other_use = EngineUse.STOPPED  # of a volume that no running container has
        self.stopped: list[str] = []
        self.killed: list[str] = []  # volume ids whose users were ended by force
        self.frozen: list[str] = []  # volumes whose containers stand still now
        self.options: dict[str, dict[str, str]] = {}
        self.on_stop: Callable[[str], None] = lambda _: None  # the engine unmounts

    def volume_options(self, volume: str) -> dict[str, str] | None:
        return self.options.get(volume)

    @contextmanager
    def paused(self, volumes: Collection[str]) -> Iterator[None]:
        self.frozen = sorted(volumes)
        yield
        self.frozen = []

    def resume(self) -> None:
        """Nothing is ever left paused."""

    def containers_using(self, volume: str) -> list[str]:
        return self.running.get(volume, [])

    def containers_with(self, volume: str) -> list[str]:
        return sorted(self.running.get(volume, []) + self.exited.get(volume, []))

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        assert within > 0
        for volume in volumes:
            stopped = self.running.pop(volume, [])
            self.stopped += stopped
            self.on_stop(volume)
            yield from (Stopped(container, frozenset([volume])) for container in stopped)

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        return {each: self._use_of(each) for each in volumes}

    def _use_of(self, volume: str) -> EngineUse:
        return EngineUse.BUSY if self.running.get(volume) else self.other_use

    def mounted(self, volume_ids: Collection[str]) -> set[str]:
        return self.mounts & set(volume_ids)

    def kill_users(self, volume_ids: Collection[str]) -> None:
        self.killed += volume_ids
        self.mounts -= set(volume_ids)


def questions(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """From now on, the volumes of each question to stop what uses them."""
    asked, stop_using = list[list[str]](), containers.stop_using

    def noted(volumes: Collection[str], within: float) -> Iterator[Stopped]:
        asked.append(sorted(volumes))
        return stop_using(volumes, within)

    monkeypatch.setattr(containers, "stop_using", noted)
    return asked


class Etcd:
    """A node's way to what is agreed about, which a test can cut and listen to.

    Attributes:
        is_away: no call gets through.
        away_for: calls that do not get through.
        unheard: calls that get through, and whose answers are lost.
        before, after: what happens once, just before or after the next call of that name.
        calls: the names of those that got through, `state` left out: the mirror asks for it
            all the time.
    """

    def __init__(self, shared: MemoryOwnership) -> None:
        self._shared = shared
        self.is_away = False
        self.away_for: set[str] = set()
        self.unheard: set[str] = set()
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []

    def __getattr__(self, call: str) -> Callable[..., Any]:
        reach = getattr(self._shared, call)

        @wraps(reach)
        def through(*arguments: Any, **named: Any) -> Any:
            if self.is_away or call in self.away_for:
                raise ControlPlaneAway("etcd does not answer")
            if happens := self.before.pop(call, None):
                happens()
            if call != "state":
                self.calls.append(call)
            answer = reach(*arguments, **named)
            if happens := self.after.pop(call, None):
                happens()
            if call in self.unheard:
                raise ControlPlaneAway("etcd does not answer")
            return answer

        return through


class WatchfulGuard:
    """A fence that hears of everything at once, or refuses.

    Attributes:
        covered: names of the volumes that it was told of before they were used.
        used: ids of what was used each time that uses had ended.
    """

    def __init__(self, use: VolumeUse, state: Callable[[], ClusterState]) -> None:
        self._use = use
        self._state = state
        self.covered: list[str] = []
        self.used: list[set[str]] = []
        self.refusal: Refused | None = None

    @contextmanager
    def covering(self, volume: Volume, within: float) -> Iterator[None]:
        assert within > 0
        if self.refusal:
            raise self.refusal
        self.covered.append(volume.name)
        yield

    def refresh(self) -> None:
        self.used.append(self._use.volumes())

    def listed(self) -> list[AutoVolume]:
        """Tell of all auto volumes: uses go on whoever owns the volume by now."""
        known = [each for each in self._state().volumes.values() if each.is_fenced]
        return [AutoVolume(volume.name, volume.id, "") for volume in known]

    def problems(self) -> list[str]:
        return []
