"""Faults of a simulated cluster: each begins, and gives back what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from judge.history import Effect
from tests.simulated.cluster import SimulatedCluster
from tests.simulated.network import ETCD

End = Callable[[], object]

DEAF = (Effect.UNREACHABLE,)
DARK = (Effect.UNREACHABLE, Effect.MEMORY_LOST)
LOST = (*DARK, Effect.DISK_LOST)
# From the moment in which a disk stops answering: 30 s until the driver takes it for dead, twice
# 15 s in which nothing ends that uses the volumes, a lease of 15 s, and 30 s for two candidates.
TAKEOVER_SECONDS = 120.0


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one node, or with etcd.

    Attributes:
        begin: causes it on a node; returns what heals it.
        effects: on the nodes that it is on.
        on_all: it is on all nodes.
        is_alone: no other fault of this kind may be on the same node.
        is_only: no other fault may be on anywhere.
        weight: how often it comes, against the others.
        seconds: for which it lasts, at least and at most.
        is_fair: tells whether a driver can survive it on that node now.
    """

    name: str
    begin: Callable[[SimulatedCluster, str, Random], End]
    effects: tuple[Effect, ...] = ()
    on_all: bool = False
    is_alone: bool = False
    is_only: bool = False
    weight: float = 1.0
    seconds: tuple[float, float] = (5.0, 60.0)
    is_fair: Callable[[SimulatedCluster, str], bool] = lambda *_: True


def _cut_power(cluster: SimulatedCluster, node: str, _: Random) -> End:
    cluster.machines[node].cut_power()
    return cluster.machines[node].boot


def _replace_disk(cluster: SimulatedCluster, node: str, _: Random) -> End:
    cluster.machines[node].cut_power()
    cluster.machines[node].replace_disk()
    return cluster.machines[node].boot


def _replace_machine(cluster: SimulatedCluster, node: str, random: Random) -> End:
    cluster.machines[node].replace_board()
    return _replace_disk(cluster, node, random)


def _copy_machine(cluster: SimulatedCluster, node: str, _: Random) -> End:
    return cluster.start_copy(node).cut_power


def _kill_daemon(cluster: SimulatedCluster, node: str, _: Random) -> End:
    cluster.machines[node].kill_daemon()
    return cluster.machines[node].start_daemon


def _kill_engine(cluster: SimulatedCluster, node: str, random: Random) -> End:
    """Half of the engines keep their containers when they start again."""
    keeps_containers = random.random() < 1 / 2
    cluster.machines[node].kill_engine()
    return lambda: cluster.machines[node].start_engine(keeps_containers=keeps_containers)


def _kill_fence(cluster: SimulatedCluster, node: str, _: Random) -> End:
    cluster.machines[node].kill_fence()
    return cluster.machines[node].start_fence


def _stop(*names: str) -> Callable[[SimulatedCluster, str, Random], End]:
    return lambda cluster, node, _: cluster.machines[node].stop(*names)


def _cut(ways: Callable[[str, list[str]], list[tuple[str, str]]]) -> Callable[..., End]:
    def begin(cluster: SimulatedCluster, node: str, _: Random) -> End:
        network = cluster.network
        cut = ways(node, [each for each in cluster.nodes if each != node])
        for way in cut:
            network.cut(*way)

        def mend() -> None:
            for way in cut:
                network.mend(*way)

        return mend

    return begin


def _slow(cluster: SimulatedCluster, node: str, random: Random) -> End:
    by = random.choice((30, 100, 300))
    cluster.network.slowness[node] += by

    def mend() -> None:
        cluster.network.slowness[node] -= by

    return mend


def _disk(fault: str) -> Callable[[SimulatedCluster, str, Random], End]:
    def begin(cluster: SimulatedCluster, node: str, _: Random) -> End:
        disk = cluster.machines[node].disk
        disk.begin(fault)
        return lambda: disk.end(fault)

    return begin


def _let_disk_die(cluster: SimulatedCluster, node: str, _: Random) -> End:
    """It answers nobody for so long that other nodes have to own its auto volumes in the end."""
    disk, began = cluster.machines[node].disk, cluster.now
    disk.begin("hangs")

    def mend() -> None:
        if cluster.now - began >= TAKEOVER_SECONDS:  # it ends early if the simulation does
            cluster.check_taken_over(node)
        disk.end("hangs")

    return mend


def _engine_hangs(cluster: SimulatedCluster, node: str, _: Random) -> End:
    engine = cluster.machines[node].engine
    engine.hangs += 1

    def mend() -> None:
        engine.hangs -= 1

    return mend


def _trouble_etcd(cluster: SimulatedCluster, _: str, __: Random) -> End:
    cluster.etcd.troubles += 1

    def mend() -> None:
        cluster.etcd.troubles -= 1
        cluster.etcd.await_late()

    return mend


def _etcd_down(cluster: SimulatedCluster, _: str, __: Random) -> End:
    cluster.etcd.leave()
    return cluster.etcd.come_back


def _step_clock(cluster: SimulatedCluster, node: str, random: Random) -> End:
    by = random.choice((-8 * 86400, -7200, -5, 5, 7200, 8 * 86400))
    cluster.step_clock(node, by)
    return lambda: cluster.step_clock(node, -by)


FAULTS = (
    Fault("power cut", _cut_power, DARK, is_alone=True, weight=2),
    Fault(
        "disk replaced",
        _replace_disk,
        LOST,
        is_alone=True,
        is_fair=SimulatedCluster.can_spare_disk,
    ),
    Fault(
        "machine replaced",
        _replace_machine,
        LOST,
        is_alone=True,
        is_fair=SimulatedCluster.can_spare_disk,
    ),
    Fault("machine copied", _copy_machine, is_alone=True, weight=0.3),
    Fault("daemon killed", _kill_daemon, DEAF, is_alone=True),
    Fault("daemon stopped", _stop("daemon"), DEAF, is_alone=True),
    Fault("engine killed", _kill_engine, is_alone=True),
    Fault("fence killed", _kill_fence, seconds=(1, 3), is_alone=True),
    Fault("fence stopped", _stop("fence"), seconds=(1, 3), is_alone=True),
    Fault("suspended", _stop(), (*DEAF, Effect.SUSPENDED), is_alone=True),
    Fault(
        "cut off",
        _cut(
            lambda node, others: [way for it in (*others, ETCD) for way in ((node, it), (it, node))]
        ),
        DEAF,
    ),
    Fault("etcd away", _cut(lambda node, _: [(node, ETCD), (ETCD, node)]), DEAF),
    Fault("etcd hears nothing", _cut(lambda node, _: [(node, ETCD)]), DEAF),
    Fault("etcd is not heard", _cut(lambda node, _: [(ETCD, node)]), DEAF),
    Fault(
        "peers away",
        _cut(lambda node, others: [way for it in others for way in ((node, it), (it, node))]),
    ),
    Fault("peers hear nothing", _cut(lambda node, others: [(node, it) for it in others])),
    Fault("slow links", _slow),
    Fault("disk full", _disk("full")),
    Fault("disk crammed", _disk("crammed")),
    # With an engine that does not answer, the node may fall silent: see moving/giving_up.py.
    Fault("disk read-only", _disk("read-only"), DEAF),
    Fault("disk hangs", _disk("hangs"), DEAF),
    Fault("disk dies", _let_disk_die, DEAF, is_only=True, seconds=(125, 150)),
    Fault("disk fails", _disk("fails"), DEAF),
    Fault("writes lost", _disk("loses writes")),
    Fault("increments refused", _disk("refusing")),
    Fault("engine hangs", _engine_hangs),
    Fault("clock steps", _step_clock),
    # Announcements may come late, and twice: nodes seem to be heard of for the last time earlier.
    Fault("etcd late", _trouble_etcd, DEAF, on_all=True),
    Fault("etcd down", _etcd_down, DEAF, on_all=True, seconds=(5, 40)),
)
