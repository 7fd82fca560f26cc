"""Level 3 without machines: two engines with a plugin each stand for nodes that share volumes.

Nodes that lose their power are left out: `make judge` tries those trials on real nodes only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest

from acceptance.base.command import COMMAND_SECONDS, Typed
from acceptance.machines.protocol import Machines
from acceptance.nodes.node import Node
from judge.drivers.behaviours import Claim, Level
from judge.drivers.node_stage import IMAGE, NodeStage
from judge.drivers.node_trials import NODE_TRIALS
from judge.drivers.profile import Nodes, Profile
from judge.drivers.trial import try_all
from judge.drivers.verdicts import Verdict
from judge.machine.engine import OwnEngine, own_engine
from judge.machine.mounts import PLUGINS
from tests.contract.judge.small_plugin import ONE_USER, serving

pytestmark = pytest.mark.contract

PROGRAMS = ("sh", "cat", "date", "dd", "echo", "sha256sum", "sleep", "sync", "test", "wc")
TRIED = (6, 7, 14, 16, 17, 35)
PROFILE = Profile(
    driver="small",
    title="A small plugin",
    claims=frozenset({Claim.MULTI_NODE, Claim.EXCLUSIVE, Claim.REPLICATION}),
    nodes=Nodes(options={"colour": "red"}),
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

    def run(self, _: str) -> str:
        return "0"  # bytes received: the two share a folder, and send each other nothing


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
        yield NodeStage(PROFILE, cast(list[Node], nodes), cast(Machines, None))


@pytest.mark.parametrize("behaves", FAILED)
def test_each_way_to_be_wrong_fails_its_behaviours_and_no_others(
    engines: list[OwnEngine], behaves: str
) -> None:
    trials = [trial for trial in NODE_TRIALS if trial.behaviour in TRIED]
    with stage_of(engines, behaves) as stage:
        found = list(try_all(trials, stage, Level.CLUSTER, PROFILE.claims))
    failed = {each.behaviour: each.reason for each in found if each.verdict is Verdict.FAILED}
    assert set(failed) == FAILED[behaves], failed
    assert {each.behaviour for each in found} == set(TRIED)
