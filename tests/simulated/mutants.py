"""`python -m tests.simulated.mutants`: break the driver in many ways; which oracle notices?

Each mutant is the driver with one function replaced. Up to eight seeds are simulated, until an
oracle finds something. The exit status is 1 if a mutant passes for the driver.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from judge.verdict import Judgement, Verdict
from tests.simulated.__main__ import simulate
from tests.simulated.plan import planned

BUILD = Path("build/mutants")
SECONDS = 900.0
SEEDS = range(1, 9)


def _never(*_: Any, **__: Any) -> bool:
    return False


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _replace(owner: object, name: str, broken: object) -> None:
    """Break something of the driver; AttributeError if the driver has it no more."""
    getattr(owner, name)
    setattr(owner, name, broken)


def _fence_never_acts() -> None:
    from flocker.fence.fence import Fence

    _replace(Fence, "_is_due", _never)


def _fence_acts_late() -> None:
    from flocker.fence.fence import Fence

    def is_due(self: Fence, lease: Any) -> bool:
        return self._clock() - lease.renewed_at > 2 * lease.lease_seconds

    _replace(Fence, "_is_due", is_due)


def _move_lacks_the_last_snapshot() -> None:
    from flocker.moving.departures import Departures

    take = Departures._take_whole

    def take_none(self: Departures, volume: Any) -> Any:
        known = self._context.pool.snapshots(volume.id)
        return known[-1] if known else take(self, volume)

    _replace(Departures, "_take_whole", take_none)


def _former_owner_keeps_nothing() -> None:
    from tests.twins.memory_parts import MemoryParts

    _replace(MemoryParts, "_put_aside", _nothing)


def _promotion_promises_too_much() -> None:
    from flocker.base.records import now
    from flocker.moving import failover

    _replace(failover, "complete_until", lambda *_: now())


def _copies_are_always_current() -> None:
    from flocker.volumes import overview

    _replace(overview, "is_current", lambda *_: True)


def _snapshots_are_said_and_not_taken() -> None:
    from flocker.base.records import now
    from flocker.moving import publisher

    def freeze(self: Any, volume: Any) -> Any:
        known = self._pool.snapshots(volume.id)
        taken = known[-1] if known else self._pool.take_snapshot(volume.claim)
        return publisher._Frozen(volume, taken, now())

    _replace(publisher.Publisher, "_freeze", freeze)


def _changes_compare_nothing() -> None:
    from flocker.consensus.transactions import Transactions

    transact = Transactions._transact
    _replace(Transactions, "_transact", lambda self, _, operations: transact(self, [], operations))


def _uses_never_end() -> None:
    from flocker.engine.mount_counts import MountCounts

    _replace(MountCounts, "remove", _nothing)
    _replace(MountCounts, "end", _never)


def _tidying_fails() -> None:
    from flocker.care.reconciler import Reconciler

    def tidy(_: Reconciler) -> None:
        raise KeyError("a record that is not there")

    _replace(Reconciler, "tidy", tidy)


def _copies_of_a_machine_join() -> None:
    from flocker.membership.identity import Identity

    begin = Identity.__init__
    _replace(Identity, "__init__", lambda self, file, _: begin(self, file, lambda: ""))


def _uses_of_former_engines_never_end() -> None:
    from flocker.engine.mount_counts import MountCounts

    _replace(MountCounts, "reconcile", _nothing)
    _replace(MountCounts, "end", _never)


def _nodes_never_fall_silent() -> None:
    from flocker.moving.giving_up import GivingUp

    _replace(GivingUp, "is_silent", False)


def _sizes_are_agreed_and_not_set() -> None:
    from tests.twins.memory_volumes import MemoryVolumes

    _replace(MemoryVolumes, "set_size", _nothing)


def _purges_delete_everything() -> None:
    from flocker.volumes import maintenance

    _replace(maintenance, "_is_meant", lambda *_: True)


# The faults with which a mutant shows: all, unless its own one is rare among them.
NEEDED = {
    "changes in etcd compare nothing": ("etcd late",),
    "copies of a machine join": ("machine copied",),
    "uses of former engines never end": ("engine killed",),
    "nodes never fall silent": ("disk dies",),
}
MUTANTS: Mapping[str, Callable[[], None]] = {
    "the fence never acts": _fence_never_acts,
    "the fence acts late": _fence_acts_late,
    "a move lacks the last snapshot": _move_lacks_the_last_snapshot,
    "a former owner keeps nothing": _former_owner_keeps_nothing,
    "a promotion promises too much": _promotion_promises_too_much,
    "copies are always called current": _copies_are_always_current,
    "snapshots are reported but not taken": _snapshots_are_said_and_not_taken,
    "changes in etcd compare nothing": _changes_compare_nothing,
    "uses never end": _uses_never_end,
    "tidying fails": _tidying_fails,
    "copies of a machine join": _copies_of_a_machine_join,
    "uses of former engines never end": _uses_of_former_engines_never_end,
    "nodes never fall silent": _nodes_never_fall_silent,
    "sizes are agreed and not set": _sizes_are_agreed_and_not_set,
    "purges delete everything": _purges_delete_everything,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each mutant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulated.mutants", description=__doc__)
    parser.parse_args(arguments)
    passed = 0
    for name in MUTANTS:
        caught = _caught(name)
        passed += caught is None
        told = "NOT CAUGHT" if caught is None else f"seed {caught.seed}: {caught.findings[0]}"
        print(f"{name}: {told}", flush=True)
    return 1 if passed else 0


def _caught(mutant: str) -> Judgement | None:
    for seed in SEEDS:
        plan = planned(seed, SECONDS)
        faults = NEEDED.get(mutant, plan.faults)
        plan = plan.model_copy(update={"mutant": mutant, "faults": faults})
        judgement = simulate(plan, BUILD)
        if judgement.verdict not in (Verdict.VALID, Verdict.UNKNOWN):  # too little is no finding
            return judgement
    return None


if __name__ == "__main__":
    sys.exit(main())
