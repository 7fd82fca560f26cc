"""Questions to Docker's engine; longer than 300 lines because every one of them is here.

The engine of this node is asked who uses a volume, and to stop or pause containers. Without an API
version in the path each engine speaks its own; what is used here is in those of 20.10 and later.
Standard library only: the fence is to stay small.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flocker.base import private
from flocker.base.errors import EngineAway, Refused
from flocker.engine.connection import EngineConnection, expect

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5
CALLS_AT_ONCE = 16

LOCKED_SECONDS = 2.0  # a container the engine says nothing of for so long is being worked on

OK, DONE, NOT_FOUND, CONFLICT = 200, 204, 404, 409
RUNNING = ("running", "paused", "restarting", "removing")


class EngineUse(Enum):
    """An engine's answer about a volume that no process has mounted."""

    NONE = "no container there has this volume"
    STOPPED = "only containers that are stopped have this volume"
    BUSY = "a container with this volume is being made, started, stopped or copied from"


@dataclass(frozen=True)
class Stopped:
    """A container that was stopped, and the volumes of those asked for that it has."""

    container: str
    volumes: frozenset[str]


@dataclass(frozen=True)
class _Container:
    """One that runs, or will as soon as the engine has started it again; or any, if asked for."""

    id: str
    name: str
    is_paused: bool
    volumes: frozenset[str]


class Engine:
    """The engine behind a unix socket.

    Args:
        runtime: an existing directory. What is being paused is noted there, so that a
            daemon that dies meanwhile leaves no container paused for good: see `resume`.
    """

    def __init__(self, engine_socket: Path, runtime: Path) -> None:
        self._connection = EngineConnection(engine_socket)
        self._noted = runtime / "paused.json"
        self._pausing = threading.Lock()

    def containers_using(self, volume: str) -> list[str]:
        """Names of the running containers that use the volume of that name, sorted.

        Raises:
            EngineAway: the engine does not answer.
        """
        return [container.name for container in self._using([volume], ANSWER_SECONDS)]

    def containers_with(self, volume: str) -> list[str]:
        """Names of all containers made with the volume of that name, running or not, sorted.

        Raises:
            EngineAway: the engine does not answer.
        """
        containers = self._using([volume], ANSWER_SECONDS, stopped_too=True)
        return [container.name for container in containers]

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        """Kill the running containers that use any of the volumes, side by side.

        Tell of each as soon as it has stopped; no restart policy starts them again.

        Args:
            within: seconds all of it may take.

        Raises:
            EngineAway: not all are known to have stopped; the message says which have not.

        Source: moby, daemon/kill.go: SIGKILL marks a container as stopped by a person, thaws a
        paused one, and ends the wait of one that is about to be started again.
        """
        deadline = time.monotonic() + within
        containers = self._using(volumes, within)

        def stop(container: _Container) -> bool:
            path = f"/containers/{container.id}/kill"
            try:
                status, _ = self._connection.call("POST", path, deadline - time.monotonic())
            except EngineAway:
                return False
            return status in (DONE, NOT_FOUND, CONFLICT)  # the last two: it ended by itself

        left = []
        with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
            stops = {threads.submit(stop, container): container for container in containers}
            for ended in as_completed(stops):
                container = stops[ended]
                if ended.result():
                    yield Stopped(container.name, container.volumes & set(volumes))
                else:
                    left.append(container.name)
        if left:
            raise EngineAway(
                f"the Docker engine has not stopped {_listed(sorted(left))} within {within:.3g} s"
            )

    @contextmanager
    def paused(self, volumes: Collection[str]) -> Iterator[None]:
        """Pause the running containers that use any of the volumes while the block lasts.

        Those that somebody else has paused are left as they are. Whatever happens, the others
        go on afterwards; if the engine is away just then, as soon as `resume` reaches it.

        Raises:
            EngineAway: the engine does not answer; the block was not entered.
            Refused: a container cannot be paused; the block was not entered.
        """
        with self._pausing:  # of two at once, the first to end would have containers of both go on
            containers = self._using(volumes, ANSWER_SECONDS) if volumes else []
            containers = [container for container in containers if not container.is_paused]
            # With those that an engine which was away has left paused: they go on after this, too.
            self._note([*self._noted_ids(), *(container.id for container in containers)])
            try:
                with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
                    list(threads.map(self._pause, containers))
                yield
            finally:
                self._resume_noted()

    def resume(self) -> None:
        """Have containers go on that were left paused because the daemon or the engine died.

        To be called at start and now and then; costs next to nothing when there are none, and
        does nothing while a block of `paused` lasts.
        """
        if self._pausing.acquire(blocking=False):
            try:
                self._resume_noted()
            finally:
                self._pausing.release()

    def local_volumes(self) -> set[str]:
        """Names of the volumes that the engine keeps itself, by its driver `local`.

        Raises:
            EngineAway: the engine does not answer.

        Source: moby, volume/service/store.go: with this filter no other driver is asked.
        """
        query = urlencode({"filters": json.dumps({"driver": ["local"]})})
        status, found = self._connection.call("GET", f"/volumes?{query}", ANSWER_SECONDS)
        expect(OK, status, found)
        return {str(volume["Name"]) for volume in found["Volumes"] or ()}

    def uses_of(self, volumes: Collection[str]) -> dict[str, EngineUse]:
        """Tell of each volume, which is mounted nowhere, whether any container may need it.

        While a container is made, started, stopped or copied from, the engine keeps it locked, and
        answers no question about it. One that is filled from its image is listed before it
        can be asked for. However many they are, it takes three times ANSWER_SECONDS at most; a
        container of which nothing is known by then counts as busy.

        Raises:
            EngineAway: the engine does not answer.

        Source: tried on dockerd 20.10 and 26.1.5 (tests/contract/flocker/api/test_plugin.py).
        """
        uses = dict.fromkeys(volumes, EngineUse.NONE)
        having = self._having(volumes, ANSWER_SECONDS, stopped_too=True)
        for each, is_busy in zip(having, self._are_busy(having), strict=True):
            for volume in {it.get("Name") for it in each.get("Mounts", ())} & uses.keys():
                if uses[volume] is not EngineUse.BUSY:
                    uses[volume] = EngineUse.BUSY if is_busy else EngineUse.STOPPED
        unused = {volume for volume, use in uses.items() if use is EngineUse.NONE}
        # One that is only being made is not in any list, but holds on to its volumes.
        held = unused - self._unreferenced() if unused else set()
        return {**uses, **dict.fromkeys(held, EngineUse.BUSY)}

    def volume_options(self, name: str) -> dict[str, str] | None:
        """The options this engine was given when the volume was created here; None if it was not.

        Not to be called while the engine waits for a Get: it asks for one itself.

        Raises:
            EngineAway: the engine does not answer.
        """
        status, volume = self._connection.call(
            "GET", f"/volumes/{quote(name, safe='')}", ANSWER_SECONDS
        )
        if status == NOT_FOUND:
            return None
        expect(OK, status, volume)
        return dict(volume["Options"] or {})

    def _using(
        self, volumes: Collection[str], within: float, *, stopped_too: bool = False
    ) -> list[_Container]:
        containers = [
            # One that is just being removed has no name any more.
            _Container(
                id=each["Id"],
                name=each["Names"][0].lstrip("/") if each["Names"] else each["Id"][:12],
                is_paused=each["State"] == "paused",
                volumes=frozenset(it["Name"] for it in each.get("Mounts", ()) if it.get("Name")),
            )
            for each in self._having(volumes, within, stopped_too=stopped_too)
        ]
        return sorted(containers, key=lambda container: container.name)

    def _having(
        self, volumes: Collection[str], within: float, *, stopped_too: bool
    ) -> list[dict[str, Any]]:
        filters = json.dumps({"volume": list(volumes)})
        query = urlencode({"filters": filters, "all": int(stopped_too)})
        status, found = self._connection.call("GET", f"/containers/json?{query}", within)
        expect(OK, status, found)
        return list(found)

    def _are_busy(self, containers: Collection[dict[str, Any]]) -> list[bool]:
        """Tell of each container, side by side, whether it runs or is being worked on."""
        deadline = time.monotonic() + ANSWER_SECONDS

        def is_busy(container: dict[str, Any]) -> bool:
            if container["State"] in RUNNING:
                return True
            within = min(LOCKED_SECONDS, deadline - time.monotonic())
            return within <= 0 or self._is_worked_on(container["Id"], within)

        with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
            return list(threads.map(is_busy, containers))

    def _is_worked_on(self, container_id: str, within: float) -> bool:
        """Tell whether a container that does not run is in the middle of something."""
        try:
            state = self._state(container_id, within)
        except EngineAway:
            return True
        # Without a state it is being made or removed.
        return not state or state["Status"] in RUNNING

    def _unreferenced(self) -> set[str]:
        """Names of the volumes that no container has, not even one that is being made."""
        query = urlencode({"filters": json.dumps({"dangling": ["true"]})})
        status, found = self._connection.call("GET", f"/volumes?{query}", ANSWER_SECONDS)
        expect(OK, status, found)
        return {each["Name"] for each in found["Volumes"] or []}

    def _pause(self, container: _Container) -> None:
        status, answer = self._connection.call(
            "POST", f"/containers/{container.id}/pause", ANSWER_SECONDS
        )
        if status != DONE and self._state(container.id).get("Running"):
            reason = answer.get("message", status)
            raise Refused(f"container '{container.name}' cannot be paused: {reason}")

    def _resume_noted(self) -> None:
        left = []
        for container_id in self._noted_ids():
            try:
                status, _ = self._connection.call(
                    "POST", f"/containers/{container_id}/unpause", ANSWER_SECONDS
                )
                if status != DONE and self._state(container_id).get("Paused"):
                    raise EngineAway(f"the Docker engine answers {status}")
            except EngineAway as error:
                log.error("container %s stays paused for now: %s", container_id[:12], error)
                left.append(container_id)
        self._note(left)

    def _noted_ids(self) -> list[str]:
        return list(json.loads(self._noted.read_text())) if self._noted.exists() else []

    def _note(self, container_ids: list[str]) -> None:
        if not container_ids:
            self._noted.unlink(missing_ok=True)
            return
        private.write(self._noted, json.dumps(container_ids))

    def _state(self, container_id: str, within: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The engine's State; empty for a container that is gone."""
        status, container = self._connection.call("GET", f"/containers/{container_id}/json", within)
        if status == NOT_FOUND:
            return {}
        expect(OK, status, container)
        state: dict[str, Any] = container["State"]
        return state


def _listed(names: list[str]) -> str:
    return ", ".join(f"container '{name}'" for name in names)
