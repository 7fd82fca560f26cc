"""The driver's package on plain Debian servers: installed, upgraded, removed and purged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually, eventually_true
from host import ROOT, deb
from tests.servers.machines import Server, servers

UNITS = ("flocker-pool", "flocker-fence", "flocker.socket", "flocker")
RESTARTED = ("flocker-fence", "flocker")
POOL = "/var/lib/flocker"
POOL_FILE = "/var/lib/flocker-disk/pool.img"
WRITER = (
    "docker run --detach --name writer --volume kept:/data --volume-driver flocker busybox"
    " sh -c 'while :; do date >>/data/lines; sleep 0.2; done'"
)
ANSWER_SECONDS = 60

# systemd's own measure, 0 for nothing left to take away and 10 for nothing taken; in tenths.
EXPOSURE = {"flocker": 50, "flocker-fence": 34, "flocker-firewall": 20, "flocker-pool": 40}

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def package() -> Path:
    """The package of this checkout; and the image of busybox, for containers."""
    for command in (("host", "deb"), ("box", "story")):
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)
    return deb.package()


@pytest.fixture(scope="module", params=["12", "13"])
def plain(request: pytest.FixtureRequest, package: Path) -> Iterator[Server]:
    """A server on which somebody has typed the one command that installs the package."""
    with servers([request.param]) as [server]:
        put(server, package, "/root")
        server.run("apt-get update")
        install(server, package.name)
        yield server


@pytest.fixture(scope="module")
def node(plain: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The same server as the only node of a cluster."""
    certificates = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        [ROOT / "provision" / "certificates", certificates, f"node1={plain.address}"], check=True
    )
    subprocess.run([ROOT / "provision" / "app-password", certificates / "moby-counter"], check=True)
    put(plain, ROOT / "provision", "/vagrant")
    put(plain, deb.package(), "/vagrant/build/deb")
    put(plain, ROOT / "build" / "box" / "images" / "busybox.tar", "/vagrant/build/box/images")
    put(plain, certificates / "node1", "/root")
    put(plain, certificates / "moby-counter", "/root")
    plain.run("mv /root/node1 /tmp/flocker-certs && mv /root/moby-counter /tmp")
    plain.run(f"/vagrant/provision/node.sh node1 {plain.address} node1={plain.address}")
    plain.run("/vagrant/provision/ready.sh cluster 1")
    return plain


@pytest.fixture
def writer(node: Server) -> Iterator[str]:
    """A container that writes a line into a volume again and again."""
    node.run(WRITER)
    yield "writer"
    node.run("docker rm --force writer")


def put(server: Server, path: Path, folder: str) -> None:
    server.run(f"mkdir -p {folder}")
    subprocess.run(["docker", "cp", "--quiet", path, f"{server.name}:{folder}/"], check=True)


def install(server: Server, name: str) -> None:
    server.run(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes /root/{name}")


def told(server: Server, command: str) -> str:
    return server.run(command).stdout.strip()


def active_since(server: Server, unit: str) -> str:
    return told(server, f"systemctl show --property=ActiveEnterTimestampMonotonic --value {unit}")


def lines(server: Server) -> int:
    return int(told(server, "docker exec writer wc -l /data/lines").split()[0])


def newer(package: Path, folder: Path) -> Path:
    """A package of version 0.1.1 whose daemon says so."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
    for path in (tree / "DEBIAN/control", tree / "usr/lib/flocker/flocker/__init__.py"):
        path.write_text(path.read_text().replace("0.1.0", "0.1.1"))
    made = folder / "flocker_0.1.1.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made], check=True)
    return made


def test_nothing_starts_before_it_is_configured(plain: Server) -> None:
    states = {unit: told(plain, f"systemctl is-enabled {unit}") for unit in UNITS}
    assert states == dict.fromkeys(UNITS, "enabled")
    running = [
        unit
        for unit in UNITS
        if plain.run(f"systemctl is-active {unit}", check=False).returncode == 0
    ]
    assert running == []
    assert told(plain, "systemctl --failed --no-legend --plain") == ""
    assert told(plain, "systemctl is-active docker") == "active"


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_unit_may_do_only_what_it_needs(node: Server, unit: str) -> None:
    node.run(f"systemd-analyze security --threshold={EXPOSURE[unit]} {unit}")


@pytest.mark.parametrize("unit", RESTARTED)
def test_a_unit_sees_the_machines_own_mounts(node: Server, unit: str) -> None:
    process = told(node, f"systemctl show --property=MainPID --value {unit}")
    assert told(node, f"readlink /proc/{process}/ns/mnt") == told(node, "readlink /proc/1/ns/mnt")


@pytest.mark.usefixtures("writer")
def test_an_upgrade_restarts_the_driver_and_nothing_else(
    node: Server, package: Path, tmp_path: Path
) -> None:
    others = ("flocker-pool", "flocker.socket", "docker", "etcd")
    before = {unit: active_since(node, unit) for unit in (*RESTARTED, *others)}
    container = told(node, "docker inspect writer --format '{{.State.StartedAt}}'")
    put(node, newer(package, tmp_path), "/root")
    install(node, "flocker_0.1.1.deb")
    for unit in RESTARTED:
        assert active_since(node, unit) != before[unit], unit
    for unit in others:
        assert active_since(node, unit) == before[unit], unit
    assert told(node, "docker inspect writer --format '{{.State.StartedAt}}'") == container
    written = lines(node)
    eventually_true(
        lambda: lines(node), lambda now: now > written, what="more lines", within=ANSWER_SECONDS
    )
    eventually(
        lambda: json.loads(told(node, "flocker status --json"))["nodes"][0]["version"],
        is_="0.1.1",
        within=ANSWER_SECONDS,
        not_yet=(subprocess.CalledProcessError, IndexError),
    )


@pytest.mark.usefixtures("writer")
def test_it_is_not_removed_while_containers_use_volumes(node: Server) -> None:
    done = node.run("apt-get remove --yes flocker", check=False)
    assert done.returncode != 0
    assert "containers on this machine use volumes; stop them first" in done.stdout + done.stderr
    for unit in (*UNITS, "docker"):
        assert told(node, f"systemctl is-active {unit}") == "active"


def test_removal_keeps_settings_and_volumes_and_a_new_installation_serves_them(
    node: Server, package: Path
) -> None:
    written = told(node, "docker run --rm --volume kept:/data busybox wc -l /data/lines")
    node.run("apt-get remove --yes flocker")
    assert node.run(f"mountpoint {POOL}", check=False).returncode != 0
    node.run(f"test -e {POOL_FILE} -a -e /etc/flocker/flocker.env")
    gone = "/usr/lib/flocker /usr/libexec/flocker /run/docker/plugins/flocker.sock"
    assert node.run(f"ls -d {gone}", check=False).stdout == ""
    assert told(node, "docker run --rm busybox echo well") == "well"
    install(node, package.name)
    assert told(node, "docker run --rm --volume kept:/data busybox wc -l /data/lines") == written


def test_purging_takes_the_settings_and_leaves_the_pool_and_the_engine(node: Server) -> None:
    done = node.run("apt-get purge --yes flocker")
    assert f"flocker: the volumes are kept in {POOL_FILE}" in done.stdout
    node.run(f"test -e {POOL_FILE} -a ! -e /etc/flocker")
    assert told(node, "systemctl --failed --no-legend --plain") == ""
    assert told(node, "ls /etc/docker") == "daemon.json"  # no key, and nobody's to be trusted
    listening = told(node, "ss -Hltnp")
    assert "dockerd" not in listening, listening
    assert "flocker" not in listening, listening
    node.run("systemctl restart docker")
    assert told(node, "docker run --rm busybox echo well") == "well"
