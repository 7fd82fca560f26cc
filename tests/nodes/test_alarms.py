"""The walkthrough goes red when what it promises is broken on purpose, and says what was seen.

Each test runs the README's scenario on the real nodes with one act of sabotage between its steps.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIO = "A visitor finds the same whales after the app has moved, with docker-compose"

pytestmark = pytest.mark.nodes

SABOTAGE_STEPS = """
import subprocess

from behave import when

from host import ROOT


@when('somebody types on "{node}"')
def type_unseen(context, node):
    context.cluster.node(node).run(context.text)


@when('"{node}" is switched off')
def switch_off(context, node):
    subprocess.run(["vagrant", "halt", node], cwd=ROOT, check=True, capture_output=True)
"""


def typed(node: str, command: str) -> str:
    """A step that types a command without anyone looking."""
    return f'      When somebody types on "{node}"\n        """\n        {command}\n        """'


Run = Callable[[str, str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run_with(tmp_path: Path) -> Run:
    """Runs the scenario with a step put in before the first line that holds a text."""

    def run(before: str, step: str) -> subprocess.CompletedProcess[str]:
        features = tmp_path / "features"
        shutil.copytree(ROOT / "features", features)
        shutil.copy(ROOT / "environment.py", tmp_path)
        (features / "steps" / "sabotage_steps.py").write_text(SABOTAGE_STEPS)
        walkthrough = features / "walkthrough.feature"
        lines = walkthrough.read_text().splitlines()
        # The scenario of the move is the first one that stops the app.
        place = next(
            number
            for number, line in enumerate(lines)
            if before in line and any("compose> stop" in above for above in lines[:number])
        )
        lines[place:place] = step.splitlines()
        walkthrough.write_text("\n".join(lines))
        # Not in the repository's folder: the run's own results are to be kept.
        return subprocess.run(
            [
                *(sys.executable, "-m", "behave", "--no-color", "--name", SCENARIO, "features"),
                *("--format", "plain", "--format", "report.formatter:LivingFormatter"),
                *("--outfile", "/dev/stdout", "--outfile", str(tmp_path / "results")),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def evidence_in(results: Path) -> dict[str, str]:
    """Name -> text of what the one scenario left in its Allure results."""
    [scenario] = [json.loads(path.read_text()) for path in results.glob("*-result.json")]
    return {
        attached["name"]: (results / attached["source"]).read_text(errors="replace")
        for attached in scenario["attachments"]
    }


@pytest.fixture
def node2_back() -> Iterator[None]:
    """Switch node2 on again."""
    yield
    subprocess.run(["vagrant", "up", "node2"], cwd=ROOT, check=True, capture_output=True)


def test_it_is_green_when_nothing_is_broken(run_with: Run) -> None:
    """Otherwise the tests below would show nothing."""
    done = run_with('the operator types on "node2"', typed("node1", "true"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_volume_is_noticed(run_with: Run, tmp_path: Path) -> None:
    emptied = typed("node1", "sudo find /var/lib/flocker/volumes -path '*/live/*' -delete")
    done = run_with('the operator types on "node2"', emptied)
    assert done.returncode != 0, done.stdout
    assert "no correct answer from 172.16.78.251" in done.stdout, done.stdout
    assert "wrong whales: []" in done.stdout, done.stdout
    kept = evidence_in(tmp_path / "results")
    for node in ("node1", "node2"):
        assert "flocker" in kept[f"{node} journal"]
    assert "Ready to accept connections" in kept["node2 container app-redis-1"]
    assert '"owner":"node2"' in kept["node1 etcd"]


def test_a_whale_that_is_missing_is_noticed(run_with: Run) -> None:
    client = 'REDISCLI_AUTH=$(cut -d" " -f2 /run/secrets/redis.conf) redis-cli'
    dropped = typed("node2", f"docker exec app-redis-1 sh -c '{client} rpop whales'")
    done = run_with('the visitor opens the app on "node2"', dropped)
    assert done.returncode != 0, done.stdout
    wanted = "waited 5 s for [200:140, 420:310, 700:90, 930:420, 1100:200]"
    assert wanted in done.stdout, done.stdout
    assert "last seen: [200:140, 420:310, 700:90, 930:420]" in done.stdout, done.stdout


@pytest.mark.usefixtures("node2_back")
def test_a_node_that_is_down_is_noticed(run_with: Run) -> None:
    off = '      When "node2" is switched off'
    done = run_with('the operator types on "node2"', off)
    assert done.returncode != 0, done.stdout
    assert "node2 does not answer at 172.16.78.251" in done.stdout, done.stdout
