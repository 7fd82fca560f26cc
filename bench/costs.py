"""The cost of a volume that stays where it is, compared with one of Docker's own.

All on one node, taking turns: a `local` volume on a subvolume of the same pool, a volume without
replicas, and one with the default of two, which follow while the load runs.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.base.waiting import eventually
from acceptance.nodes.node import Node
from bench import bare, disk, volumes
from bench.disk import on_node
from bench.figures import Results
from bench.plan import DOCKER_RUNS, REPETITIONS

LOCAL = "local"
ALONE = "flocker, no replicas"
FOLLOWED = "flocker, 2 replicas"

DOCKER_RUN = "docker run, s"
FIO_SEQUENTIAL = "fio, written in sequence, MB/s"
FIO_RANDOM = "fio, 4 KiB at random, each synced, writes/s"
REDIS = "redis, SET with AOF always synced, requests/s"

WRITES = {
    FIO_SEQUENTIAL: "--rw=write --bs=1M --size=512M --end_fsync=1",
    FIO_RANDOM: "--rw=randwrite --bs=4k --size=64M --fsync=1 --time_based --runtime=4",
}
# The node's own fio in a container, with its libraries.
NODE_PROGRAMS = "--volume /usr:/usr:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro"
FIO = f"{NODE_PROGRAMS} busybox fio --output-format=json --name=bench --directory=/data"
REDIS_NAME = "bench-redis"
REDIS_SERVER = (
    "redis:latest redis-server --dir /data --save '' --appendonly yes --appendfsync always"
)
REDIS_REQUESTS = 6000
REDIS_CLIENTS = 10
REDIS_READY_SECONDS = 20


@contextmanager
def kinds_of_volume(node: Node, nodes: list[Node]) -> Iterator[dict[str, str]]:
    """Title -> the option that mounts that kind of volume."""
    names = {ALONE: ("bench-alone", 0), FOLLOWED: ("bench-followed", 2)}
    disk.make_subvolume(node, bare.FOLDER)
    made = []
    try:
        for name, replicas in names.values():
            volumes.create(node, name, replicas=replicas)
            made.append(name)
        ours = {title: volumes.mount_option(name) for title, (name, _) in names.items()}
        yield {LOCAL: f"--volume {bare.VOLUME}:/data", **ours}
    finally:
        for name in made:
            volumes.remove(nodes, name)
        disk.delete(node, bare.FOLDER)


def measure_docker_run(node: Node, mounts: dict[str, str], results: Results) -> None:
    """Measure the time of `docker run` with each kind of volume."""
    for _ in range(DOCKER_RUNS):
        for title, mount in mounts.items():
            command = f"docker run --rm {mount} busybox true"
            results.add(DOCKER_RUN, title, on_node(node, "time", *command.split()))


def measure_fio(node: Node, mounts: dict[str, str], results: Results) -> None:
    """Measure the speed of a container that writes to each kind of volume."""
    for _ in range(REPETITIONS):
        for load, options in WRITES.items():
            for title, mount in mounts.items():
                printed = node.run(f"docker run --rm {mount} {FIO} {options}")
                results.add(load, title, read_fio(printed, load))


def measure_redis(node: Node, mounts: dict[str, str], results: Results) -> None:
    """Measure the writes of a Redis on each kind of volume, each on disk when it is answered."""
    for _ in range(REPETITIONS):
        for title, mount in mounts.items():
            node.run(f"docker run --detach --name {REDIS_NAME} {mount} {REDIS_SERVER}")
            try:
                eventually(lambda: _answers(node), is_=True, within=REDIS_READY_SECONDS)
                printed = node.run(
                    f"docker exec {REDIS_NAME} redis-benchmark -t set --csv "
                    f"-n {REDIS_REQUESTS} -c {REDIS_CLIENTS}"
                )
            finally:
                node.run(f"docker rm --force {REDIS_NAME}")
            results.add(REDIS, title, read_redis(printed))


def read_fio(printed: str, load: str) -> float:
    """The figure of one load in what `fio --output-format=json` printed.

    Raises:
        ValueError: it is no such report.
    """
    # Warnings come before it.
    report, _ = json.JSONDecoder().raw_decode(printed[printed.index("{") :])
    wrote = report["jobs"][0]["write"]
    figures = {FIO_SEQUENTIAL: wrote["bw_bytes"] / 1e6, FIO_RANDOM: wrote["iops"]}
    return float(figures[load])


def read_redis(printed: str) -> float:
    """Requests per second in what `redis-benchmark --csv` printed for SET.

    Raises:
        ValueError: it is no such table.
    """
    rows = {row[0]: row for row in csv.reader(printed.splitlines()) if row}
    if "SET" not in rows:
        raise ValueError(f"redis-benchmark printed no figure: {printed!r}")
    return float(rows["SET"][1])


def _answers(node: Node) -> bool:
    return node.type(f"docker exec {REDIS_NAME} redis-cli ping").exit_status == 0
