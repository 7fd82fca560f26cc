"""Kinds of attachments that the report reads again; everything else is only shown.

Allure keeps the extension of an attachment in its file's name, so the extension is where a kind
survives from the suite to the page.
"""

from __future__ import annotations

FIGURE = "figure.json"
PICTURE = "look.png"
MOVE = "move.png"
GAP = "gap.csv"
OWNERS = "owners.csv"

CORRECT = "correct"
"""The outcome of a question to the app, in a table of kind GAP, when its data was all there."""
