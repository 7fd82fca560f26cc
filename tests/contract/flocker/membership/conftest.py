"""Certificates of three nodes, as the provisioning makes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flocker.base.config import Certificates, Config

ROOT = Path(__file__).parents[4]
ADDRESS = "127.0.0.1"
NODES = ("node1", "node2", "node3")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a cluster of three nodes; nobody changes them."""
    folder = tmp_path_factory.mktemp("cluster") / "certs"
    make(folder)
    return folder


@pytest.fixture
def certs(made: Path, tmp_path: Path) -> Path:
    """A copy of them, of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "certs"))


def make(certs: Path) -> None:
    """Make what is missing of the certificates."""
    nodes = [f"{node}={ADDRESS}" for node in NODES]
    subprocess.run([ROOT / "provision" / "certificates", certs, *nodes], check=True, timeout=60)


def of_node1(certs: Path) -> Config:
    folder = certs / "node1"
    return Config(
        "node1", ADDRESS, [], Certificates.within(folder), member_certificates=folder / "member"
    )
