"""The age of replicas while many volumes of one node are written to all the time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from acceptance.cluster.etcd import ETCD_ACCESS
from acceptance.nodes.node import Node
from bench import volumes
from bench.disk import on_node
from bench.figures import Results

AGE_P50, AGE_P99, AGE_MOST = ("Age of replicas, p50, s", "Age of replicas, p99, s",
                              "Age of replicas, largest, s")  # fmt: skip
CPU = "CPU of all daemons, of one processor, %"
WRITES = "etcd writes for each volume, 1/s"
LIMITS = {50: 2.0, 150: 4.0, 300: 6.0}
"""Volumes -> the largest age at p99 that is promised, in seconds."""
SETTLE_SECONDS = 10  # before it is measured: the first copies are whole ones
SECONDS = 20


def variant(number: int) -> str:
    """The name of so many volumes in the results."""
    return f"{number} busy volumes"


def measure(nodes: list[Node], number: int, results: Results) -> None:
    """Write to that many new volumes of the first node, and look at the copies on the others."""
    owner, others = nodes[0], nodes[1:]
    names = [f"bench-busy-{each}" for each in range(number)]
    with ExitStack() as cleanup:
        cleanup.callback(volumes.remove, nodes, *names)
        _create(owner, names, replicas=len(others))
        known = volumes.ids(owner)
        ids = [known[name] for name in names]
        with ThreadPoolExecutor(len(nodes)) as threads:
            writing = threads.submit(_append, owner, ids)
            # No state to wait for: the load has to be an even one before it is measured.
            time.sleep(SETTLE_SECONDS)
            before = _spent(nodes)
            looks = [threads.submit(_ages, node, ids) for node in others]
            ages = [age for look in looks for age in look.result()]
            after = _spent(nodes)
            writing.result()
    _note(results, number, ages, [end - start for start, end in zip(before, after, strict=True)])


def _note(results: Results, number: int, ages: list[float], spent: list[float]) -> None:
    what, (seconds, cpu_seconds, writes) = variant(number), spent
    results.add(AGE_P50, what, percentile(ages, 50))
    results.add(AGE_P99, what, percentile(ages, 99))
    results.add(AGE_MOST, what, max(ages))
    results.add(CPU, what, 100 * cpu_seconds / seconds)
    results.add(WRITES, what, writes / seconds / number)


def percentile(figures: Sequence[float], percent: int) -> float:
    """The smallest figure that so many percent of all do not exceed.

    Raises:
        ValueError: there is none.
    """
    if not figures:
        raise ValueError("no replica was there")
    return sorted(figures)[max(0, math.ceil(len(figures) * percent / 100) - 1)]


def _create(owner: Node, names: list[str], *, replicas: int) -> None:
    options = f"--driver flocker --opt replicas={replicas}"
    for some in volumes.batches(names, volumes.NAMES_AT_ONCE):
        owner.run(f"for name in {' '.join(some)}; do docker volume create {options} $name; done")


def _append(owner: Node, ids: list[str]) -> None:
    # Longer than what is measured, which takes its time to begin and to end.
    on_node(owner, "append", volumes.POOL, str(SETTLE_SECONDS + SECONDS + 10), *ids)


def _ages(node: Node, ids: list[str]) -> list[float]:
    return [float(age) for age in on_node(node, "ages", volumes.POOL, str(SECONDS), *ids)]


def _spent(nodes: list[Node]) -> list[float]:
    """The time, CPU seconds of all daemons and the number of writes in etcd, up to now."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        used = threads.map(lambda node: on_node(node, "used")["daemon_cpu_seconds"], nodes)
        revision = threads.submit(partial(_revision, nodes[0]))
        return [time.monotonic(), sum(used), revision.result()]


def _revision(node: Node) -> int:
    printed = node.run(f"sudo env {ETCD_ACCESS} etcdctl endpoint status --write-out json")
    return int(json.loads(printed)[0]["Status"]["header"]["revision"])
