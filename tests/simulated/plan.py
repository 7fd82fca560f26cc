"""The plan of one simulation, besides chance; and a smaller one that fails as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from judge.chance import seeded
from judge.history import Plain, Volume, Writing
from judge.verdict import Judgement

AUTO = {"failover": "auto"}
UNSYNCED = "third"  # the volume whose containers hardly ever use fsync
WITH_REPLICAS = (
    Volume(name="first", options=AUTO, writing=Writing.NEVER_TWO),
    Volume(name="second", options={"failover": "manual"}),
    Volume(name=UNSYNCED, options={**AUTO, "replicas": "1"}, writing=Writing.NEVER_TWO),
)
ALONE = Volume(name="fourth", options={"replicas": "0"})
LOSSES = ("disk replaced", "machine replaced")
FAULTS = (
    *("power cut", *LOSSES, "machine copied", "suspended"),
    *("daemon killed", "daemon stopped", "fence killed", "fence stopped"),
    *("engine hangs", "engine killed"),
    *("cut off", "etcd away", "etcd hears nothing", "etcd is not heard", "etcd late", "etcd down"),
    *("peers away", "peers hear nothing", "slow links", "clock steps"),
    *("disk full", "disk crammed", "disk read-only", "disk hangs", "disk dies", "disk fails"),
    *("writes lost", "increments refused"),
)
TRIES = 24  # of a shrinking
LAST_SECONDS = 30.0  # that a shorter simulation has after the first finding


class Plan(Plain):
    """One simulation.

    Attributes:
        seconds: simulated, of clients and faults; the end comes on top.
        faults: names of those that may happen.
        mutant: the way in which the driver is broken, see mutants.py; empty for the driver itself.
        client_pause_seconds, writer_pause_seconds: at most, between two requests or lines.
    """

    seed: int
    seconds: float
    faults: tuple[str, ...]
    mutant: str = ""
    clients: int = 4
    faults_at_once: int = 3
    client_pause_seconds: float = 20.0
    writer_pause_seconds: float = 6.0

    @property
    def loses_disks(self) -> bool:
        """Then data that is on one disk only can be gone, so clients leave none there."""
        return any(each in self.faults for each in LOSSES)

    @property
    def volumes(self) -> tuple[Volume, ...]:
        return WITH_REPLICAS if self.loses_disks else (*WITH_REPLICAS, ALONE)


def planned(seed: int, seconds: float) -> Plan:
    """The plan of a seed; every third one or so has disks and machines replaced."""
    has_all = seeded(seed, "plan").random() < 1 / 3
    return Plan(
        seed=seed,
        seconds=seconds,
        faults=FAULTS if has_all else tuple(each for each in FAULTS if each not in LOSSES),
    )


def shrunk(plan: Plan, judgement: Judgement, simulate: Callable[[Plan], Judgement]) -> Plan:
    """A plan with fewer clients, fewer faults or less time that fails in the same way.

    Args:
        judgement: of `plan`.
        simulate: runs a plan and judges it.
    """
    wanted = _kind(judgement)
    tries = TRIES
    is_smaller = True
    while is_smaller and tries:
        is_smaller = False
        for smaller in _smaller(plan, judgement):
            tries -= 1
            found = simulate(smaller)
            if _kind(found) == wanted:
                plan, judgement, is_smaller = smaller, found, True
                break
            if not tries:
                break
    return plan


def _kind(judgement: Judgement) -> tuple[str, str]:
    first = judgement.findings[0] if judgement.findings else None
    return judgement.verdict, first.oracle if first else ""


def _smaller(plan: Plan, judgement: Judgement) -> Iterator[Plan]:
    """Plans that have less of something, the greatest steps first."""
    ended = judgement.findings[0].at + LAST_SECONDS if judgement.findings else plan.seconds
    if ended < plan.seconds:
        yield plan.model_copy(update={"seconds": ended})
    yield from _halved(plan)
    if plan.faults_at_once > 1:
        yield plan.model_copy(update={"faults_at_once": plan.faults_at_once - 1})
    if plan.clients > 1:
        yield plan.model_copy(update={"clients": plan.clients // 2})
    if plan.seconds > LAST_SECONDS:
        yield plan.model_copy(update={"seconds": plan.seconds / 2})


def _halved(plan: Plan) -> Iterator[Plan]:
    half = len(plan.faults) // 2
    if half:
        for faults in (plan.faults[:half], plan.faults[half:]):
            yield plan.model_copy(update={"faults": faults})
