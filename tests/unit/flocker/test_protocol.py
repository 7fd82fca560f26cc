"""The protocol as a state machine (docs/architecture.md), driven through crashes by hypothesis.

The real rules run on the twins of pool and etcd. At every call that leaves a
node (to etcd, to a peer, to its disk) the node may lose its power, before or
after the call took effect, or the answer may get lost. Nodes fall silent, their
leases run out, replicas are promoted, losers come back, and so do machines
whose disks were replaced, and second machines of a node's name. Disks refuse
what was written to them, pools refuse increments or become read-only, and the
engine's Unmount may never come. Whatever happens:

- one writer: no two nodes ever have the volume at the same epoch. With failover=auto the times in
  which nodes can write never meet, by one clock for all;
- a planned move loses nothing that a container wrote; it is refused while the volume holds
  what no snapshot does;
- a promotion loses nothing that its replica held, and what it does not have is
  kept aside on the node that wrote it, as long as that has its disk;
- in the end the volume has exactly one owner, who has the data, and every node
  can have it; or it has said that all copies are gone with their disks.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
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

from flocker.errors import ControlPlaneAway, FlockerError, NotAdmitted, OwnerAway, Refused
from flocker.failover import newest_copy
from flocker.identity import Identity
from flocker.memory_pool import MemoryPool
from flocker.pool import Pool
from flocker.records import Claim, State, Volume
from flocker.volume_use import START_SECONDS
from tests.unit.flocker.cluster import Etcd, Machine, MemoryCluster
from tests.unit.flocker.writers import Writers

NODES = ("node1", "node2", "node3")
VOLUME = "demo"
INNER = "layer.subvolume"  # the twin takes it for a subvolume inside the volume
CONTAINER = "writer"
EXAMPLES = 150  # about 15 s; tens of thousands were run before this was believed
LONGEST_SECONDS = 20  # after which what a node does counts as waiting for ever
LONGEST_OPERATION = 16  # calls that leave a node; a fuse longer than that never goes off
LEASE_SECONDS = 15
FENCE_SECONDS = 10  # without a renewal, until a node has stopped what writes to auto volumes
CALL_SECONDS = 0.01


class PowerCut(BaseException):
    """The node is gone in the middle of what it did."""


class Wire:
    """What stands between a node's rules and everything outside of them.

    Attributes:
        fuse: calls until something goes wrong; None for never.
        fault: what then goes wrong: "before" or "after" for a power cut on that side of the
            call, "lost" for an answer that does not arrive, "pause" for a node that stands still
            until it is told to go on; "late" for changes in etcd that may be made much later.
        is_cut_off: neither etcd nor peers can be reached.
        is_working: the node does something of its own accord; what it is doing for a peer is the
            peer's work, and only that stands still.
        is_at_rest: set while nothing happens on the node: it is done, or it stands still.
        tick: called at each call, for the time that it takes.
    """

    def __init__(self, tick: Callable[[], object]) -> None:
        self.tick = tick
        self.fuse: int | None = None
        self.fault = ""
        self.held = threading.local()  # `is_on` while this thread's changes are held back
        self.is_dead = False
        self.is_cut_off = False
        self.is_paused = False
        self.is_working = False
        self.is_at_rest = threading.Event()
        self.may_go_on = threading.Event()

    def call(self, target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.tick()
        is_now = self.fuse == 0
        if self.fuse is not None:
            self.fuse -= 1
        if is_now and self.fault == "pause" and self.is_working:
            self._pause()
        if is_now and self.fault == "before":
            self.is_dead = True
        if self.is_dead:
            raise PowerCut
        if self.is_cut_off and target != "pool":
            raise _silence(target)
        self.held.is_on = is_now and self.fault == "late" and target == "ownership"
        result = self._reach(target, function, *args, **kwargs)
        if is_now and self.fault == "after":
            self.is_dead = True
            raise PowerCut
        if is_now and self.fault == "lost" and target != "pool":
            raise _silence(target)
        return result

    def _reach(self, target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PowerCut:
            if self.is_dead:
                raise
            raise _silence(target) from None  # it is the peer that died of this call

    def _pause(self) -> None:
        self.is_paused = True
        self.may_go_on.clear()
        self.is_at_rest.set()
        self.may_go_on.wait()
        self.is_paused = False


def _silence(target: str) -> FlockerError:
    if target == "ownership":
        return ControlPlaneAway("etcd does not answer")
    return OwnerAway(VOLUME, "the peer", "no answer")


def _nothing_changes(last: State | None, within: float) -> State:  # noqa: ARG001
    raise OwnerAway(VOLUME, "its owner", "nobody takes it over meanwhile")


class Wired:
    """Passes calls on to a part of the node, by its wire."""

    def __init__(self, target: str, part: Any, wire: Wire) -> None:
        self._target = target
        self._part = part
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._part, name)
        if not callable(part):
            return part
        return lambda *args, **kwargs: self._wire.call(self._target, part, *args, **kwargs)


class DeafToMoves:
    """Peers that never tell the old owner of a finished move: hearing of it is a rule of its own,
    which may come late or never."""

    def __init__(self, peers: Any) -> None:
        self._peers = peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)

    def tell_moved(self, volume: object, source: str) -> None:
        pass


class Protocol(RuleBasedStateMachine):
    """One volume, three nodes, one container on each that appends lines to a file."""

    @initialize(failover=st.sampled_from(["manual", "auto"]))
    def begin(self, failover: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.cluster = MemoryCluster(self.folder, NODES)
        self.seconds = 0.0  # the one clock that nothing steps
        self.writing = Writers(lambda: self.seconds)
        self.wires: dict[str, Wire] = {}
        self.pools: dict[str, MemoryPool] = {}  # past the wires: what is on the disks
        for machine in self.cluster.machines.values():
            wire = self.wires[machine.name] = Wire(partial(self._pass, CALL_SECONDS))
            self.pools[machine.name] = cast(MemoryPool, machine.pool)
            machine.pool = cast(Pool, Wired("pool", machine.pool, wire))
            machine.etcd = cast(Etcd, Wired("ownership", machine.etcd, wire))
            machine.peers = DeafToMoves(Wired("peers", machine.peers, wire))
            self._start(machine)
            machine.containers.on_stop = partial(self._engine_stops, machine)
        self.late: list[dict[str, Any]] = []
        self.cluster.ownership.etcd.before = self._hold_back
        self.failover = failover
        self.counter = 0
        self.writers: dict[int, str] = {}  # epoch -> the node that had the volume mounted
        self.to_be_fenced: set[str] = set()
        self.epochs: dict[str, int] = {}  # node -> epoch its container writes at
        self.written: list[str] = []  # lines of the volume as its owner has them
        self.all_lines: set[str] = set()
        self.lost_epoch = 0  # the one whose owner lost it with its disk
        self.cluster["node1"].driver.create(VOLUME, {"failover": failover})
        self.volume_id = self._volume().id

    # What people, containers and nodes do

    @rule(node=st.sampled_from(NODES))
    def start_container(self, node: str) -> None:
        if node not in self.epochs:
            self._do(node, self._mount)
        self.write(node)

    @rule(node=st.sampled_from(NODES))
    def write(self, node: str) -> None:
        pool = self.pools[node]
        has_room = pool.room == "plenty" and not pool.is_read_only
        if node in self.epochs and has_room and not self.wires[node].is_paused:
            self._append(node)

    @rule(node=st.sampled_from(NODES), is_there=st.booleans())
    def change_subvolume(self, node: str, is_there: bool) -> None:
        """The container makes a subvolume inside the volume and writes to it, or deletes it."""
        if node not in self.epochs or self.wires[node].is_paused:
            return
        if self.pools[node].is_read_only:
            return
        if is_there:
            self._append(node, INNER)
        else:
            self._delete_subvolume(node)

    @rule(node=st.sampled_from(NODES))
    def stop_container(self, node: str) -> None:
        if node in self.epochs and not self.wires[node].is_paused:
            self._do(node, self._unmount)

    @rule(node=st.sampled_from(NODES))
    def lose_unmount(self, node: str) -> None:
        """The container ends, and the driver never hears of it."""
        if node in self.epochs and not self.wires[node].is_paused:
            self._end_container(node)

    @rule(node=st.sampled_from(NODES))
    def let_time_pass(self, node: str) -> None:
        """Longer than a start takes; then the node looks which uses nothing backs."""
        self._pass(START_SECONDS)
        self.cluster[node].clock += START_SECONDS
        self._do(node, lambda machine: machine.custody.end_unbacked_uses())

    @rule(node=st.sampled_from(NODES))
    def look_at_pool(self, node: str) -> None:
        """The node gives its auto volume up if its pool cannot write, or may own it again."""
        self._do(node, lambda machine: machine.look_at_pool())

    @rule(node=st.sampled_from(NODES))
    def move_app(self, node: str) -> None:
        """`stop` wherever it runs, and `up` on the node."""
        for other in list(self.epochs):
            if other != node:
                self.stop_container(other)
        self.start_container(node)

    @rule(node=st.sampled_from(NODES))
    def cancel_move(self, node: str) -> None:
        self._do(node, lambda machine: machine.operations.cancel(VOLUME))

    @rule()
    def replicate(self) -> None:
        for node in NODES:
            self.publish(node)
        for node in NODES:
            self.follow(node)

    @rule(node=st.sampled_from(NODES))
    def publish(self, node: str) -> None:
        self._do(node, lambda machine: machine.publish())

    @rule(node=st.sampled_from(NODES))
    def follow(self, node: str) -> None:
        self._do(node, lambda machine: machine.follow())

    @rule(node=st.sampled_from(NODES))
    def hear_of_move(self, node: str) -> None:
        self._do(node, lambda machine: machine.custody.put_away(VOLUME))

    @rule(node=st.sampled_from(NODES))
    def tidy(self, node: str) -> None:
        self._do(node, lambda machine: machine.custody.tidy())

    @rule(node=st.sampled_from(NODES), fuse=st.integers(0, LONGEST_OPERATION))
    def stand_still_in_a_move(self, node: str, fuse: int) -> None:
        """The target stops in the middle, the owner's container works meanwhile, and the target
        goes on."""
        self.wires[node].fuse, self.wires[node].fault = fuse, "pause"
        self.move_app(node)
        owner = self._volume().owner
        if owner != node:
            self.start_container(owner)
            self.stop_container(owner)
        self._go_on(node)

    @rule(node=st.sampled_from(NODES), is_cut_off=st.booleans())
    def take_over(self, node: str, is_cut_off: bool) -> None:
        """The owner falls silent, and a replica goes on."""
        owner = self._volume().owner
        if owner == node:
            return
        if is_cut_off:
            self.wires[owner].is_cut_off = True
        else:
            self._cut_power(owner)
        self._end_lease(owner)
        self.notice_lost_owner(node)
        self.promote(node)

    @rule(node=st.sampled_from(NODES))
    def sleep_through_a_takeover(self, node: str) -> None:
        """The owner is a virtual machine that stands still until another node has taken over. None
        of its clocks shows that, so its fence does nothing."""
        owner = self._volume().owner
        wire = self.wires[owner]
        if owner == node or wire.is_dead or wire.is_paused or wire.is_cut_off:
            return
        self.cluster[owner].is_up = False
        self.cluster.ownership.expire(owner)
        self.writing.end(owner)
        self.notice_lost_owner(node)
        self.promote(node)
        self.cluster[owner].is_up = True
        self.write(owner)  # until it has renewed its lease, as docs/architecture.md says
        self._announce(owner)

    @rule(node=st.sampled_from(NODES))
    def promote(self, node: str) -> None:
        self._do(node, lambda machine: machine.failover.promote(VOLUME))

    @rule(node=st.sampled_from(NODES))
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

    @rule(node=st.sampled_from(NODES))
    def switch_on_a_former_machine(self, node: str) -> None:
        """The machine that the node was before it was replaced comes back with all it had."""
        former = self.folder / f"former-{node}"
        if former.exists() and self._has_joined(node):
            self._is_kept_out(Machine(node, self.cluster, former))

    @rule(node=st.sampled_from(NODES))
    def choose(self, node: str) -> None:
        self._do(node, lambda machine: machine.failover.promote(VOLUME, here=True))

    @rule(node=st.sampled_from(NODES))
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

    # What goes wrong. One rule, so that most of what happens is still work.

    @rule(
        node=st.sampled_from(NODES),
        fuse=st.integers(0, LONGEST_OPERATION),
        fault=st.sampled_from(["before", "after", "lost", "late", "pause"]),
    )
    def something_will_go_wrong(self, node: str, fuse: int, fault: str) -> None:
        self.wires[node].fuse, self.wires[node].fault = fuse, fault

    @rule(
        node=st.sampled_from(NODES),
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
                self._do(node, lambda machine: machine.custody.catch_up())

    @rule(node=st.sampled_from(NODES))
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
            self._do(node, lambda machine: machine.custody.catch_up())

    # What must be true all the time

    @invariant()
    def one_node_writes_at_a_time(self) -> None:
        """Not of volumes that a person promotes, whatever their owner still does."""
        if hasattr(self, "cluster") and self.failover == "auto":
            assert not self.writing.meetings()

    @invariant()
    def the_owner_is_one_and_has_what_was_written(self) -> None:
        if hasattr(self, "cluster") and not self._owner_has_lost_it():
            assert self._lines_of_owner() == self.written

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        try:
            self._heal()
            if self._is_lost_for_good():
                return
            self._everybody_can_have_it()
            self._nothing_was_thrown_away()
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

        before = self._volume()
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
            raise _silence("ownership")

    def _execute(self, question: dict[str, Any]) -> None:
        before = self._volume()
        with suppress(ControlPlaneAway):  # its lease is over
            self.cluster.ownership.etcd.execute(question)
        self._see_change(before)

    def _await_rest(self, node: str, before: Volume) -> None:
        assert self.wires[node].is_at_rest.wait(LONGEST_SECONDS), f"{node} waits for ever"
        self.cluster[node].is_up = not (self.wires[node].is_paused or self.wires[node].is_dead)
        if self.wires[node].is_paused:
            self.writing.end(node)
        for name, wire in self.wires.items():
            if wire.is_dead:
                self._bury(name)
        self._see_change(before)

    def _go_on(self, node: str) -> None:
        """Wake a node that stands still; its lease may be over by now."""
        wire = self.wires[node]
        if not wire.is_paused:
            return
        self.cluster[node].is_up = True
        before = self._volume()
        wire.is_at_rest.clear()
        wire.may_go_on.set()
        self._await_rest(node, before)
        self._fence_if_due(node)
        if node in self.epochs and not wire.is_paused:
            self.writing.begin(node)

    def _announce(self, node: str) -> None:
        """Have a node renew its lease. From then on its fence stops nothing, so what another node
        has taken must have stopped."""
        announced: list[None] = []

        def announce(machine: Machine) -> None:
            machine.announce()
            announced.append(None)

        self._do(node, announce)
        if announced and self.failover == "auto" and node in self.epochs:
            assert self.epochs[node] == self._volume().epoch, "it writes to what was taken"
        if announced and node in self.epochs:
            self.writing.begin(node)

    def _fence_if_due(self, node: str) -> None:
        if node in self.to_be_fenced and not self.wires[node].is_paused:
            self.to_be_fenced.remove(node)
            self._do(node, self._unmount)

    def _see_change(self, before: Volume) -> None:
        """Learn what the volume holds if its owner has changed: that is the place of the proof."""
        volume = self._volume()
        if volume.epoch == before.epoch:
            return
        assert volume.epoch == before.epoch + 1, "one change of owner at a time"
        event = [
            event
            for event in self.cluster.ownership.history(volume.id)
            if event.what in ("moved", "promoted")
        ][-1]
        lines = self._lines_of_owner()
        if event.what == "moved":
            assert lines == self.written, "a planned move loses nothing"
            assert not (self._live(before.owner) / INNER).exists(), "it left something behind"
        else:
            assert lines == self.written[: len(lines)], "a promotion goes on from an older state"
            if before.epoch == self.lost_epoch:
                self.all_lines -= set(self.written) - set(lines)
        self.written = lines

    def _mount(self, machine: Machine) -> None:
        machine.driver.mount(VOLUME, CONTAINER)
        machine.driver.answered(VOLUME, CONTAINER)
        machine.containers.running[VOLUME] = [CONTAINER]
        machine.containers.mounts.add(self.volume_id)
        volume = self._volume()
        assert volume.owner == machine.name
        other = self.writers.setdefault(volume.epoch, machine.name)
        assert other == machine.name, "one writer per epoch"
        self.epochs[machine.name] = volume.epoch
        self.writing.begin(machine.name)

    def _unmount(self, machine: Machine) -> None:
        self._end_container(machine.name)
        machine.driver.unmount(VOLUME, CONTAINER)

    def _start(self, machine: Machine) -> None:
        machine.start()
        # A mount waits for the takeover of an auto volume, which is a rule of its own here.
        machine.catalog.changes = _nothing_changes  # type: ignore[method-assign]

    def _engine_stops(self, machine: Machine, _: str) -> None:
        """A node has its engine stop the container: the volume was taken over."""
        self._unmount(machine)

    def _append(self, node: str, folder: str = "") -> None:
        self.counter += 1
        line = f"{node}-{self.counter}"
        place = self._live(node) / folder
        place.mkdir(exist_ok=True)
        with (place / "file").open("a") as file:
            file.write(f"{line}\n")
        self.all_lines.add(line)
        if not folder and self.epochs[node] == self._volume().epoch:
            self.written.append(line)

    def _delete_subvolume(self, node: str) -> None:
        folder = self._live(node) / INNER
        self.all_lines -= set(_lines(folder / "file"))
        shutil.rmtree(folder, ignore_errors=True)

    def _pass(self, seconds: float) -> None:
        self.seconds += seconds

    def _live(self, node: str) -> Path:
        return self.folder / node / "pool" / self.volume_id / "live"

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
        machine.pool = cast(Pool, Wired("pool", self.pools[node], self.wires[node]))
        if self._volume().owner == node:
            self.lost_epoch = self._volume().epoch
        self.all_lines = set(self.written)  # what was put aside may have been there
        self._boot(node)

    def _has_joined(self, node: str) -> bool:
        return not Identity(self.folder / node / "machine.json").is_new

    def _is_kept_out(self, second: Machine) -> None:
        """Assert that a second machine of a name does not join, and can have no volume."""
        before = self.cluster.ownership.state()
        with pytest.raises(NotAdmitted):
            second.announce()
        for change in (second.ownership.mount, second.ownership.start_move):
            with pytest.raises(NotAdmitted):
                change(self._volume())
        assert self.cluster.ownership.state() is before

    def _owner_has_lost_it(self) -> bool:
        """Until a person has it go on from a replica."""
        return self._volume().epoch == self.lost_epoch

    def _is_lost_for_good(self) -> bool:
        """Have an owner that lost it go on from a replica; whether there is none."""
        if not self._owner_has_lost_it():
            return False
        volume, state = self._volume(), self.cluster.ownership.state()
        before = self._volume()
        if newest_copy(volume, state) is None:
            with pytest.raises(Refused, match="no replica"):
                self.cluster[volume.owner].driver.mount(VOLUME, "reader")
            return True
        self.cluster[volume.owner].failover.promote(VOLUME)
        self._see_change(before)
        return False

    def _end_lease(self, node: str) -> None:
        """Only of a node that cannot renew it; before that, its fence stops the container. On one
        that stands still nothing writes, and the fence acts as soon as it goes on."""
        wire = self.wires[node]
        if wire.is_dead or wire.is_cut_off or wire.is_paused:
            self._pass(FENCE_SECONDS)
            if self.failover == "auto" and node in self.epochs:
                self.to_be_fenced.add(node)
                self._fence_if_due(node)
            self._pass(LEASE_SECONDS - FENCE_SECONDS)
            self.cluster.ownership.expire(node)

    def _bury(self, node: str) -> None:
        """What a power cut takes with it."""
        machine = self.cluster[node]
        machine.is_up = False
        self._end_container(node)

    def _end_container(self, node: str) -> None:
        self.epochs.pop(node, None)
        self.writing.end(node)
        self.cluster[node].containers.running.clear()
        self.cluster[node].containers.mounts.clear()

    def _boot(self, node: str) -> None:
        wire = self.wires[node]
        wire.is_dead, wire.fuse = False, None
        machine = self.cluster[node]
        (machine.folder / "mounts.json").unlink(missing_ok=True)
        machine.is_up = True
        self._do(node, self._start)
        self._do(node, lambda machine: machine.custody.catch_up())

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
                self._do(node, lambda machine: machine.custody.catch_up())
                self._do(node, lambda machine: machine.custody.tidy())
        for node in list(self.epochs):
            self._do(node, self._unmount)
        for machine in self.cluster.machines.values():
            machine.clock += START_SECONDS  # whoever is refused has uses end that nothing backs

    def _everybody_can_have_it(self) -> None:
        self._delete_subvolume(self._volume().owner)  # as the refusal of a move asks for
        for node in NODES:
            mountpoint = self.cluster[node].driver.mount(VOLUME, "reader")
            assert _lines(mountpoint / "file") == self.written
            self.cluster[node].driver.unmount(VOLUME, "reader")

    def _nothing_was_thrown_away(self) -> None:
        """What a promotion left behind is put aside on the node that wrote it."""
        kept = set(self.written)
        for name, pool in self.pools.items():
            for number, aside in enumerate(pool.asides()):
                claim = Claim(f"00000000-0000-0000-0000-0000000{name[-1]}{number:04}", 1)
                pool.clone_aside(aside.reference, claim, None)
                rescued = pool.open(claim)
                kept |= {*_lines(rescued / "file"), *_lines(rescued / INNER / "file")}
        assert self.all_lines <= kept, f"thrown away: {self.all_lines - kept}"

    def _volume(self) -> Volume:
        state: State = self.cluster.ownership.state()
        return state.volumes[VOLUME]

    def _lines_of_owner(self) -> list[str]:
        volume = self._volume()
        pool = self.pools[volume.owner]
        return _lines(pool.open(volume.claim) / "file")


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def test_the_protocol_survives_whatever_happens() -> None:
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
