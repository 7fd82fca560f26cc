"""One run on the nodes: clients and faults for a time, and then a look at everything."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from acceptance.base.direct import direct_connections
from acceptance.cluster.cluster import Cluster
from acceptance.machines.vagrant import VagrantMachines
from host import LOGS
from judge.chance import seeded
from judge.clients.client import Client, Shared
from judge.clients.cluster import Request
from judge.history import Action, Begin, End, FaultsOver, Promises, Volume, Writing
from judge.nodes.clock import BOOT_ID, Clock, check_is_shared
from judge.nodes.cluster import UNSYNCED, Nodes
from judge.nodes.ending import Ending
from judge.nodes.promotions import History, note_promotions
from judge.nodes.trouble import AT_ONCE, Trouble
from judge.nodes.watch import Watch
from judge.recorder import Recorder
from judge.results import keep
from judge.verdict import Judgement, Verdict

VOLUMES = (
    Volume(name="soak-first", options={"failover": "auto"}, writing=Writing.NEVER_TWO),
    Volume(name="soak-second"),
    Volume(
        name="soak-third", options={"failover": "auto", "size": "200MiB"}, writing=Writing.NEVER_TWO
    ),
    Volume(name="soak-fourth", options={"replicas": "1"}),
    Volume(
        name=f"soak-{UNSYNCED}", options={"failover": "auto", "replicas": "1"},
        writing=Writing.NEVER_TWO,
    ),
    Volume(name="soak-sixth", options={"replicas": "0", "size": "1GiB"}),
)  # fmt: skip
LARGE = "soak-fourth"  # its copies take a while, and one node has none
FILES = "soak-sixth"
PROMISES = Promises(current=25)  # 10 s before its owner was last heard of, in a lease of 15 s
CLIENTS = 4
PAUSE_SECONDS = 2.0
CALL_SECONDS = 400  # within which each step of a client ends, once nothing is wrong any more
RECOVERY_SECONDS = 60  # two leases, and 30 s
LOG = LOGS / "soak.log"


def soak(seconds: float, seed: int, build: Path) -> tuple[Judgement, Path]:
    """Run for so long, with faults; then the verdict, and the folder with all of the run.

    An error that cuts the run short is printed, and the verdict is not `valid` then.

    Raises:
        NodesNotUp, NodeAway, NeverCame, NotOurs, Problem: the nodes cannot be had for it.
    """
    with direct_connections(), _logged(), _nodes() as cluster, ExitStack() as cleanup:
        cluster.clean()
        for node in cluster.nodes:
            check_is_shared(node.name, node.run(f"cat {BOOT_ID}"))
        others = [_connected(cluster, cleanup) for _ in range(CLIENTS + AT_ONCE + 1)]
        run = _Run(cluster, others, seed)
        try:
            run.go(seconds)
        except Exception:  # the judge sees in the history that the run was cut short
            traceback.print_exc()
        finally:
            judgement, folder = keep(run.recorder.history(), build)
            if judgement.verdict is not Verdict.VALID:
                for name, text in cluster.logs().items():
                    (folder / f"{name}.log").write_text(text)
            cluster.clean()  # also what a run that was cut short has left
    return judgement, folder


class _Run:
    def __init__(self, cluster: Cluster, others: Sequence[Cluster], seed: int) -> None:
        self._clock = Clock()
        self._began = time.time()
        self.recorder = Recorder(self._clock.now)
        self._cluster = cluster
        self._seed = seed
        self._history = History()
        self._nodes = Nodes(others[:CLIENTS], self.recorder, self._clock)
        self._trouble = Trouble(others[CLIENTS : CLIENTS + AT_ONCE], self.recorder, seed)
        self._watch = Watch(
            Nodes(others[CLIENTS + AT_ONCE :], self.recorder, self._clock),
            self.recorder,
            self._history,
        )

    def go(self, seconds: float) -> None:
        self.recorder.note(
            Begin(
                at=self._clock.now(), seed=self._seed, driver="flocker", machine="nodes",
                nodes=self._nodes.nodes, volumes=VOLUMES, promises=PROMISES,
            )
        )  # fmt: skip
        ending = Ending(self._cluster, self._nodes, self.recorder, VOLUMES, self._began)
        with self._watch.watching():
            try:
                self._create()
                self._work(seconds)
                self._cluster.wait_until_whole()
                self.recorder.note(FaultsOver(at=self._clock.now()))
                threading.Event().wait(RECOVERY_SECONDS)
                ending.look()
            finally:  # without them a run that was cut short would be judged by the wrong promises
                note_promotions(self._nodes, self._history, self.recorder)
        ending.clear()
        self.recorder.note(End(at=self._clock.now()))

    def _create(self) -> None:
        self._cluster.lose_sight()  # containers start without a look at what each command makes
        first = self._nodes.nodes[0]
        for volume in VOLUMES:
            self._nodes.create(first, volume)
        fill = "head -c 100000000 /dev/urandom >/data/ballast"
        many = "mkdir /data/many && cd /data/many && seq 20000 | xargs touch"
        for name, command in ((LARGE, fill), (FILES, many)):
            self._nodes.type(first, f"docker run --rm -v {name}:/data busybox sh -c '{command}'")
        for volume in VOLUMES:  # so that each has lines, whatever the clients choose
            start = Request(action=Action.START, node=first, volume=volume.name)
            self.recorder.do("begin", self._nodes, start)

    def _work(self, seconds: float) -> None:
        names = [volume.name for volume in VOLUMES]
        shared, over = Shared(self._nodes, self.recorder, names, time.sleep), threading.Event()
        threads = [
            threading.Thread(
                target=self._live, args=(each, shared, over), name=f"client{each}", daemon=True
            )
            for each in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        self._trouble.start()
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until and not self._trouble.wrong:
                over.wait(1)
        finally:
            self._trouble.stop()
            over.set()
        for thread in threads:
            thread.join(CALL_SECONDS)
        if self._trouble.wrong:
            raise RuntimeError("; ".join(self._trouble.wrong))

    def _live(self, number: int, shared: Shared, over: threading.Event) -> None:
        random = seeded(self._seed, "client", number)
        client = Client(f"client{number}", random, shared)
        while not over.wait(random.uniform(0, PAUSE_SECONDS)):
            client.step()


def _connected(cluster: Cluster, cleanup: ExitStack) -> Cluster:
    """More connections to the nodes of a cluster that is up."""
    other = Cluster(cluster.machines, keeps_nodes=True)
    cleanup.callback(other.down)
    other.connect()
    return other


@contextmanager
def _nodes() -> Iterator[Cluster]:
    cluster = Cluster(VagrantMachines(), keeps_nodes=True)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


@contextmanager
def _logged() -> Iterator[None]:
    """Write down what is typed when, and what comes of it."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log, handler = logging.getLogger("soak"), logging.FileHandler(LOG, mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(threadName)s %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
