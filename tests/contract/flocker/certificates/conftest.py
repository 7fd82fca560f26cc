"""Certificates of two nodes, as the provisioning makes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ADDRESS = "127.0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a cluster of two nodes; nobody changes them."""
    folder = tmp_path_factory.mktemp("cluster") / "certs"
    make = [ROOT / "provision" / "certificates", folder, f"node1={ADDRESS}", f"node2={ADDRESS}"]
    subprocess.run(make, check=True, timeout=60)
    return folder


@pytest.fixture
def certs(made: Path, tmp_path: Path) -> Path:
    """A copy of them, of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "certs"))
