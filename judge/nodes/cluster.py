"""Real nodes as clients see them: each request is a command that somebody types on one."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue
from threading import Lock
from typing import Any

from acceptance.base.command import TIMED_OUT
from acceptance.cluster import cluster as suite
from acceptance.nodes.access import NodeAway
from judge.clients.cluster import Content, Refused, Request, Unanswered
from judge.history import Action, CopyClaim, Sample, Volume, WriterStarted, WriterStopped
from judge.nodes import writer
from judge.nodes.clock import Clock
from judge.recorder import Recorder

IMAGE = "busybox"
UNSYNCED = "unsynced"  # in the name of a volume whose containers write without fsync

log = logging.getLogger("soak")


@dataclass(frozen=True)
class Asked:
    """A container that was asked for, and when."""

    run: str
    at: float


class Nodes:
    """The nodes of a run; see judge.clients.cluster.Cluster.

    One container for each volume on each node, of the volume's name. Its lines are noted when it
    is removed, which is before it is started again.

    Args:
        connections: to all nodes, one for each command at a time.
    """

    def __init__(
        self, connections: Sequence[suite.Cluster], recorder: Recorder, clock: Clock
    ) -> None:
        self.nodes = tuple(node.name for node in connections[0].nodes)
        self._recorder = recorder
        self.clock = clock
        self._numbers = count(1)
        self._lock = Lock()
        self._places: dict[tuple[str, str], Lock] = {}
        self._runs: dict[tuple[str, str], Asked] = {}  # node, volume: of the container there
        self._free: SimpleQueue[suite.Cluster] = SimpleQueue()
        for each in connections:
            self._free.put(each)
        self._commands: dict[Action, Callable[[Request], str]] = {
            Action.MOVE: lambda request: f"sudo flocker move {request.volume}",
            Action.CANCEL_MOVE: lambda request: f"sudo flocker move --cancel {request.volume}",
            Action.PROMOTE: lambda request: f"sudo flocker promote {request.volume}",
            Action.PROMOTE_HERE: lambda request: f"sudo flocker promote --here {request.volume}",
            Action.PRUNE: lambda request: f"sudo flocker prune {request.detail}",
            Action.RESTORE: lambda request: f"sudo flocker restore {request.detail}",
            Action.CLONE: lambda request: f"sudo flocker clone {request.detail} {request.volume}",
            Action.RESIZE: lambda request: f"sudo flocker resize {request.volume} {request.detail}",
            Action.REMOVE: lambda request: f"docker volume rm {request.volume}",
            Action.UNDELETE: lambda request: f"sudo flocker undelete {request.volume}",
            Action.PURGE: lambda request: f"sudo flocker purge {request.volume}",
        }

    def do(self, request: Request) -> str:
        if request.action is Action.START:
            self._start(request.node, request.volume)
        elif request.action is Action.STOP:
            self._stop(request.node, request.volume)
        elif request.action is Action.SNAPSHOT:
            return self._snapshot(request.node, request.volume)
        else:
            self.type(request.node, self._commands[request.action](request))
        return ""

    def read(self, node: str, volume: str) -> Content:
        command = f"cat {writer.LOG} 2>/dev/null || test ! -e {writer.LOG}"
        run = f"docker run --rm --volume-driver flocker -v {volume}:/data {IMAGE}"
        return writer.content(self.type(node, f"{run} sh -c '{command}'").splitlines())

    def sample(self, node: str) -> list[Sample]:
        try:
            status = self.ask(node, "status")
        except (Refused, Unanswered):
            return []
        if not status["is_connected"]:
            return []  # it says itself that this is what it knew last
        return [self._sample(node, volume) for volume in status["volumes"]]

    def create(self, node: str, volume: Volume) -> None:
        """Create a volume with its options."""
        options = " ".join(f"-o {name}={value}" for name, value in volume.options.items())
        self.type(node, f"docker volume create -d flocker {options} {volume.name}")

    def ask(self, node: str, command: str) -> Any:
        """The answer of a `flocker` command, which changes nothing; raises as `do`."""
        return json.loads(self.type(node, f"sudo flocker {command} --json"))

    def type(self, node: str, command: str) -> str:
        """Type a command; what it printed.

        Raises:
            Refused: it failed.
            Unanswered: it did not end, or the node went away.
        """
        with self._connection() as connection:
            try:
                typed = connection.node(node).type(command)
            except NodeAway as error:
                log.info("%s$ %s\n%s", node, command, error)
                raise Unanswered(str(error)) from error
        log.info(
            "%s$ %s [%d after %.1f s]\n%s",
            node, command, typed.exit_status, typed.seconds, typed.output[-400:].strip(),
        )  # fmt: skip
        if typed.exit_status == TIMED_OUT:
            raise Unanswered(typed.output.strip())
        if typed.exit_status != 0:
            raise Refused(typed.output.strip())
        return typed.output

    def remember(self, node: str, volume: str, run: str) -> None:
        """Know the run of the container with a volume on a node."""
        self._runs[node, volume] = Asked(run, self.clock.now())

    def note_lost(self) -> None:
        """Note the containers that nobody could ask any more, so that their lines are known."""
        for (node, volume), asked in self._runs.items():
            self._recorder.note(WriterStarted(at=asked.at, run=asked.run, node=node, volume=volume))

    def _start(self, node: str, volume: str) -> None:
        with self._place(node, volume):
            if self._state(node, volume) == "running":
                return
            self._remove(node, volume)
            run = f"{volume}.{node}.{next(self._numbers)}"
            self.remember(node, volume, run)
            script = shlex.quote(writer.script(fsync=_is_synced(volume)))
            self.type(
                node,
                f"docker create --init --name {volume} --env RUN={run} --volume-driver flocker"
                f" -v {volume}:/data {IMAGE} sh -c {script} >/dev/null && docker start {volume}",
            )

    def _stop(self, node: str, volume: str) -> None:
        with self._place(node, volume):
            if self._state(node, volume) == "running":
                self.type(node, f"docker stop --time 1 {volume}")
            self._remove(node, volume)

    def _remove(self, node: str, volume: str) -> None:
        """Remove the container that does not run any more, and note what it wrote."""
        if self._state(node, volume) == "none":
            self._runs.pop((node, volume), None)
            return
        asked = self._runs.get((node, volume))
        printed = self.type(node, f"docker logs {volume} 2>/dev/null")
        ended = self.type(node, "docker inspect --format '{{.State.FinishedAt}}' " + volume).strip()
        self.type(node, f"docker rm {volume}")
        if asked is not None:
            del self._runs[node, volume]
            self._note(node, volume, asked, printed, ended)

    def _note(self, node: str, volume: str, asked: Asked, printed: str, ended: str) -> None:
        run = asked.run
        events = list(
            writer.events(
                printed, run=run, node=node, volume=volume,
                fsync=_is_synced(volume), clock=self.clock,
            )
        )  # fmt: skip
        if not events:  # it did not start, or its log went with its node
            events = [WriterStarted(at=asked.at, run=run, node=node, volume=volume)]
        at = max(self.clock.of_wall(ended), *(event.at for event in events))
        self._recorder.note(*events, WriterStopped(at=at, run=run))

    def _state(self, node: str, volume: str) -> str:
        """`none` if there is no container of a volume; else as the engine calls its state."""
        there = "docker container inspect --format '{{.State.Status}}' " + volume
        found = self.type(
            node, f"docker version >/dev/null && {{ {there} 2>/dev/null || echo none; }}"
        )
        return found.split()[-1]

    def _snapshot(self, node: str, volume: str) -> str:
        [taken] = self.ask(node, f"snapshot {volume}")["snapshots"]
        return f"{taken['volume']}@{taken['number']}"

    def _sample(self, node: str, volume: dict[str, Any]) -> Sample:
        copies = tuple(
            CopyClaim(
                node=copy["node"],
                is_current=copy["is_current"],
                complete_until=self.clock.of_wall(copy["complete_until"]),
            )
            for copy in volume["copies"]
        )
        mounted_on = volume["mounted_on"]
        return Sample(
            at=self.clock.now(), node=node, volume=volume["name"], identity=volume["id"],
            owner=volume["owner"], epoch=volume["epoch"],
            mounted_on=() if mounted_on is None else (mounted_on,), copies=copies,
        )  # fmt: skip

    @contextmanager
    def _connection(self) -> Iterator[suite.Cluster]:
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _place(self, node: str, volume: str) -> Lock:
        with self._lock:
            return self._places.setdefault((node, volume), Lock())


def _is_synced(volume: str) -> bool:
    return UNSYNCED not in volume
