"""Level 3 without machines: two engines that ask one plugin stand for nodes that share volumes.

The sudden death of an engine stands for a node that loses its power.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest

from acceptance.base.command import COMMAND_SECONDS, Typed
from acceptance.machines.protocol import Ability, Machines
from acceptance.nodes.node import Node
from judge.drivers.behaviours import Claim, Level
from judge.drivers.node_stage import IMAGE, NodeStage
from judge.drivers.node_trials import NODE_TRIALS
from judge.drivers.profile import Budgets, Nodes, Profile
from judge.drivers.trial import try_all
from judge.drivers.verdicts import TrialOutcome, Verdict
from judge.machine.engine import OwnEngine, own_engine
from judge.machine.mounts import PLUGINS
from tests.contract.judge.small_plugin import ONE_USER, serving

pytestmark = pytest.mark.contract

PROGRAMS = ("sh", "cat", "date", "dd", "echo", "sha256sum", "sleep", "sync", "test", "wc")
TRIED = (6, 7, 14, 16, 17, 35)
OF_LOST_NODES = (18, 19, 25)
PROFILE = Profile(
    driver="small",
    title="A small plugin",
    claims=frozenset({Claim.MULTI_NODE, Claim.EXCLUSIVE, Claim.REPLICATION, Claim.FAILOVER}),
    nodes=Nodes(options={"colour": "red"}),
    budgets=Budgets(takeover=5, lag=2),
)
FAILED: dict[str, set[int]] = {
    ONE_USER: set(),
    "": {17},  # it lets everybody in
    "lists nothing": {7, 17},
    "mounts somewhere else each time": {6, 14, 16, 17, 35},
}
"""Each way to be, with the behaviours that must fail on nodes."""


class LocalNode:
    """A node without a machine: its commands are typed here, to an engine of its own."""

    def __init__(self, name: str, engine: OwnEngine) -> None:
        self.name = name
        self.address = "127.0.0.1"
        self._engine = engine

    def type(self, command: str, within: float = COMMAND_SECONDS) -> Typed:
        started = time.monotonic()
        done = subprocess.run(
            ["sh", "-c", command.removeprefix("sudo ")],
            env={**os.environ, "DOCKER_HOST": f"unix://{self._engine.socket}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=within,
        )  # fmt: skip
        took = time.monotonic() - started
        return Typed("root", self.name, command, done.stdout, done.returncode, took)

    def close(self) -> None:
        """There is no connection."""

    def run(self, _: str) -> str:
        return "0"  # bytes received: the two share a folder, and send each other nothing


class LocalMachines:
    """Machines whose power is that of their engines."""

    abilities = frozenset({Ability.POWER})

    def __init__(self, engines: list[OwnEngine]) -> None:
        self._engines = {f"node{n}": engine for n, engine in enumerate(engines, 1)}

    def power_off(self, node: str) -> None:
        self._engines[node].signal(signal.SIGKILL)

    def power_on(self, node: str) -> None:
        self._engines[node].start()


def import_image(engine: OwnEngine, folder: Path) -> None:
    """An image with the few programs that trials run, and their libraries."""
    root = folder / "root"
    for program in PROGRAMS:
        found = Path(shutil.which(program) or "").resolve()
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True)
        libraries = [word for word in listed.stdout.split() if word.startswith("/")]
        for source, target in [(found, f"bin/{program}"), *((Path(x), x[1:]) for x in libraries)]:
            copy = root / target
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    subprocess.run(["tar", "-C", root, "-cf", folder / "image.tar", "."], check=True)
    engine.docker("import", "--change", "ENV PATH=/bin", str(folder / "image.tar"), IMAGE)


@pytest.fixture(scope="module")
def engines() -> Iterator[list[OwnEngine]]:
    with ExitStack() as stack:
        running = [stack.enter_context(own_engine()) for _ in range(2)]
        for engine in running:
            engine.keeps_containers = False  # from its next start on
            with tempfile.TemporaryDirectory() as folder:
                import_image(engine, Path(folder))
        yield running


@contextmanager
def stage_of(engines: list[OwnEngine], behaves: str) -> Iterator[NodeStage]:
    """Two nodes whose engines ask one plugin: they look for it in the same folder."""
    nodes = [LocalNode(f"node{n}", engine) for n, engine in enumerate(engines, 1)]
    with (
        tempfile.TemporaryDirectory(prefix="small-", dir="/tmp") as folder,
        serving(PLUGINS / "small.sock", Path(folder), behaves),
    ):
        yield NodeStage(PROFILE, cast(list[Node], nodes), cast(Machines, LocalMachines(engines)))


@pytest.mark.parametrize("behaves", FAILED)
def test_each_way_to_be_wrong_fails_its_behaviours_and_no_others(
    engines: list[OwnEngine], behaves: str
) -> None:
    found = verdicts(engines, behaves, TRIED)
    assert failed(found) == FAILED[behaves], found
    assert {each.behaviour for each in found} == set(TRIED)


def test_a_volume_that_all_nodes_share_survives_the_loss_of_one(engines: list[OwnEngine]) -> None:
    found = verdicts(engines, "", OF_LOST_NODES)
    assert [each.verdict for each in found] == [Verdict.HELD] * len(OF_LOST_NODES), found


def test_a_node_without_the_data_does_not_continue(engines: list[OwnEngine]) -> None:
    assert failed(verdicts(engines, "mounts somewhere else each time", (18, 19))) == {18, 19}


def verdicts(engines: list[OwnEngine], behaves: str, rows: tuple[int, ...]) -> list[TrialOutcome]:
    trials = [trial for trial in NODE_TRIALS if trial.behaviour in rows]
    with stage_of(engines, behaves) as stage:
        return list(try_all(trials, stage, Level.CLUSTER, PROFILE.claims))


def failed(found: list[TrialOutcome]) -> set[int]:
    return {each.behaviour for each in found if each.verdict is Verdict.FAILED}
