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
    """A copy of what Vagrant reads, where a path has blanks."""
    copy = tmp_path / "my check out"
    shutil.copytree(ROOT / "provision", copy / "provision")
    shutil.copy(ROOT / "Vagrantfile", copy)
    return copy


def vagrant(
    directory: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items()
        if name != "NODES" and not name.startswith("VAGRANT_")
    }  # fmt: skip
    return subprocess.run(
        ["vagrant", *arguments],
        cwd=directory, env={**inherited, **environment}, check=False, timeout=120,
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
        "this cluster was made with NODES=2; run `NODES=2 vagrant destroy -f` before NODES=3"
    )


def test_the_advice_for_another_size_works_also_before_a_node_exists(checkout: Path) -> None:
    made_for(checkout, 2)
    destroyed = vagrant(checkout, "destroy", "-f", VAGRANT_DEFAULT_PROVIDER="docker", NODES="2")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    other = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="docker", NODES="3")
    assert other.returncode == 0, other.stderr


@pytest.mark.parametrize("nodes", ["2", "3"])
def test_an_interrupted_making_of_certificates_decides_nothing(checkout: Path, nodes: str) -> None:
    (checkout / ".vagrant" / "certs" / "node1").mkdir(parents=True)
    done = vagrant(
        checkout, "status", "--machine-readable", VAGRANT_DEFAULT_PROVIDER="docker", NODES=nodes
    )
    assert len(node_names(done)) == int(nodes), done.stderr


def test_what_runs_on_the_host_runs_from_any_directory_and_fails_in_one_line(
    checkout: Path,
) -> None:
    """The checkout has no `box` to build images with, so `up` ends before it makes a node."""
    below = checkout / "provision" / "units"
    done = vagrant(below, "up", "node1", "--provider=docker", VAGRANT_DEFAULT_PROVIDER="docker")
    assert done.returncode == 1
    assert (checkout / ".vagrant" / "certs" / "size").read_text() == "3\n"
    assert done.stderr.splitlines()[-1] == (
        "`python3 -m box images` failed; what it printed says why"
    )


def test_a_provider_without_its_box_is_not_chosen(checkout: Path, tmp_path: Path) -> None:
    chosen = vagrant(checkout, "status", "--machine-readable", VAGRANT_HOME=str(tmp_path / "home"))
    providers = {
        fields[3] for line in chosen.stdout.splitlines()
        if (fields := line.split(","))[2] == "provider-name"
    }  # fmt: skip
    assert providers == {"docker"}, chosen.stderr


@pytest.mark.parametrize("nodes", ["0", "1", "4", "many", ""])
def test_other_numbers_of_nodes_are_refused_in_one_line(checkout: Path, nodes: str) -> None:
    done = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="docker", NODES=nodes)
    assert done.returncode == 1
    assert done.stderr.strip() == f"NODES must be 2 or 3, not '{nodes}'"
