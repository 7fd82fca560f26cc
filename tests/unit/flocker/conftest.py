from pathlib import Path

import pytest

from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)
