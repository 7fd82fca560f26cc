"""The Vagrantfile as Vagrant reads it, in a copy of the checkout with no nodes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.contract


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what Vagrant reads."""
    shutil.copy(ROOT / "Vagrantfile", tmp_path)
    shutil.copytree(ROOT / "provision", tmp_path / "provision")
    return tmp_path


def vagrant(
    checkout: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items()
        if name != "NODES" and not name.startswith("VAGRANT_")
    }  # fmt: skip
    return subprocess.run(
        ["vagrant", *arguments],
        cwd=checkout, env={**inherited, **environment}, check=False, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip


def made_for(checkout: Path, nodes: int) -> None:
    """Leave what a cluster of that size has on the host."""
    pairs = [f"node{n}=172.16.78.{249 + n}" for n in range(1, nodes + 1)]
    subprocess.run(
        ["provision/certificates", ".vagrant/certs", *pairs], cwd=checkout, check=True, timeout=60
    )


@pytest.mark.parametrize("provider", ["docker", "libvirt", "virtualbox"])
def test_each_providers_configuration_is_valid(checkout: Path, provider: str) -> None:
    made_for(checkout, 3)
    done = vagrant(checkout, "validate", "--ignore-provider", VAGRANT_DEFAULT_PROVIDER=provider)
    assert done.returncode == 0, done.stdout + done.stderr


def node_names(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = [line.split(",") for line in done.stdout.splitlines()]
    return sorted({fields[1] for fields in lines if fields[1]})


def test_there_are_three_nodes_unless_two_are_asked_for(checkout: Path) -> None:
    three = vagrant(checkout, "status", "--machine-readable", VAGRANT_DEFAULT_PROVIDER="docker")
    two = vagrant(
        checkout, "status", "--machine-readable", VAGRANT_DEFAULT_PROVIDER="docker", NODES="2"
    )
    assert node_names(three) == ["node1", "node2", "node3"], three.stderr
    assert node_names(two) == ["node1", "node2"], two.stderr


def test_a_cluster_keeps_the_size_it_was_made_with(checkout: Path) -> None:
    made_for(checkout, 2)
    kept = vagrant(checkout, "status", "--machine-readable", VAGRANT_DEFAULT_PROVIDER="docker")
    assert node_names(kept) == ["node1", "node2"], kept.stderr
    other = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="docker", NODES="3")
    assert other.returncode == 1
    assert other.stderr.strip() == (
        "this cluster was made with NODES=2; run `vagrant destroy -f` before NODES=3"
    )


@pytest.mark.parametrize("nodes", ["0", "1", "4", "many", ""])
def test_other_numbers_of_nodes_are_refused_in_one_line(checkout: Path, nodes: str) -> None:
    done = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="docker", NODES=nodes)
    assert done.returncode == 1
    assert done.stderr.strip() == f"NODES must be 2 or 3, not '{nodes}'"
