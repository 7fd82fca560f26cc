"""One run on the nodes: work and faults for a time, and then the proof; see settling."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from acceptance.base.direct import direct_connections
from acceptance.cluster.cluster import Cluster
from acceptance.machines.vagrant import VagrantMachines
from host import LOGS
from tests.soak.on_nodes.accounts import Accounts
from tests.soak.on_nodes.keyboards import Keyboards
from tests.soak.on_nodes.settling import Settling
from tests.soak.on_nodes.trouble import Trouble
from tests.soak.outcome import Outcome
from tests.soak.people import People, everyday

VOLUMES = {
    "soak-first": "-o failover=auto",
    "soak-second": "",
    "soak-third": "-o failover=auto -o size=200MiB",
    "soak-fourth": "-o replicas=1",
    "soak-fifth": "-o failover=auto",
    "soak-sixth": "",
}
LARGE = "soak-fourth"  # its copies take a while, and one node has none
PEOPLE = 4
PAUSE_SECONDS = 2.0
CALL_SECONDS = 240  # within which each work of a person ends, once nothing is wrong any more
LOG = LOGS / "soak.log"
EVIDENCE = LOGS / "soak"


def soak(seconds: float, seed: int) -> Outcome:
    """Work on the nodes for so long, with faults, and look at everything afterwards.

    Raises:
        NodesNotUp, NodeAway, NotOurs, Problem: the nodes cannot be had for it.
    """
    outcome = Outcome(seed, seconds)
    with direct_connections(), _logged(), _nodes() as cluster:
        cluster.clean()
        began = cluster.nodes[0].run("date +%s").strip()
        with _keyboards() as (keyboards, accounts):
            _create(cluster)
            settling = Settling(cluster, keyboards, list(VOLUMES), outcome, began)
            with _noting(outcome.wrong):
                _work(cluster, keyboards, outcome)
                cluster.wait_until_whole()
                settling.check(accounts)
            if outcome.wrong:
                _keep(cluster)
            with _noting(outcome.wrong):
                settling.clear()
    return outcome


@contextmanager
def _nodes() -> Iterator[Cluster]:
    cluster = Cluster.from_userdata({})
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


@contextmanager
def _keyboards() -> Iterator[tuple[Keyboards, Accounts]]:
    """Each person has connections of their own."""
    with ExitStack() as cleanup:
        clusters = []
        for _ in range(PEOPLE):
            cluster = Cluster(VagrantMachines(), keeps_nodes=True)
            cleanup.callback(cluster.down)
            cluster.connect()
            clusters.append(cluster)
        accounts = Accounts()
        yield Keyboards(clusters, accounts), accounts


def _create(cluster: Cluster) -> None:
    first = cluster.nodes[0]
    for volume, options in VOLUMES.items():
        typed = cluster.type(first.name, f"docker volume create -d flocker {options} {volume}")
        assert typed.exit_status == 0, typed.output
    first.run(
        f"docker run --rm -v {LARGE}:/data busybox"
        " sh -c 'head -c 100000000 /dev/urandom >/data/ballast'"
    )


def _work(cluster: Cluster, keyboards: Keyboards, outcome: Outcome) -> None:
    people = People(
        keyboards.names, list(VOLUMES), [*everyday(keyboards), *keyboards.works()],
        seed=outcome.seed, count=PEOPLE, pause_seconds=PAUSE_SECONDS,
    )  # fmt: skip
    trouble = Trouble(cluster, outcome.seed)
    until = time.monotonic() + outcome.seconds
    people.start()
    trouble.start()
    waiting = threading.Event()
    try:
        while time.monotonic() < until and not people.defects and not trouble.wrong:
            waiting.wait(1)
    finally:
        trouble.stop()
    outcome.wrong += trouble.wrong + people.stop(CALL_SECONDS)
    outcome.operations, outcome.faults = dict(people.done), dict(trouble.done)


def _keep(cluster: Cluster) -> None:
    """Keep the nodes' journals, and what etcd holds."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    for name, text in cluster.logs().items():
        (EVIDENCE / f"{name}.log").write_text(text)


@contextmanager
def _noting(wrong: list[str]) -> Iterator[None]:
    """Put a failure into the report, which makes the run red, and go on to the other checks."""
    try:
        yield
    except Exception:  # also what nobody foresaw: the evidence is still to be kept
        wrong.append(traceback.format_exc())


@contextmanager
def _logged() -> Iterator[None]:
    """Write down what is done when, and what comes of it."""
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
