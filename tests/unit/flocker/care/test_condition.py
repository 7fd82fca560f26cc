"""The problems of a node are those of all its parts."""

from __future__ import annotations

import pytest

from flocker.api.metrics import health
from tests.unit.flocker.borders import WatchfulGuard
from tests.unit.flocker.cluster import MemoryCluster


def test_what_is_wrong_with_the_fence_is_in_the_nodes_health(
    demo: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = demo["node1"]
    monkeypatch.setattr(WatchfulGuard, "problems", lambda _: ["flocker-fence does not watch"])
    node1.start()
    status = node1.operations.overview.status()
    assert status["problems"] == ["flocker-fence does not watch"]
    assert health(status)[0] == 503
