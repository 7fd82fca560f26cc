"""The walkthrough goes red when what it promises is broken on purpose, and says what was seen.

One run on the real nodes plays the README's scenario several times, each time with one act of
sabotage between its steps.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIO = "A visitor finds the same whales after the app has moved, with docker-compose"
RUN_SECONDS = 600

pytestmark = pytest.mark.nodes

SABOTAGE_STEPS = """
from behave import when


@when('somebody types on "{node}"')
def type_unseen(context, node):
    context.cluster.node(node).run(context.text)


@when('"{node}" is switched off')
def switch_off(context, node):
    context.faults.power_off(context.cluster.node(node))
"""


@dataclass(frozen=True)
class Sabotage:
    """A step, and a text in the line of the scenario before which it is put."""

    before: str
    step: str


def typed(node: str, command: str) -> str:
    """A step that types a command without anyone looking."""
    return f'      When somebody types on "{node}"\n        """\n        {command}\n        """'


REDIS = 'REDISCLI_AUTH=$(cut -d" " -f2 /run/secrets/redis.conf) redis-cli'
NOTHING = "nothing is broken"
EMPTIED = "the volume is emptied"
DROPPED = "a whale is dropped"
OFF = "node2 is off"
SABOTAGE = {
    NOTHING: Sabotage('the operator types on "node2"', typed("node1", "true")),
    EMPTIED: Sabotage(
        'the operator types on "node2"',
        typed("node1", "sudo find /var/lib/flocker/volumes -path '*/live/*' -delete"),
    ),
    DROPPED: Sabotage(
        'the visitor opens the app on "node2"',
        typed("node2", f"docker exec app-redis-1 sh -c '{REDIS} rpop whales'"),
    ),
    OFF: Sabotage('the operator types on "node2"', '      When "node2" is switched off'),
}


@dataclass(frozen=True)
class Played:
    """How the scenario ended.

    `verdict` is Allure's, `printed` is behave's output, and `kept` is name -> text of what the
    scenario left.
    """

    verdict: str
    printed: str
    kept: dict[str, str]


def write_feature(name: str, sabotage: Sabotage, file: Path) -> None:
    """Write the walkthrough with the act of sabotage in its scenario, as a feature of that name."""
    lines = (ROOT / "features" / "walkthrough.feature").read_text().splitlines()
    # The scenario of the move is the first one that stops the app.
    place = next(
        number
        for number, line in enumerate(lines)
        if sabotage.before in line and any("compose> stop" in above for above in lines[:number])
    )
    lines[place:place] = sabotage.step.splitlines()
    titled = [f"Feature: {name}" if line.startswith("Feature:") else line for line in lines]
    file.write_text("\n".join(titled))


def play(folder: Path) -> subprocess.CompletedProcess[str]:
    """Play the scenario with each act of sabotage; the repository's own results are kept."""
    features = folder / "features"
    shutil.copytree(ROOT / "features" / "steps", features / "steps")
    shutil.copy(ROOT / "features" / "environment.py", features)
    shutil.copy(ROOT / "environment.py", folder)
    (features / "steps" / "sabotage_steps.py").write_text(SABOTAGE_STEPS)
    files = [features / f"{number}.feature" for number in range(len(SABOTAGE))]
    for file, (name, sabotage) in zip(files, SABOTAGE.items(), strict=True):
        write_feature(name, sabotage, file)
    return subprocess.run(
        [
            *(sys.executable, "-m", "behave", "--no-color", "--name", SCENARIO),
            *("--format", "plain", "--format", "report.formatter:LivingFormatter"),
            *("--outfile", "/dev/stdout", "--outfile", str(folder / "results")),
            *map(str, files),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def read_results(folder: Path, stdout: str) -> dict[str, Played]:
    """The results that the run left, by the act of sabotage."""
    printed = {part.partition("\n")[0]: part for part in stdout.split("Feature: ")[1:]}
    played = {}
    for file in folder.glob("*-result.json"):
        result = json.loads(file.read_text())
        [name] = [label["value"] for label in result["labels"] if label["name"] == "feature"]
        kept = {
            attached["name"]: (folder / attached["source"]).read_text(errors="replace")
            for attached in result.get("attachments", [])
        }
        played[name] = Played(result["status"], printed[name], kept)
    return played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """How the scenario ended with each act of sabotage; the run has healed what it broke."""
    folder = tmp_path_factory.mktemp("alarms")
    done = play(folder)
    assert done.returncode != 0, done.stdout
    found = read_results(folder / "results", done.stdout)
    assert found.keys() == SABOTAGE.keys(), done.stdout + done.stderr
    return found


def test_it_is_green_when_nothing_is_broken(played: dict[str, Played]) -> None:
    """Otherwise the tests below would show nothing."""
    unbroken = played[NOTHING]
    assert unbroken.verdict == "passed", unbroken.printed


def test_an_empty_volume_is_noticed(played: dict[str, Played]) -> None:
    emptied = played[EMPTIED]
    assert emptied.verdict == "failed", emptied.printed
    assert "no correct answer from 172.16.78.251" in emptied.printed, emptied.printed
    assert "wrong whales: []" in emptied.printed, emptied.printed
    for node in ("node1", "node2"):
        assert "flocker" in emptied.kept[f"{node} journal"]
    assert "Ready to accept connections" in emptied.kept["node2 container app-redis-1"]
    assert '"owner":"node2"' in emptied.kept["node1 etcd"]


def test_a_whale_that_is_missing_is_noticed(played: dict[str, Played]) -> None:
    dropped = played[DROPPED]
    assert dropped.verdict == "failed", dropped.printed
    wanted = "waited 5 s for [200:140, 420:310, 700:90, 930:420, 1100:200]"
    assert wanted in dropped.printed, dropped.printed
    seen = "last seen: [200:140, 420:310, 700:90, 930:420]"
    assert seen in dropped.printed, dropped.printed


def test_a_node_that_is_down_is_noticed(played: dict[str, Played]) -> None:
    off = played[OFF]
    assert off.verdict == "broken", off.printed
    assert "node2 does not answer at 172.16.78.251" in off.printed, off.printed
