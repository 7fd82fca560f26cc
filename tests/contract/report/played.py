"""A small suite without nodes, whose steps attach what real ones do.

What behave, the formatter and `evidence` write is real, so that the page is made from the same
files as after a run on nodes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.unit.report.test_formatter import behave

ROOT = Path(__file__).parents[3]

FAILOVER = """
@critical @allure.epic:The_promises
Feature: A volume outlives the node that has it

  Rule: With failover=auto nobody has to be called, whatever happens to the node that has the volume

    Scenario: Another node takes over
      Given node1 is lost
      Then another node takes over

    @power
    Scenario: The power may go at any moment
      Given node1 is lost

  Rule: A container's writes are on the other nodes within 2 seconds

    Scenario: The copies keep up
      Then the copies keep up

  @power
  Rule: A whale that was acknowledged is on disk

    Scenario Outline: <loser> loses its power
      Given <loser> is lost

      Examples:
        | loser |
        | node1 |
        | node2 |

  Rule: One node at a time writes to a volume

    Scenario: A second writer is refused
      Then it is broken
"""

WALKTHROUGH = """
@normal @demo @allure.epic:The_story
Feature: A web app moves to another server with its data

  Rule: A planned move takes nothing but Compose commands, and loses nothing

    Scenario: A visitor finds the same whales after the app has moved
      Given the app runs on node1
      When the app moves to node2
      Then the app shows its data on node2
"""

ENVIRONMENT = """
def before_scenario(context, scenario):
    if "power" in scenario.effective_tags:
        scenario.skip("these servers cannot be switched off")
"""

STEPS = """
import io

from behave import step
from PIL import Image, ImageDraw

from acceptance.app import gap_drawing, pictures
from acceptance.app.gap import CORRECT, Gap, Probe
from acceptance.base import evidence
from acceptance.base.command import Typed
from report import attachments
from report.figure import APP_STARTED, LAG, TAKEOVER

OLD, NEW = "172.16.78.250", "172.16.78.251"


def draw(node):
    sheet = Image.new("RGB", (1280, 800), "#bfe3f5")
    pen = ImageDraw.Draw(sheet)
    for x, y in ((200, 140), (420, 310), (700, 90), (930, 420), (1100, 200)):
        pen.ellipse((x - 40, y - 25, x + 40, y + 25), fill="#1d6fa5")
    pen.text((1200, 20), node, fill="black")
    png = io.BytesIO()
    sheet.save(png, "PNG")
    return png.getvalue()


def compose(node, command):
    typed = f"cd /vagrant/app && docker-compose {command}"
    evidence.typed(Typed("vagrant", node, typed, "done", 0, 0.4))


@step("the app runs on node1")
def run(context):
    compose("node1", "up -d")
    evidence.owners({}, {"demo": "node1"})
    evidence.picture("The page on node1", draw("node1"), attachments.PICTURE)


@step("the app moves to node2")
def move(context):
    compose("node1", "stop")
    compose("node2", "up -d")
    evidence.owners({"demo": "node1"}, {"demo": "node2"})


@step("the app shows its data on node2")
def show(context):
    asked = [(n / 10, OLD, CORRECT if n < 3 else "no connection") for n in range(14)]
    asked += [(n / 10, NEW, "no connection") for n in range(14, 31)] + [(3.1, NEW, CORRECT)]
    gap_drawing.attach(Gap(3.1, OLD, NEW, tuple(Probe(*each) for each in asked)))
    evidence.figure(APP_STARTED, measured=1.3, promised=5)
    before, after = draw("node1"), draw("node2")
    evidence.picture("The page on node2", after, attachments.PICTURE)
    pictures.side_by_side(before, after, ("The page on node1", "The page on node2"))


@step("another node takes over")
def take_over(context):
    evidence.figure(TAKEOVER, measured=14.2, promised=30)


@step("the copies keep up")
def keep_up(context):
    evidence.figure(LAG, measured=1.14, promised=2)


@step("it is broken")
def break_(context):
    assert False, "expected 'ledger' to be owned by node2, but it is not"


@step("{node} is lost")
def lose(context, node):
    pass
"""


def play(project: Path) -> Path:
    """Run the suite in a folder, configured as this repository is; return the folder."""
    features = project / "features"
    (features / "steps").mkdir(parents=True)
    (features / "failover.feature").write_text(FAILOVER)
    (features / "walkthrough.feature").write_text(WALKTHROUGH)
    (features / "environment.py").write_text(ENVIRONMENT)
    (features / "steps" / "steps.py").write_text(STEPS)
    shutil.copy(ROOT / "pyproject.toml", project)
    behave(project, "--junit", "--junit-directory", "build/junit")
    return project
