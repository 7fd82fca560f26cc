"""Parts that tests on nodes share."""

from __future__ import annotations

from pathlib import Path

import pytest

MACHINES = Path(__file__).parents[2] / ".vagrant" / "machines"


def need_container(node: str) -> None:
    """Leave out a test that enters a node from outside, unless this cluster has it as a container.

    One that should be up and is not is no reason: the test fails then.
    """
    if not (MACHINES / node / "docker" / "id").exists():
        pytest.skip(f"this cluster has no {node} that is a container")
