"""Three simulated nodes, as the judge's clients see them: `judge.clients.cluster.Cluster`."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

from flocker.base.answers import VolumeStatus
from flocker.base.errors import ControlPlaneAway, FlockerError, OwnerAway, PeerAway
from flocker.base.options import read_size
from flocker.base.records import ClusterState, Event
from flocker.moving.succession import candidates
from judge.clients.cluster import Content, Refused, Request, Unanswered
from judge.history import Action, Checked, CopyClaim, Promoted, Sample
from judge.recorder import Recorder
from tests.simulated.etcd import SimulatedEtcd
from tests.simulated.files import MemoryPath, keep_in_memory
from tests.simulated.network import Gone, Network, NoReply, ask
from tests.simulated.node import Daemon, Node, Shared
from tests.simulated.scheduler import Scheduler

NAMES = ("node1", "node2", "node3")
ENGINE_SECONDS = 200.0  # that a client waits for an engine
COMMAND_SECONDS = 120.0  # and for a command
STATUS_SECONDS = 5.0
USE_SECONDS = 5.0  # between two tries to start containers on the copy of a machine
STALE_SECONDS = 30.0  # for which a node may still tell of what was said before a clock was set
LOST_AFTER = "what it wrote after "


class SimulatedCluster:
    """See `judge.clients.cluster.Cluster`.

    Args:
        pause_seconds: at most, between two lines of a writer.
    """

    def __init__(
        self, running: Scheduler, recorder: Recorder, random: Random, pause_seconds: float
    ) -> None:
        keep_in_memory()
        self.nodes = NAMES
        self._running = running
        self._recorder = recorder
        self.network = Network(running, random)
        self.etcd = SimulatedEtcd(NAMES, running, random)
        self.etcd.on_put = self._saw_put
        self.machines: dict[str, Node] = {}
        self._shared = Shared(
            running, recorder, self.network, self.etcd, self.machines, random, pause_seconds
        )
        for name in NAMES:
            self.machines[name] = Node(name, MemoryPath("/", name), self._shared)

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self._running.now

    @property
    def state(self) -> ClusterState:
        """The agreed records."""
        return self.etcd.state()

    def step_clock(self, node: str, by: float) -> None:
        """Set the wall clock of a node."""
        self.machines[node].clock.step(by, self._running.now)

    def can_spare_disk(self, node: str) -> bool:
        """Tell whether each volume is on the disk of another node, too."""
        others = [machine.disk.pool for name, machine in self.machines.items() if name != node]
        return all(
            any(pool.has_writable(volume.id) or pool.snapshots(volume.id) for pool in others)
            for volume in self.state.volumes.values()
        )

    def start_copy(self, node: str) -> Node:
        """Start another machine that has the name and a copy of all disks of a node.

        People try to start containers on it until it is without power.
        """
        folder = MemoryPath("/", f"copy of {node}")
        machine = Node(node, folder, self._shared, image=self.machines[node])
        self._running.spawn("people", lambda: self._use(machine))
        return machine

    def _use(self, machine: Node) -> None:
        while machine.has_power:
            for volume in list(self.state.volumes):
                with suppress(Refused, Unanswered):
                    self._engine(machine, partial(machine.engine.start, volume))
            self._running.sleep(USE_SECONDS)

    def check_taken_over(self, node: str) -> None:
        """Note of each auto volume whether it is another node's, if another one has a copy."""
        for volume in self.state.volumes.values():
            if volume.failover == "auto" and candidates(volume, self.state):
                self._recorder.note(
                    Checked(
                        at=self._running.now, node=node, what="takeover", volume=volume.name,
                        is_well=volume.owner != node, message=f"{volume.owner} still owns it",
                    )
                )  # fmt: skip

    def do(self, request: Request) -> str:
        node, volume, detail = self.machines[request.node], request.volume, request.detail
        match request.action:
            case Action.START:
                self._engine(node, lambda: node.engine.start(volume))
                return ""
            case Action.STOP:
                self._engine(node, lambda: node.engine.stop(volume))
                return ""
            case Action.SNAPSHOT:
                taken = self._command(
                    node, lambda it: it.operations.snapshots.snapshot([volume], "judge")
                )
                return f"{volume}@{taken['snapshots'][0]['number']}"
        commands: dict[Action, Callable[[Daemon], object]] = {
            Action.CREATE: lambda it: it.driver.create(volume, json.loads(detail or "{}")),
            Action.MOVE: lambda it: it.operations.moves.move(volume, detail or None),
            Action.CANCEL_MOVE: lambda it: it.operations.moves.cancel(volume),
            Action.PROMOTE: lambda it: it.operations.moves.promote(volume),
            Action.PROMOTE_HERE: lambda it: it.operations.moves.promote(volume, here=True),
            Action.PRUNE: lambda it: it.operations.snapshots.prune(detail),
            Action.RESTORE: lambda it: it.operations.snapshots.restore(detail),
            Action.CLONE: lambda it: it.operations.changes.clone(detail, volume),
            Action.RESIZE: lambda it: it.operations.changes.resize(
                volume, None if detail == "none" else read_size(detail)
            ),
            Action.REMOVE: lambda it: it.driver.remove(volume),
            Action.UNDELETE: lambda it: it.operations.recovery.undelete(volume),
            Action.PURGE: lambda it: it.maintenance.purge(detail or volume),
        }
        self._command(node, commands[request.action])
        return ""

    def read(self, node: str, volume: str) -> Content:
        machine = self.machines[node]
        return self._engine(machine, lambda: machine.engine.read(volume))

    def sample(self, node: str) -> list[Sample]:
        try:
            status = self._command(
                self.machines[node], lambda it: it.operations.overview.status(), STATUS_SECONDS
            )
        except (Refused, Unanswered):
            return []
        return [self._sample(node, each) for each in status["volumes"]]

    def _engine(self, node: Node, work: Callable[[], Any]) -> Any:
        """Ask the engine; what it does ends with the machine's power."""
        try:
            if not node.has_power:
                raise Refused("no power")
            return ask(self._running, node.dockerd, "engine", work, ENGINE_SECONDS)
        except (Gone, NoReply) as error:
            raise Unanswered(str(error)) from error

    def _command(
        self, node: Node, work: Callable[[Daemon], Any], within: float = COMMAND_SECONDS
    ) -> Any:
        """Type a command, which the daemon does."""
        daemon = node.daemon
        if daemon is None:
            raise Refused("no daemon")
        try:
            return ask(self._running, daemon.process, "command", lambda: work(daemon), within)
        except (ControlPlaneAway, OwnerAway, PeerAway) as error:
            raise Unanswered(str(error)) from error
        except (FlockerError, OSError) as error:
            raise Refused(str(error)) from error
        except (Gone, NoReply) as error:
            raise Unanswered(str(error)) from error

    def _sample(self, node: str, volume: VolumeStatus) -> Sample:
        mounted_on = volume["mounted_on"]
        # Times by two clocks that differ say nothing of each other, which the driver says, too.
        is_same_time = all(
            machine.clock.is_right(self._running.now - STALE_SECONDS)
            for machine in self.machines.values()
        )
        return Sample(
            at=self._running.now,
            node=node,
            volume=volume["name"],
            identity=volume["id"],
            owner=volume["owner"],
            epoch=volume["epoch"],
            mounted_on=() if mounted_on is None else (mounted_on,),
            copies=tuple(
                CopyClaim(
                    node=copy["node"],
                    is_current=copy["is_current"],
                    complete_until=self._moment(volume["owner"], copy["complete_until"], -1),
                )
                for copy in volume["copies"]
                if is_same_time
            ),
        )

    def _saw_put(self, key: str, value: str) -> None:
        """Note promotions, whoever asked for them, at the moment in which they are agreed."""
        if not key.startswith("flocker/history/"):
            return
        event = Event.from_json(json.loads(b64decode(value)))
        if event.what != "promoted":
            return
        until = event.why.partition(LOST_AFTER)[2].split(" ")[0]
        volume, former = self.etcd.record(event.volume), event.why.split(" ")[0]
        self._recorder.note(
            Promoted(
                at=self._running.now,
                volume=event.volume,
                node=event.node,
                former=former,
                epoch=0 if volume is None else volume["epoch"],
                # None would promise everything.
                complete_until=self._moment(former, until, 0) or 0,
            )
        )

    def _moment(self, owner: str, time: str, which: int) -> float | None:
        """A time by an owner's clock in seconds of the simulation; one of several, if it stepped.

        None: the owner's clock never showed it. A former owner wrote it, before the clock stepped.
        """
        if not time:
            return None
        wall = datetime.fromisoformat(time).timestamp()
        found = self.machines[owner].clock.moments(wall, self._running.now)
        return found[which] if found else None
