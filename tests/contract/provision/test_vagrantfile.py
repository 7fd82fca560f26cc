"""The Vagrantfile as Vagrant reads it, in a copy of the checkout with no nodes."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.machine.engine import own_engine

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    """Vagrant shows nothing of nodes that are containers while no engine answers."""
    with own_engine() as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", f"unix://{running.socket}")
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what Vagrant reads, where a path has blanks."""
    copy = tmp_path / "my check out"
    for folder in ("provision", "host", "flocker"):
        shutil.copytree(ROOT / folder, copy / folder)
    shutil.copy(ROOT / "Vagrantfile", copy)
    return copy


def vagrant(
    directory: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run(directory, ["vagrant", *arguments], environment)


def run(
    directory: Path, command: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items()
        if name not in ("NODES", "CEPH") and not name.startswith(("VAGRANT_", "DEMO_"))
    }  # fmt: skip
    return subprocess.run(
        command,
        cwd=directory, env={**inherited, **environment}, check=False, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip


def made_for(checkout: Path, nodes: int) -> None:
    """Leave what a cluster of that size has on the host."""
    pairs = [f"node{n}=172.16.78.{249 + n}" for n in range(1, nodes + 1)]
    for command in (
        ["provision/certificates", ".vagrant/certs", *pairs],
        ["provision/app-password", ".vagrant/certs/app"],
    ):
        subprocess.run(command, cwd=checkout, check=True, timeout=60)


@pytest.mark.parametrize(
    "provider",
    [
        "docker",
        pytest.param("libvirt", marks=[pytest.mark.vm, pytest.mark.sample]),  # with its plugin
        "virtualbox",
    ],
)
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


def test_a_cluster_has_ceph_from_its_start_or_never(checkout: Path) -> None:
    docker = {"VAGRANT_DEFAULT_PROVIDER": "docker"}
    assert image(checkout) == "volume-plugins-demo/node:latest"
    assert image(checkout, CEPH="yes") == "volume-plugins-demo/node-ceph:latest"
    made_for(checkout, 3)
    refused = vagrant(checkout, "status", CEPH="yes", **docker)
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "this cluster was made without Ceph; run `vagrant destroy -f` before CEPH=yes"
    )
    keys = ["provision/ceph-keys", ".vagrant/certs/ceph", "node1=172.16.78.250"]
    subprocess.run(keys, cwd=checkout, check=True, timeout=60)
    assert image(checkout) == "volume-plugins-demo/node-ceph:latest"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CEPH": "no"}, "CEPH must be yes or nothing, not 'no'"),
        (
            {"CEPH": "yes", "NODES": "2"},
            "CEPH=yes needs three nodes that are containers: NODES=3, PROVIDER=docker",
        ),
    ],
)
def test_a_ceph_that_cannot_be_is_refused_in_one_line(
    checkout: Path, environment: dict[str, str], said: str
) -> None:
    done = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="docker", **environment)
    assert (done.returncode, done.stderr.strip()) == (1, said)


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


def test_another_provider_is_refused_in_one_line(checkout: Path) -> None:
    done = vagrant(checkout, "status", VAGRANT_DEFAULT_PROVIDER="vmware")
    assert done.returncode == 1
    assert done.stderr == "there is no provider 'vmware'; choose docker, libvirt or virtualbox\n"


# What Vagrant makes of the Vagrantfile for node1 with a provider, of the settings it shows nowhere.
SETTINGS = """
require "json"
require "vagrant"

provider = ENV.fetch("VAGRANT_DEFAULT_PROVIDER").to_sym
environment = Vagrant::Environment.new
read = environment.vagrantfile.machine_config(:node1, provider, environment.boxes, nil, false)
vm = read[:config].vm
machine = vm.get_provider_config(provider)
emulation = provider == :libvirt ? { cpu_mode: machine.cpu_mode, driver: machine.driver } : {}
network = vm.networks.map(&:last).find { |options| options[:ip] }
puts JSON.dump({
  box: vm.box, url: vm.box_url, cpus: (machine.cpus if provider != :docker),
  image: (machine.image if provider == :docker),
  hostname: vm.hostname, auto_config: network[:auto_config], **emulation
})
"""


def settings(checkout: Path, provider: str, **environment: str) -> dict[str, object]:
    """See SETTINGS; Vagrant's own home is empty unless VAGRANT_HOME names another."""
    home = {"VAGRANT_HOME": str(checkout / "home")}
    done = run(
        checkout, ["ruby", "-e", SETTINGS],
        {**home, **environment, "VAGRANT_DEFAULT_PROVIDER": provider},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def image(checkout: Path, **environment: str) -> object:
    return settings(checkout, "docker", **environment)["image"]


def add_box(home: Path, name: str, provider: str) -> None:
    """Leave what Vagrant has of a box that was added, but for its disk."""
    folder = home / "boxes" / name.replace("/", "-VAGRANTSLASH-") / "0" / provider
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(f'{{"provider": "{provider}"}}')


@pytest.mark.vm
def test_a_machine_starts_from_our_box_if_it_was_added_else_from_a_public_one(
    checkout: Path, tmp_path: Path
) -> None:
    assert settings(checkout, "libvirt")["box"] == "debian/trixie64"
    assert settings(checkout, "virtualbox")["box"] == "bento/debian-13"
    add_box(tmp_path, "volume-plugins-demo/node", "libvirt")
    home = str(tmp_path)
    assert settings(checkout, "libvirt", VAGRANT_HOME=home)["box"] == "volume-plugins-demo/node"
    assert settings(checkout, "virtualbox", VAGRANT_HOME=home)["box"] == "bento/debian-13"


@pytest.mark.vm
def test_vagrant_names_and_addresses_machines_of_other_boxes_only(
    checkout: Path, tmp_path: Path
) -> None:
    found = settings(checkout, "libvirt")
    assert (found["hostname"], found["auto_config"]) == ("node1", True)
    add_box(tmp_path, "volume-plugins-demo/node", "libvirt")
    found = settings(checkout, "libvirt", VAGRANT_HOME=str(tmp_path))
    assert (found["hostname"], found["auto_config"]) == (None, False)
    assert settings(checkout, "docker")["hostname"] == "node1"


@pytest.mark.vm
def test_a_box_that_was_named_is_taken(checkout: Path) -> None:
    named = {"DEMO_BOX": "me/node", "DEMO_BOX_URL": "https://example.com/node.box"}
    found = settings(checkout, "libvirt", **named)
    assert found["box"] == "me/node"
    assert "https://example.com/node.box" in str(found["url"])


@pytest.mark.vm
@pytest.mark.parametrize(
    ("works", "expected"),
    [
        ("true", {"cpus": 2, "cpu_mode": "host-passthrough", "driver": "kvm"}),
        ("false", {"cpus": 1, "cpu_mode": "maximum", "driver": "qemu"}),
    ],
)
def test_a_machine_is_emulated_only_where_kvm_does_not_work(
    checkout: Path, works: str, expected: dict[str, object]
) -> None:
    (checkout / "provision" / "kvm-works").write_text(f"#!/bin/sh\n{works}\n")
    assert settings(checkout, "libvirt").items() >= expected.items()


@pytest.mark.vm
def test_the_box_of_another_provider_is_refused_in_one_line(checkout: Path, tmp_path: Path) -> None:
    add_box(tmp_path, "me/node", "virtualbox")
    done = vagrant(
        checkout, "up", "node1", "--provider=libvirt",
        VAGRANT_DEFAULT_PROVIDER="libvirt", VAGRANT_HOME=str(tmp_path), DEMO_BOX="me/node",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "the box 'me/node' was added for virtualbox, not for libvirt; "
        "add one for libvirt, or name it by DEMO_BOX"
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


def log_in_to_node2(checkout: Path, network: str) -> tuple[float, str]:
    """Type `vagrant ssh` on a machine with a network of its own; return seconds and errors.

    Vagrant has a note of the node; whether the node runs is the engine's to know.
    """
    made_for(checkout, 3)
    note = checkout / ".vagrant" / "machines" / "node2" / "docker" / "id"
    note.parent.mkdir(parents=True)
    note.write_text("0" * 64)
    started = time.monotonic()
    done = run(
        checkout,
        ["unshare", "--net", "bash", "-c", f"{network} exec vagrant ssh node2 -c true"],
        {"VAGRANT_DEFAULT_PROVIDER": "docker"},
    )
    assert done.returncode != 0
    return time.monotonic() - started, done.stderr


def test_a_node_that_does_not_answer_is_named_soon(checkout: Path) -> None:
    swallows_everything = (
        "ip link add nodes type veth peer nobody && ip link set nobody up && ip link set nodes up"
        " && ip address add 172.16.78.1/24 dev nodes"
        " && ip neighbour add 172.16.78.251 lladdr 02:00:00:00:00:01 dev nodes &&"
    )
    seconds, said = log_in_to_node2(checkout, swallows_everything)
    assert said.startswith("node2 does not answer at 172.16.78.251 ("), said
    assert "`vagrant reload node2`" in said
    assert 10 <= seconds < 40


def test_nobody_is_asked_for_a_node_without_the_nodes_network(checkout: Path) -> None:
    _, said = log_in_to_node2(checkout, "")
    assert "does not answer" not in said
