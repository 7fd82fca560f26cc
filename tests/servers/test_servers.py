"""The demo on plain servers: what is wrong with them is said first, then it is shown on them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from host import ROOT
from tests.servers.conftest import Site
from tests.servers.machines import USER, Server

NOBODY = "172.16.79.99"  # on the servers' own network, and no server
BAD_CERTIFICATE = 56  # of curl: the other side closed the connection, saying why
RESULTS = ROOT / "build" / "allure-results"

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def mixed(new_site: Callable[..., Site]) -> Site:
    """Three servers: Debian 12, 13 and 12."""
    return new_site("12", "13", "12")


def problems(site: Site) -> list[str]:
    """What is wrong, a line each; nothing may have been changed for it."""
    done = site.up()
    assert done.returncode == 1, done.stdout
    for server in site.servers:
        left = server.run("ls -d /vagrant/provision /etc/volume-plugins-demo", check=False)
        assert left.stdout == "", left.stdout
    return [line for line in done.stdout.splitlines() if line.startswith("node")]


Mistake = tuple[str, str, str]

MISTAKES: tuple[Mistake, ...] = (
    (
        "echo '{}' >/etc/docker/daemon.json",
        "rm /etc/docker/daemon.json",
        "has an /etc/docker/daemon.json of its own",
    ),
    ("touch /vagrant/mine", "rm /vagrant/mine", "has something else in /vagrant"),
    (
        "systemd-run --unit=squatter systemd-socket-activate -l 2379 /bin/cat;"
        " timeout 10 sh -c 'until ss -Hltn | grep -q :2379; do sleep 0.1; done'",
        "systemctl stop squatter",
        "port 2379 (for etcd) is taken by systemd-socket-",
    ),
    (
        "grep -v btrfs /proc/filesystems >/run/filesystems;"
        " mount --bind /run/filesystems /proc/filesystems",
        "umount /proc/filesystems",
        "has a kernel without btrfs",
    ),
    (
        "echo ID=fedora >/run/os-release; mount --bind /run/os-release /etc/os-release",
        "umount /etc/os-release",
        "runs fedora, not Debian 12 or Debian 13 or Ubuntu 24.04",
    ),
    (
        f"echo '{USER} ALL=(ALL) ALL' >/etc/sudoers.d/{USER}",
        f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}",
        f"{USER} must be allowed to use sudo without a password",
    ),
    (
        f"mv /home/{USER}/.ssh/authorized_keys /run",
        f"mv /run/authorized_keys /home/{USER}/.ssh",
        f"does not let {USER} in",
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[2])
def test_what_is_wrong_with_a_server_is_one_line_before_anything_changes(
    mixed: Site, mistake: Mistake
) -> None:
    make, mend, said = mistake
    second = mixed.servers[1]
    second.run("mkdir -p /etc/docker /vagrant")
    second.run(make)
    try:
        [line] = problems(mixed)
    finally:
        second.run(f"{mend}; rm -d /vagrant")
    assert line.startswith(f"node2: {second.address} {said}"), line


@pytest.fixture
def inventory_back(mixed: Site) -> Iterator[None]:
    """What the person with the servers has written down is right again afterwards."""
    yield
    mixed.know(mixed.servers)
    mixed.describe([server.address for server in mixed.servers])


@pytest.mark.usefixtures("inventory_back")
def test_everything_that_is_wrong_anywhere_is_said_at_once(mixed: Site) -> None:
    first, second, _ = mixed.servers
    mixed.describe([first.address, second.address, NOBODY])
    mixed.known_hosts.write_text(f"{first.address} {second.known_host().partition(' ')[2]}")
    lines = problems(mixed)
    assert [line.split(":")[0] for line in lines] == ["node1", "node2", "node3"], lines
    assert "shows another host key" in lines[0], lines
    assert "has a host key that ~/.ssh/known_hosts does not know" in lines[1], lines
    assert f"{NOBODY} does not answer at port 22" in lines[2], lines


@pytest.mark.usefixtures("inventory_back")
def test_a_mistake_in_the_inventory_is_one_line(mixed: Site) -> None:
    mixed.describe([server.address for server in mixed.servers[:1]])
    done = mixed.up()
    assert done.returncode == 1
    assert done.stdout == f"{mixed.inventory}: nodes: expected node1, node2, not node1\n"


def test_the_demo_runs_on_debian_12_and_13_together(mixed: Site) -> None:
    done = mixed.behave("@demo")
    assert done.returncode == 0, done.stdout
    assert skipped() == {
        "The nodes are started, and anyone can log in": "these nodes were not made by Vagrant",
        "A visitor finds the same whales after the app has moved, with docker compose": (
            "a node's Docker has no `docker compose`, only docker-compose"
        ),
    }


def skipped() -> dict[str, str]:
    """Scenario -> why it was skipped, in the report."""
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*-result.json")]
    return {
        result["name"]: result["statusDetails"]["message"]
        for result in results
        if result["status"] == "skipped"
    }


def processes(server: Server) -> str:
    """The process ids of what runs on a node."""
    return server.run(
        "systemctl show --property=MainPID --value docker etcd flocker flocker-fence"
    ).stdout


def test_what_is_up_to_date_is_left_alone(mixed: Site) -> None:
    before = [processes(server) for server in mixed.servers]
    done = mixed.up()
    assert done.returncode == 0, done.stdout
    assert [processes(server) for server in mixed.servers] == before


def test_scenarios_remove_nothing_that_is_not_theirs(mixed: Site) -> None:
    assert mixed.down().returncode == 0
    first = mixed.servers[0]
    assert first.run("docker ps --all --quiet; docker volume ls --quiet").stdout == ""
    first.run(
        "docker run --detach --name shop --volume-driver flocker -v orders:/data busybox true"
    )
    try:
        done = mixed.behave("@demo")
        assert done.returncode != 0
        assert (
            f"node1: {first.address} has containers shop and volumes orders, "
            "and scenarios remove every container and volume" in done.stdout
        ), done.stdout
        assert first.run("docker ps --all --format={{.Names}}").stdout == "shop\n"
        assert mixed.down().returncode == 0  # nothing here is the scenarios'
        assert first.run("docker volume ls --quiet").stdout == "orders\n"
        assert mixed.up().returncode == 0  # an upgrade is welcome
    finally:
        first.run("docker rm shop && docker volume rm orders")


def test_a_server_stays_in_its_cluster(mixed: Site) -> None:
    keys = mixed.inventory.with_suffix(".certs")
    elsewhere = keys.rename(keys.with_suffix(".away"))
    try:
        done = mixed.up()
    finally:
        elsewhere.rename(keys)
    assert done.returncode == 1
    for number, server in enumerate(mixed.servers, 1):
        line = f"node{number}: {server.address} is node{number} of another cluster already"
        assert line in done.stdout, done.stdout


def test_authorities_change_while_containers_run_and_volumes_move(
    mixed: Site, tmp_path: Path
) -> None:
    assert mixed.up().returncode == 0
    first = mixed.servers[0]
    keys = mixed.inventory.with_suffix(".certs")
    before = shutil.copytree(keys / "operator", tmp_path / "operator")
    first.run(
        "docker volume create -d flocker -o failover=auto stock;"
        "docker run --detach --name shop -v stock:/data busybox sleep 9999"
    )
    shop = "docker inspect --format='{{.State.StartedAt}} {{.State.Running}}' shop"
    running = first.run(shop).stdout
    count = "wc -l < /data/steps"
    for step in (1, 2, 3):
        done = subprocess.run(
            [ROOT / "provision" / "certificates", keys, "--change-authorities"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.startswith(f"step {step} of 3"), done.stdout
        done = mixed.up()
        assert done.returncode == 0, done.stdout
        found = mixed.servers[step % 3].run(
            "docker run --rm --volume-driver flocker -v ledger:/data busybox "
            f"sh -c 'echo step >> /data/steps; {count}'"
        )
        assert found.stdout == f"{step}\n"
    assert first.run(shop).stdout == running
    first.run("docker rm --force shop; docker volume rm stock ledger")
    assert health(first, keys / "operator").returncode == 0
    assert health(first, before, trusted=keys / "operator").returncode == BAD_CERTIFICATE


def health(
    server: Server, caller: Path, trusted: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Ask a driver with the certificate of a caller."""
    return subprocess.run(
        [
            *("curl", "--silent", "--max-time", "10", "--cacert", (trusted or caller) / "ca.pem"),
            *("--cert", caller / "cert.pem", "--key", caller / "key.pem"),
            f"https://{server.address}:4523/health",
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def members(server: Server) -> list[str]:
    """The addresses of etcd's members that have joined."""
    certs = "/etc/flocker/certs/etcd"
    listed = server.run(
        "etcdctl --endpoints=https://127.0.0.1:2379"
        f" --cacert={certs}/ca.pem --cert={certs}/cert.pem --key={certs}/key.pem member list"
    ).stdout
    return sorted(re.findall(r", started, .*https://([\d.]+):2379", listed))


def holders(server: Server, volume: str) -> set[str]:
    """The nodes that hold the newest snapshot somebody took of a volume."""
    listed = json.loads(server.run(f"flocker snapshots {volume} --json").stdout)["snapshots"]
    return set(max(listed, key=lambda each: each["number"])["nodes"])


def test_a_dead_node_is_replaced_by_a_server_with_another_address(mixed: Site) -> None:
    first, dead, third = mixed.servers
    dead.run("docker run --rm --volume-driver flocker -v orders:/data busybox touch /data/one")
    first.run(
        "docker run --detach --name shop -v stock:/data --volume-driver flocker busybox sleep 9999"
    )
    dead.run("docker run --rm --volume-driver flocker -v forgotten:/data busybox touch /data/two")
    for volume in ("orders", "forgotten"):
        dead.run(f"flocker snapshot {volume}")
        eventually(lambda: holders(dead, volume), is_={"node1", "node2", "node3"}, within=60)  # noqa: B023
    subprocess.run(["docker", "kill", dead.name], check=True, capture_output=True)
    first.run("timeout 60 sh -c 'until flocker promote orders; do sleep 1; done'")
    new = mixed.start(4, "13")
    mixed.describe([first.address, new.address, third.address])
    done = mixed.up()
    assert done.returncode == 0, done.stdout
    assert members(first) == sorted([first.address, new.address, third.address])
    found = new.run("docker run --rm --volume-driver flocker -v orders:/data busybox ls /data")
    assert found.stdout == "one\n"
    find_forgotten = "docker run --rm --volume-driver flocker -v forgotten:/data busybox ls /data"
    refused = third.run(find_forgotten, check=False)
    assert "type `flocker promote forgotten` on node2" in refused.stderr
    new.run("flocker promote forgotten")
    assert third.run(find_forgotten).stdout == "two\n"
    assert first.run("docker ps --format={{.Names}}").stdout == "shop\n"


def test_two_servers_with_debian_12_will_do(new_site: Callable[..., Site]) -> None:
    site = new_site("12", "12")
    done = site.behave("@demo")
    assert done.returncode == 0, done.stdout
