"""The repository's own features, played: no nodes, and steps that only attach what real ones do.

What behave, the formatter and `evidence` write is real, so that the page is made from the same
files as after a run on nodes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.unit.report.test_formatter import behave

ROOT = Path(__file__).parents[3]

ENVIRONMENT = """
def before_scenario(context, scenario):
    context.pictures = 0
    if "vm" in scenario.effective_tags:
        scenario.skip("a power cut would lose nothing here")
"""

STEPS = """
import io
import re

from behave import step
from PIL import Image, ImageDraw

from acceptance.app import gap_drawing, pictures
from acceptance.app.gap import CORRECT, Gap, Probe
from acceptance.base import evidence
from acceptance.base.command import Typed
from report import attachments
from report.figure import APP_STARTED, LAG, TAKEOVER

OLD, NEW = "172.16.78.250", "172.16.78.251"
SEEN = {}


def draw(node):
    sheet = Image.new("RGB", (1280, 800), "#bfe3f5")
    pen = ImageDraw.Draw(sheet)
    for x, y in ((200, 140), (420, 310), (700, 90), (930, 420), (1100, 200)):
        pen.ellipse((x - 40, y - 25, x + 40, y + 25), fill="#1d6fa5")
    pen.text((20, 760), node, fill="#22313f")
    png = io.BytesIO()
    sheet.save(png, "PNG")
    return png.getvalue()


def move():
    asked = [(n / 10, OLD, CORRECT if n < 3 else "no connection") for n in range(14)]
    asked += [(n / 10, NEW, "no connection") for n in range(14, 31)] + [(3.1, NEW, CORRECT)]
    return Gap(3.1, OLD, NEW, tuple(Probe(*each) for each in asked))


@step("{anything}")
def play(context, anything):
    node = (re.findall(r'"(node\\d)"', anything) or ["node1"])[0]
    if context.text and "type" in anything:
        evidence.typed(Typed("vagrant", node, context.text, "done", 0, 0.4))
        if "up -d" in context.text or "docker run" in context.text:
            before = SEEN.get("demo", "-")
            SEEN["demo"] = node
            evidence.owners({"demo": before}, {"demo": node})
    if "whale" in anything and "sees" in anything:
        context.pictures += 1
        title, png = f"The page on {node}", draw(node)
        evidence.picture(title, png, attachments.PICTURE)
        if context.pictures == 2:
            pictures.side_by_side(draw("node1"), png, ("The page on node1", title))
    if "shows its data" in anything:
        gap_drawing.attach(move())
        evidence.figure(APP_STARTED, measured=1.3, promised=5)
    if found := re.search(r"another node owns .* within (\\d+) seconds", anything):
        evidence.figure(TAKEOVER, measured=14.2, promised=float(found[1]))
    if "seconds behind" in anything:
        evidence.figure(LAG, measured=1.14, promised=2)
    assert "BROKEN" not in anything, "expected 'ledger' to be owned by node2, but it is not"
"""


def play(project: Path, *options: str) -> Path:
    """Run the features in a folder with this repository's configuration; return the folder."""
    features = project / "features"
    if not features.exists():
        (features / "steps").mkdir(parents=True)
        for feature in (ROOT / "features").glob("*.feature"):
            shutil.copy(feature, features)
        shutil.copy(ROOT / "pyproject.toml", project)
        (features / "environment.py").write_text(ENVIRONMENT)
        (features / "steps" / "steps.py").write_text(STEPS)
    behave(project, "--junit", "--junit-directory", "build/junit", *options)
    return project
