"""The protocol as a state machine (docs/architecture.md), driven through crashes by hypothesis.

The real rules run on the twins of pool and etcd. At every call that leaves a
node (to etcd, to a peer, to its disk) the node may lose its power, before or
after the call took effect, or the answer may get lost. Nodes fall silent, their
leases run out, replicas are promoted, losers come back, and so do machines
whose disks were replaced, and second machines of a node's name. Disks refuse
what was written to them, pools refuse increments or become read-only, and the
engine's Unmount may never come. There are several volumes at once, with failover=auto and manual.
Wall clocks step, and hours pass. Whatever happens:

- one writer: no two nodes ever have the volume at the same epoch. With failover=auto the times in
  which nodes can write never meet, by one clock for all;
- a planned move loses nothing that a container wrote; it is refused while the volume holds
  what no snapshot does;
- trouble with one volume stops no work with another;
- nothing is purged before the retention has ended, however wall clocks step;
- a promotion loses nothing that its replica held, and what it does not have is
  kept aside on the node that wrote it, as long as that has its disk;
- in the end each volume has exactly one owner, who has the data, and every node
  can have it; or it has said that all copies are gone with their disks.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    NotAdmitted,
    PoolError,
    Refused,
    StaleEpoch,
)
from flocker.base.records import Claim, Volume
from flocker.engine.volume_use import START_SECONDS
from flocker.membership.identity import Identity
from flocker.moving.replica_choice import newest_copy
from flocker.node import observed
from flocker.node.retention import replicas_of
from flocker.pool.local_pool import LocalPool
from flocker.pool.protocol import Aside
from tests.twins.memory_pool import MemoryPool
from tests.unit.flocker.borders import Etcd
from tests.unit.flocker.cluster import RETENTION_SECONDS, Machine, MemoryCluster
from tests.unit.flocker.wires import DeafToMoves, PowerCut, Wire, Wired, nothing_changes, silence
from tests.unit.flocker.writers import Writers

NODES = ("node1", "node2", "node3")
VOLUMES = {"first": "auto", "second": "manual"}  # name -> failover
INNER = "layer.subvolume"  # the twin takes it for a subvolume inside the volume
CONTAINER = "writer"
EXAMPLES = 80  # about 15 s; thousands were run before this was believed
LONGEST_SECONDS = 20  # after which what a node does counts as waiting for ever
LONGEST_OPERATION = 20  # calls that leave a node; a fuse longer than that never goes off
LEASE_SECONDS = 15
FENCE_SECONDS = 10  # without a renewal, until a node has stopped what writes to auto volumes
CALL_SECONDS = 0.01
LOOKS_IN_AN_HOUR = 60  # of a daemon at the time that passes; rarer, and it has not seen it pass


@dataclass(frozen=True)
class PutAside:
    """What a copy holds that a node has put aside, and when that was first known."""

    lines: set[str]
    at: float


class Story:
    """What the model knows of one volume.

    Attributes:
        writers: epoch -> the node that had the volume mounted.
        epochs: node -> the epoch its container writes at.
        written: lines of the volume as its owner has them.
        all_lines: those that are nowhere to be missed, on whatever node.
        lost_epoch: the one whose owner lost it with its disk.
        writing: when nodes could write.
    """

    def __init__(self, volume: Volume, clock: Callable[[], float]) -> None:
        self.name = volume.name
        self.id = volume.id
        self.is_auto = volume.failover == "auto"
        self.writers: dict[int, str] = {}
        self.epochs: dict[str, int] = {}
        self.written: list[str] = []
        self.all_lines: set[str] = set()
        self.lost_epoch = 0
        self.writing = Writers(clock)


SOME_NODE = st.sampled_from(NODES)
SOME_VOLUME = st.sampled_from(sorted(VOLUMES))


class Protocol(RuleBasedStateMachine):
    """Some volumes, three nodes, containers on each that append lines to a file of a volume."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.cluster = MemoryCluster(self.folder, NODES)
        self.seconds = 0.0  # the one clock that nothing steps
        self.wires: dict[str, Wire] = {}
        self.pools: dict[str, MemoryPool] = {}  # past the wires: what is on the disks
        for machine in self.cluster.machines.values():
            wire = self.wires[machine.name] = Wire(partial(self._pass, CALL_SECONDS))
            self.pools[machine.name] = cast(MemoryPool, machine.pool)
            machine.pool = cast(LocalPool, Wired("pool", machine.pool, wire))
            machine.etcd = cast(Etcd, Wired("ownership", machine.etcd, wire))
            machine.peers = DeafToMoves(Wired("peers", machine.peers, wire))
            self._start(machine)
            machine.containers.on_stop = partial(self._engine_stops, machine)
        self.late: list[dict[str, Any]] = []
        self.cluster.ownership.etcd.before = self._hold_back
        self.counter = 0
        self.to_be_fenced: set[str] = set()
        self.asides: dict[tuple[str, str], PutAside] = {}
        self.stories: dict[str, Story] = {}
        for name, failover in VOLUMES.items():
            self.cluster["node1"].driver.create(name, {"failover": failover})
            self.stories[name] = Story(self._volume(name), lambda: self.seconds)

    # What people, containers and nodes do

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def start_container(self, node: str, volume: str) -> None:
        if node not in self.stories[volume].epochs:
            self._do(node, partial(self._mount, self.stories[volume]))
        self.write(node, volume)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def write(self, node: str, volume: str) -> None:
        pool = self.pools[node]
        has_room = pool.room == "plenty" and not pool.is_read_only
        if has_room and self._runs(node, volume):
            self._append(self.stories[volume], node)

    @rule(node=SOME_NODE, volume=SOME_VOLUME, is_there=st.booleans())
    def change_subvolume(self, node: str, volume: str, is_there: bool) -> None:
        """The container makes a subvolume inside the volume and writes to it, or deletes it."""
        if not self._runs(node, volume) or self.pools[node].is_read_only:
            return
        if is_there:
            self._append(self.stories[volume], node, INNER)
        else:
            self._delete_subvolume(self.stories[volume], node)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def stop_container(self, node: str, volume: str) -> None:
        if self._runs(node, volume):
            self._do(node, partial(self._unmount, self.stories[volume]))

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def lose_unmount(self, node: str, volume: str) -> None:
        """The container ends, and the driver never hears of it."""
        if self._runs(node, volume):
            self._end_container(self.stories[volume], node)

    @rule(node=SOME_NODE)
    def let_time_pass(self, node: str) -> None:
        """Longer than a start takes; then the node looks which uses nothing backs."""
        self._pass(START_SECONDS)
        self.cluster[node].clock += START_SECONDS
        self._do(node, lambda machine: machine.reconciler.end_unbacked_uses())

    @rule(hours=st.integers(1, 3))
    def hours_pass(self, hours: int) -> None:
        """Wall clocks go on from wherever they are; nodes that live see the time pass."""
        for _ in range(hours * LOOKS_IN_AN_HOUR):
            self._pass(3600 / LOOKS_IN_AN_HOUR)
            for node in NODES:
                self.cluster.ownership.ahead[node] += 3600 / LOOKS_IN_AN_HOUR
                if not (self.wires[node].is_dead or self.wires[node].is_paused):
                    self.cluster[node].lived += 3600 / LOOKS_IN_AN_HOUR
                    self.cluster[node].observed.look(self.cluster.state)

    @rule(node=SOME_NODE, hours=st.sampled_from([-9, -2, 2, 9, 24 * 365]))
    def step_clock(self, node: str, hours: int) -> None:
        """In between two looks for what is to be purged."""
        self.purge(node)
        self.cluster.ownership.ahead[node] += hours * 3600
        self.purge(node)

    @rule(node=SOME_NODE)
    def purge(self, node: str) -> None:
        self._note_asides()
        self._do(node, lambda machine: machine.purging.purge_old())

    @rule(node=SOME_NODE)
    def look_at_pool(self, node: str) -> None:
        """The node gives its auto volume up if its pool cannot write, or may own it again."""
        self._do(node, lambda machine: machine.look_at_pool())

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def move_app(self, node: str, volume: str) -> None:
        """`stop` wherever it runs, and `up` on the node."""
        for other in list(self.stories[volume].epochs):
            if other != node:
                self.stop_container(other, volume)
        self.start_container(node, volume)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def cancel_move(self, node: str, volume: str) -> None:
        self._do(node, lambda machine: machine.operations.moves.cancel(volume))

    @rule()
    def replicate(self) -> None:
        for node in NODES:
            self.publish(node)
        for node in NODES:
            self.follow(node)

    @rule(node=SOME_NODE)
    def publish(self, node: str) -> None:
        self._do(node, lambda machine: machine.publish())

    @rule(node=SOME_NODE)
    def follow(self, node: str) -> None:
        self._do(node, lambda machine: machine.follow())

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def hear_of_move(self, node: str, volume: str) -> None:
        self._do(node, lambda machine: machine.departures.put_away(volume))

    @rule(node=SOME_NODE)
    def tidy(self, node: str) -> None:
        self._do(node, lambda machine: machine.reconciler.tidy())

    @rule(node=SOME_NODE, volume=SOME_VOLUME, fuse=st.integers(0, LONGEST_OPERATION))
    def stand_still_in_a_move(self, node: str, volume: str, fuse: int) -> None:
        """The target stops in the middle, the owner's container works meanwhile, and the target
        goes on."""
        self.wires[node].fuse, self.wires[node].fault = fuse, "pause"
        self.move_app(node, volume)
        owner = self._volume(volume).owner
        if owner != node:
            self.start_container(owner, volume)
            self.stop_container(owner, volume)
        self._go_on(node)

    @rule(node=SOME_NODE, volume=SOME_VOLUME, is_cut_off=st.booleans())
    def take_over(self, node: str, volume: str, is_cut_off: bool) -> None:
        """The owner falls silent, and a replica goes on."""
        owner = self._volume(volume).owner
        if owner == node:
            return
        if is_cut_off:
            self.wires[owner].is_cut_off = True
        else:
            self._cut_power(owner)
        self._end_lease(owner)
        self.notice_lost_owner(node)
        self.promote(node, volume)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def leave_something_behind(self, node: str, volume: str) -> None:
        """The owner writes what no replica gets, falls silent, and comes back."""
        owner = self._volume(volume).owner
        self.replicate()
        self.start_container(owner, volume)
        self.take_over(node, volume, is_cut_off=True)
        self.recover(owner)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def sleep_through_a_takeover(self, node: str, volume: str) -> None:
        """The owner is a virtual machine that stands still until another node has taken over. None
        of its clocks shows that, so its fence does nothing."""
        owner = self._volume(volume).owner
        wire = self.wires[owner]
        if owner == node or wire.is_dead or wire.is_paused or wire.is_cut_off:
            return
        self.cluster[owner].is_up = False
        self.cluster.ownership.expire(owner)
        for story in self.stories.values():
            story.writing.end(owner)
        self.notice_lost_owner(node)
        self.promote(node, volume)
        self.cluster[owner].is_up = True
        self.write(owner, volume)  # until it has renewed its lease, as docs/architecture.md says
        self._announce(owner)

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def promote(self, node: str, volume: str) -> None:
        self._do(node, lambda machine: machine.failover.promote(volume))

    @rule(node=SOME_NODE)
    def switch_on_a_copy(self, node: str) -> None:
        """A machine with a copy of the node's disk is switched on under the node's name.

        Of a machine that has never joined and its copy, either may be the node.
        """
        if not self._has_joined(node):
            return
        copy = self.folder / "copy"
        shutil.copytree(self.folder / node, copy, symlinks=True)
        self._is_kept_out(Machine(node, self.cluster, copy, "another board"))
        shutil.rmtree(copy)

    @rule(node=SOME_NODE)
    def switch_on_a_former_machine(self, node: str) -> None:
        """The machine that the node was before it was replaced comes back with all it had."""
        former = self.folder / f"former-{node}"
        if former.exists() and self._has_joined(node):
            self._is_kept_out(Machine(node, self.cluster, former))

    @rule(node=SOME_NODE, volume=SOME_VOLUME)
    def choose(self, node: str, volume: str) -> None:
        self._do(node, lambda machine: machine.failover.promote(volume, here=True))

    @rule(node=SOME_NODE)
    def notice_lost_owner(self, node: str) -> None:
        self._do(node, lambda machine: machine.failover.take_over_lost(machine.state))

    @rule(back=st.integers(0, LONGEST_OPERATION))
    def etcd_executes_again(self, back: int) -> None:
        """A member that was asked in vain goes on, after another has executed the same."""
        etcd = self.cluster.ownership.etcd
        self._execute(etcd.executed[-1 - back % len(etcd.executed)])

    @rule()
    def etcd_executes_late(self) -> None:
        """Nobody has executed it before, and the node that asked was told that etcd is away."""
        while self.late:
            self._execute(self.late.pop())

    @rule(volume=SOME_VOLUME)
    def one_volume_is_spoilt(self, volume: str) -> None:
        """Every disk fails with one volume for a while; work with the others goes on."""
        is_well = all(self._is_well(node) for node in NODES)
        for wire in self.wires.values():
            wire.spoilt = self.stories[volume].id
        for work in (self._announce, self.publish, self.follow, self.tidy):
            for node in NODES:
                work(node)
        for wire in self.wires.values():
            wire.spoilt = ""
        for story in self.stories.values():
            if is_well and story.name != volume and not self._owner_has_lost_it(story):
                self._is_looked_after(story)

    # What goes wrong. One rule, so that most of what happens is still work.

    @rule(
        node=SOME_NODE,
        fuse=st.integers(0, LONGEST_OPERATION),
        fault=st.sampled_from(["before", "after", "lost", "late", "pause"]),
    )
    def something_will_go_wrong(self, node: str, fuse: int, fault: str) -> None:
        self.wires[node].fuse, self.wires[node].fault = fuse, fault

    @rule(
        node=SOME_NODE,
        fault=st.sampled_from(
            [
                "power",
                "cut off",
                "lease",
                "gone",
                "daemon",
                "disk",
                "full",
                "stuck",
                "lost writes",
                "refusals",
                "read-only",
            ]
        ),
    )
    def something_goes_wrong(self, node: str, fault: str) -> None:
        match fault:
            case "power":
                self._cut_power(node)
            case "cut off":
                self.wires[node].is_cut_off = True
            case "lease":
                self._end_lease(node)
            case "gone":
                self._cut_power(node)
                self._end_lease(node)
            case "full":
                self.pools[node].room = "none"
            case "stuck":
                self.pools[node].room = "not even a reserve"
            case "disk":
                self._replace_disk(node)
            case "lost writes":
                self.pools[node].loses_writes = True
            case "refusals":
                self.pools[node].refuses_increments ^= True
            case "read-only":
                self.pools[node].is_read_only ^= True
            case "daemon" if not self.wires[node].is_dead:
                self._do(node, self._start)
                self._do(node, lambda machine: machine.reconciler.catch_up())

    @rule(node=SOME_NODE)
    def recover(self, node: str) -> None:
        """The node goes on, boots if it has to, has room, and reaches the others again."""
        wire = self.wires[node]
        self._go_on(node)
        self.pools[node].room = "plenty"
        self.pools[node].is_read_only = False
        wire.is_cut_off = False
        if wire.is_dead:
            self._boot(node)
        else:
            self._announce(node)
            self._do(node, lambda machine: machine.reconciler.catch_up())

    # What must be true all the time

    @invariant()
    def one_node_writes_at_a_time(self) -> None:
        """Not of volumes that a person promotes, whatever their owner still does."""
        for story in getattr(self, "stories", {}).values():
            assert not (story.is_auto and story.writing.meetings())

    @invariant()
    def nothing_is_purged_early(self) -> None:
        """By the one clock that nothing steps."""
        if not hasattr(self, "asides"):
            return
        for (node, reference), aside in list(self.asides.items()):
            # One that stands still may do so with its pool locked.
            is_still = self.wires[node].is_paused
            if not is_still and reference not in self._references(node):
                del self.asides[node, reference]
                assert self.seconds >= aside.at + RETENTION_SECONDS, f"{reference} is gone early"
                for story in self.stories.values():
                    story.all_lines -= aside.lines - set(story.written)

    @invariant()
    def the_owner_is_one_and_has_what_was_written(self) -> None:
        for story in getattr(self, "stories", {}).values():
            if not self._owner_has_lost_it(story):
                assert self._lines_of_owner(story) == story.written

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        try:
            self._heal()
            for story in self.stories.values():
                if not self._is_lost_for_good(story):
                    self._everybody_can_have_it(story)
                    self._nothing_was_thrown_away(story)
        finally:
            shutil.rmtree(self.folder)

    # How

    def _do(self, node: str, action: Callable[[Machine], object]) -> None:
        """Have a node do something, which it may refuse, die from, or not get done for long."""
        wire = self.wires[node]
        if wire.is_paused:
            return
        failures: list[BaseException] = []

        def work() -> None:
            try:
                action(self.cluster[node])
            except (FlockerError, PowerCut):
                pass
            except BaseException as error:  # a broken promise; raised where hypothesis sees it
                failures.append(error)
            wire.is_working = False
            wire.is_at_rest.set()

        before = self._volumes()
        wire.is_working = True
        wire.is_at_rest.clear()
        threading.Thread(target=work, daemon=True).start()
        self._await_rest(node, before)
        if failures:
            raise failures[0]

    def _hold_back(self, _: str, question: dict[str, Any]) -> None:
        is_change = any("request_range" not in each for each in question.get("success", ()))
        if is_change and any(getattr(it.held, "is_on", False) for it in self.wires.values()):
            self.late.append(question)
            raise silence("ownership")
        if is_change and any(getattr(it.held, "is_deaf", False) for it in self.wires.values()):
            self.cluster.ownership.etcd.execute(question)
            raise silence("ownership")

    def _execute(self, question: dict[str, Any]) -> None:
        before = self._volumes()
        with suppress(ControlPlaneAway):  # its lease is over
            self.cluster.ownership.etcd.execute(question)
        self._see_changes(before)

    def _await_rest(self, node: str, before: dict[str, Volume]) -> None:
        assert self.wires[node].is_at_rest.wait(LONGEST_SECONDS), f"{node} waits for ever"
        self.cluster[node].is_up = not (self.wires[node].is_paused or self.wires[node].is_dead)
        if self.wires[node].is_paused:
            for story in self.stories.values():
                story.writing.end(node)
        for name, wire in self.wires.items():
            if wire.is_dead:
                self._bury(name)
        self._see_changes(before)

    def _go_on(self, node: str) -> None:
        """Wake a node that stands still; its lease may be over by now."""
        wire = self.wires[node]
        if not wire.is_paused:
            return
        self.cluster[node].is_up = True
        before = self._volumes()
        wire.is_at_rest.clear()
        wire.may_go_on.set()
        self._await_rest(node, before)
        self._fence_if_due(node)
        for story in self.stories.values():
            if self._runs(node, story.name):
                story.writing.begin(node)

    def _announce(self, node: str) -> None:
        """Have a node renew its lease. From then on its fence stops nothing, so what another node
        has taken must have stopped."""
        announced: list[None] = []

        def announce(machine: Machine) -> None:
            machine.announce()
            announced.append(None)

        self._do(node, announce)
        for story in self.stories.values():
            if announced and node in story.epochs:
                is_own = story.epochs[node] == self._volume(story.name).epoch
                assert is_own or not story.is_auto, "it writes to what was taken"
                story.writing.begin(node)

    def _fence_if_due(self, node: str) -> None:
        if node in self.to_be_fenced and not self.wires[node].is_paused:
            self.to_be_fenced.remove(node)
            for story in self.stories.values():
                if story.is_auto and node in story.epochs:
                    self._do(node, partial(self._unmount, story))

    def _see_changes(self, before: dict[str, Volume]) -> None:
        for story in self.stories.values():
            self._see_change(story, before[story.name])

    def _see_change(self, story: Story, before: Volume) -> None:
        """Learn what the volume holds if its owner has changed: that is the place of the proof."""
        volume = self._volume(story.name)
        if volume.epoch == before.epoch:
            return
        assert volume.epoch == before.epoch + 1, "one change of owner at a time"
        event = [
            event
            for event in self.cluster.ownership.history(volume.id)
            if event.what in ("moved", "promoted")
        ][-1]
        lines = self._lines_of_owner(story)
        if event.what == "moved":
            assert lines == story.written, "a planned move loses nothing"
            left_behind = self._live(story, before.owner) / INNER
            assert not left_behind.exists(), "it left something behind"
        else:
            assert lines == story.written[: len(lines)], "a promotion goes on from an older state"
            if before.epoch == story.lost_epoch:
                story.all_lines -= set(story.written) - set(lines)
        story.written = lines

    def _is_early(self, volume: Volume, node: str) -> bool:
        """Tell whether a copy is for an epoch that was not reached; the next one replaces it."""
        with suppress(PoolError, StaleEpoch):
            self.pools[node].writable_path(Claim(volume.id, volume.epoch + 1))
            return True
        return False

    def _runs(self, node: str, volume: str) -> bool:
        """Tell whether a container there writes to the volume whenever it wants to."""
        return node in self.stories[volume].epochs and not self.wires[node].is_paused

    def _is_well(self, node: str) -> bool:
        wire, pool = self.wires[node], self.pools[node]
        is_up = not (wire.is_dead or wire.is_paused or wire.is_cut_off)
        takes_all = pool.room == "plenty" and not pool.is_read_only
        no_trap = wire.fuse is None or wire.fuse < 0
        return (
            is_up and takes_all and no_trap and not (pool.loses_writes or pool.refuses_increments)
        )

    def _is_looked_after(self, story: Story) -> None:
        """Assert that other nodes have what the owner has, and nobody else has it writable."""
        volume, state = self._volume(story.name), self.cluster.state
        newest = self.pools[volume.owner].snapshots(story.id)[-1]
        for node in replicas_of(volume, state):
            assert self.pools[node].snapshots(story.id)[-1:] == [newest], "a replica was left out"
        for node in NODES:
            is_writable = self.pools[node].has_writable(story.id) and not self._is_early(
                volume, node
            )
            assert is_writable == (node == volume.owner), "a copy that lost was left writable"

    def _mount(self, story: Story, machine: Machine) -> None:
        machine.driver.mount(story.name, CONTAINER)
        machine.containers.running[story.name] = [CONTAINER]
        machine.containers.mounts.add(story.id)
        volume = self._volume(story.name)
        assert volume.owner == machine.name
        other = story.writers.setdefault(volume.epoch, machine.name)
        assert other == machine.name, "one writer per epoch"
        story.epochs[machine.name] = volume.epoch
        story.writing.begin(machine.name)

    def _unmount(self, story: Story, machine: Machine) -> None:
        self._end_container(story, machine.name)
        machine.driver.unmount(story.name, CONTAINER)

    def _start(self, machine: Machine) -> None:
        machine.start()
        # A mount waits for the takeover of an auto volume, which is a rule of its own here.
        machine.mirror.changes = nothing_changes  # type: ignore[method-assign]

    def _engine_stops(self, machine: Machine, volume: str) -> None:
        """A node has its engine stop the container: the volume was taken over."""
        self._unmount(self.stories[volume], machine)

    def _append(self, story: Story, node: str, folder: str = "") -> None:
        self.counter += 1
        line = f"{node}-{self.counter}"
        place = self._live(story, node) / folder
        place.mkdir(exist_ok=True)
        with (place / "file").open("a") as file:
            file.write(f"{line}\n")
        story.all_lines.add(line)
        if not folder and story.epochs[node] == self._volume(story.name).epoch:
            story.written.append(line)

    def _delete_subvolume(self, story: Story, node: str) -> None:
        folder = self._live(story, node) / INNER
        story.all_lines -= set(_lines(folder / "file"))
        shutil.rmtree(folder, ignore_errors=True)

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds

    def _live(self, story: Story, node: str) -> Path:
        return self.folder / node / "pool" / story.id / "live"

    def _cut_power(self, node: str) -> None:
        self.wires[node].is_dead = True
        self._go_on(node)  # only to die
        self._bury(node)

    def _replace_disk(self, node: str) -> None:
        """A new machine takes the place of one whose lease has run out."""
        self._cut_power(node)
        self._end_lease(node)
        machine = self.cluster[node]
        shutil.rmtree(former := self.folder / f"former-{node}", ignore_errors=True)
        shutil.move(machine.folder, former)
        machine.folder.mkdir()
        self.pools[node] = machine.new_pool()
        self.asides = {key: it for key, it in self.asides.items() if key[0] != node}
        machine.pool = cast(LocalPool, Wired("pool", self.pools[node], self.wires[node]))
        for story in self.stories.values():
            volume = self._volume(story.name)
            if volume.owner == node:
                story.lost_epoch = volume.epoch
            story.all_lines = set(story.written)  # what was put aside may have been there
        self._boot(node)

    def _has_joined(self, node: str) -> bool:
        return not Identity(self.folder / node / "machine.json").is_new

    def _is_kept_out(self, second: Machine) -> None:
        """Assert that a second machine of a name does not join, and can have no volume."""
        before = self.cluster.ownership.state()
        with pytest.raises(NotAdmitted):
            second.announce()
        for volume in self._volumes().values():
            for change in (second.ownership.mount, second.ownership.begin_move):
                with pytest.raises(NotAdmitted):
                    change(volume)
        assert self.cluster.ownership.state() is before

    def _owner_has_lost_it(self, story: Story) -> bool:
        """Until a person has it go on from a replica."""
        return self._volume(story.name).epoch == story.lost_epoch

    def _is_lost_for_good(self, story: Story) -> bool:
        """Have an owner that lost it go on from a replica; whether there is none."""
        if not self._owner_has_lost_it(story):
            return False
        volume, state = self._volume(story.name), self.cluster.ownership.state()
        before = self._volumes()
        if newest_copy(volume, state) is None:
            with pytest.raises(Refused, match="no replica"):
                self.cluster[volume.owner].driver.mount(story.name, "reader")
            return True
        self.cluster[volume.owner].failover.promote(story.name)
        self._see_changes(before)
        return False

    def _end_lease(self, node: str) -> None:
        """Only of a node that cannot renew it; before that, its fence stops the container. On one
        that stands still nothing writes, and the fence acts as soon as it goes on."""
        wire = self.wires[node]
        if wire.is_dead or wire.is_cut_off or wire.is_paused:
            self._pass(FENCE_SECONDS)
            self.to_be_fenced.add(node)
            self._fence_if_due(node)
            self._pass(LEASE_SECONDS - FENCE_SECONDS)
            self.cluster.ownership.expire(node)

    def _bury(self, node: str) -> None:
        """What a power cut takes with it."""
        machine = self.cluster[node]
        machine.is_up = False
        for story in self.stories.values():
            self._end_container(story, node)

    def _end_container(self, story: Story, node: str) -> None:
        story.epochs.pop(node, None)
        story.writing.end(node)
        self.cluster[node].containers.running.pop(story.name, None)
        self.cluster[node].containers.mounts.discard(story.id)

    def _boot(self, node: str) -> None:
        wire = self.wires[node]
        wire.is_dead, wire.fuse = False, None
        machine = self.cluster[node]
        (machine.folder / "mounts.json").unlink(missing_ok=True)
        machine.is_up = True
        self._do(node, self._start)
        self._do(node, lambda machine: machine.reconciler.catch_up())

    def _heal(self) -> None:
        for node, wire in self.wires.items():
            self.pools[node].room = "plenty"
            self.pools[node].is_read_only = False
            wire.is_cut_off, wire.fuse = False, None
            self.pools[node].loses_writes = False
            self._go_on(node)
            if wire.is_dead:
                self._boot(node)
        for _ in range(2):
            for node in NODES:
                self._do(node, lambda machine: machine.look_at_pool())
                self._announce(node)
                self._do(node, lambda machine: machine.reconciler.catch_up())
                self._do(node, lambda machine: machine.reconciler.tidy())
        for story in self.stories.values():
            for node in list(story.epochs):
                self._do(node, partial(self._unmount, story))
        for machine in self.cluster.machines.values():
            machine.clock += START_SECONDS  # whoever is refused has uses end that nothing backs

    def _everybody_can_have_it(self, story: Story) -> None:
        owner = self._volume(story.name).owner
        self._delete_subvolume(story, owner)  # as the refusal of a move asks for
        for node in NODES:
            mountpoint = self.cluster[node].driver.mount(story.name, "reader")
            assert _lines(mountpoint / "file") == story.written
            self.cluster[node].driver.unmount(story.name, "reader")

    def _nothing_was_thrown_away(self, story: Story) -> None:
        """What a promotion left behind is put aside on the node that wrote it."""
        kept = set(story.written)
        for pool in self.pools.values():
            for aside in pool.asides():
                if aside.volume_id == story.id:
                    kept |= self._lines_of_aside(pool, aside)
        assert story.all_lines <= kept, f"thrown away: {story.all_lines - kept}"

    def _note_asides(self) -> None:
        """Learn what was put aside, before a purge may take it away."""
        for node, pool in self.pools.items():
            if self.wires[node].is_paused:
                continue
            for aside in pool.asides():
                is_new = (node, aside.reference) not in self.asides
                if is_new and aside.why == "conflict":
                    lines = self._lines_of_aside(pool, aside)
                    self.asides[node, aside.reference] = PutAside(lines, self.seconds)

    def _references(self, node: str) -> set[str]:
        return {aside.reference for aside in self.pools[node].asides()}

    def _lines_of_aside(self, pool: MemoryPool, aside: Aside) -> set[str]:
        rescued = self.folder / "rescued"
        pool.unpack_aside(aside.reference, rescued)
        found = {*_lines(rescued / "file"), *_lines(rescued / INNER / "file")}
        shutil.rmtree(rescued)
        return found

    def _volumes(self) -> dict[str, Volume]:
        return {name: self._volume(name) for name in self.stories}

    def _volume(self, name: str) -> Volume:
        return self.cluster.volume(name)

    def _lines_of_owner(self, story: Story) -> list[str]:
        volume = self._volume(story.name)
        pool = self.pools[volume.owner]
        return _lines(pool.writable_path(volume.claim) / "file")


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def test_the_protocol_survives_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "SAVE_SECONDS", 3600)  # hours pass often here
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
