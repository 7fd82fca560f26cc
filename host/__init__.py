"""Preparation of this machine for nodes: packages, an engine, room, a free subnet.

Standard library only: this runs before anything is installed.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout this package was started from; clusters of other checkouts are not ours."""

BUILD = ROOT / "build"
LOGS = BUILD / "log"
