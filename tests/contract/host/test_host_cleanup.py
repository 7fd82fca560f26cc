"""`down` takes what is ours, `check` sees what is others': both with real things planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import loops
from host.loops import Loop
from tests.contract.host.conftest import VAGRANT_HOME, Machine

pytestmark = pytest.mark.contract

HOST = ("/usr/bin/python3", "-m", "host")
START = "from host import engine; engine.start()"
NETWORK = "vagrant_network_172.16.78.0/24"
PROGRAMS = [f"--volume={folder}:{folder}:ro" for folder in ("/usr", "/lib", "/lib64")]
LOOP_RIGHTS = (
    "--cap-add=SYS_ADMIN",
    "--device=/dev/loop-control",
    "--device-cgroup-rule=b 7:* rmw",
)
PLANTED = "/planted-pool.img"
# Attaches a file in the folder $1 as a node does: without udev it makes the device's file itself.
ATTACH = f"""PATH=/usr/bin:/usr/sbin; truncate --size=1M $1{PLANTED}
for _ in 1 2 3 4 5; do
    device=$(losetup --find | cut -d" " -f1)
    [ -b $device ] || mknod $device b 7 ${{device#/dev/loop}}
    losetup $device $1{PLANTED} && exit 0
done
exit 1"""
# Freezes the second process of the container $1 in a control group of its own.
FREEZE = """set -e -- $(docker top $1 -o pid | tail -n +2)
group=/sys/fs/cgroup/freezer$(sed -n 's/.*:freezer://p' /proc/$1/cgroup)
[ -d /sys/fs/cgroup/freezer ] || group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$1/cgroup)
mkdir $group/writer
echo $2 >$group/writer/cgroup.procs
if [ -e $group/writer/freezer.state ]; then
    echo FROZEN >$group/writer/freezer.state
else
    echo 1 >$group/writer/cgroup.freeze
fi"""


@pytest.fixture
def engine(machine: Machine) -> Machine:
    """The machine with somebody's engine, an image from no registry, and the nodes' network."""
    machine.clone(machine.checkout.parent / "starter").python(START)
    machine.get("sh", "-c", "tar --create --files-from=/dev/null | docker import - empty")
    machine.get("docker", "network", "create", "--subnet=172.16.78.0/24", NETWORK)
    return machine


@pytest.fixture
def loop_devices() -> Iterator[Callable[[], set[Loop]]]:
    """What is attached besides what was; detached in the end, whoever should have done it.

    Running nodes attach theirs at any time: a device is meant together with its file.
    """
    before = set(loops.attached())
    planted: set[Loop] = set()

    def new() -> set[Loop]:
        now = {loop for loop in loops.attached() if loop.path.endswith(PLANTED)} - before
        planted.update(now)
        return now

    yield new
    loops.detach(tuple(planted))


def node(machine: Machine, name: str, checkout: Path, *options: str) -> None:
    machine.get(
        "docker", "create", f"--name={name}", f"--network={NETWORK}",
        f"--volume={checkout}/provision:/vagrant/provision", "--volume=/var/lib/docker", *options,
        "empty", "/usr/bin/sleep", "infinity",
    )  # fmt: skip


def names(machine: Machine) -> list[str]:
    return sorted(machine.get("docker", "ps", "--all", "--format={{.Names}}").split())


@pytest.mark.parametrize("node_runs", [True, False])
def test_down_removes_ours_and_nothing_else(
    engine: Machine, tmp_path: Path, loop_devices: Callable[[], set[Loop]], node_runs: bool
) -> None:
    node(
        engine, "volume-plugins-demo-node1", engine.checkout,
        "--volume=named:/data", *PROGRAMS, *LOOP_RIGHTS,
    )  # fmt: skip
    node(engine, "volume-plugins-demo-node2", tmp_path / "another")
    node(engine, "volume-plugins-demo-tool", engine.checkout)
    engine.get("docker", "volume", "create", "others")
    engine.get("docker", "network", "create", "--subnet=172.16.79.0/24", "shop")
    (tmp_path / "data").mkdir()
    engine.get("sh", "-c", ATTACH, "sh", str(tmp_path / "data"))
    foreign = loop_devices()
    engine.get("docker", "start", "volume-plugins-demo-node1")
    engine.get(
        "docker", "exec", "volume-plugins-demo-node1", "/usr/bin/sh", "-c", ATTACH, "sh", "/data"
    )
    assert len(foreign) == 1
    assert len(loop_devices()) == 2
    if not node_runs:
        engine.get("docker", "kill", "volume-plugins-demo-node1")

    assert engine.run(*HOST, "down").returncode == 0
    assert engine.run(*HOST, "down").returncode == 0

    assert names(engine) == ["volume-plugins-demo-node2", "volume-plugins-demo-tool"]
    volumes = engine.get("docker", "volume", "ls", "--quiet").split()
    assert "others" in volumes
    assert "named" not in volumes
    assert len(volumes) == 3  # others, and the anonymous one of each container that stays
    networks = engine.get("docker", "network", "ls", "--format={{.Name}}").split()
    assert {"shop", NETWORK} <= set(networks), "node2 of another checkout still uses it"
    assert loop_devices() == foreign


def test_down_removes_a_node_with_a_frozen_process(engine: Machine) -> None:
    """As a paused container of its is, when a run was killed."""
    node(engine, "volume-plugins-demo-node1", engine.checkout, *PROGRAMS)
    engine.get("docker", "start", "volume-plugins-demo-node1")
    engine.get("docker", "exec", "--detach", "volume-plugins-demo-node1", "/usr/bin/sleep", "9999")
    engine.get("sh", "-c", FREEZE, "sh", "volume-plugins-demo-node1")
    assert engine.run(*HOST, "down").returncode == 0
    assert names(engine) == []


def test_down_destroys_the_nodes_there_are_whatever_is_asked_for_and_forgets_their_number(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.checkout / ".vagrant/machines/node1/virtualbox").mkdir(parents=True)
    (machine.checkout / ".vagrant/machines/node1/virtualbox/id").touch()
    (machine.checkout / ".vagrant/certs/node1").mkdir(parents=True)
    vagrant = tmp_path / "vagrant"
    vagrant.write_text(
        '#!/bin/sh\ntest -z "$NODES$VAGRANT_DEFAULT_PROVIDER" && rm -r .vagrant/machines\n'
    )
    vagrant.chmod(0o755)
    asked = ("NODES=2", "VAGRANT_DEFAULT_PROVIDER=docker")
    machine.get("env", f"PATH={tmp_path}:/usr/bin:/bin", *asked, *HOST, "down")
    assert not (machine.checkout / ".vagrant/certs").exists()


def test_down_also_removes_a_node_that_a_killed_vagrant_had_asked_for(
    engine: Machine, tmp_path: Path
) -> None:
    """The engine makes it while Vagrant, typed later, destroys those it knows."""
    files = engine.checkout / ".vagrant/machines/node1/docker"
    files.mkdir(parents=True)
    (files / "id").touch()
    vagrant = tmp_path / "vagrant"
    vagrant.write_text(
        "#!/bin/sh\nrm -r .vagrant/machines\n"
        f"docker create --name=volume-plugins-demo-node1 --network={NETWORK} "
        f"--volume={engine.checkout}/provision:/vagrant/provision "
        "--volume=late:/data empty /usr/bin/true\n"
    )
    vagrant.chmod(0o755)
    engine.get("env", f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin", *HOST, "down")
    assert names(engine) == []
    assert "late" not in engine.get("docker", "volume", "ls", "--quiet").split()
    assert NETWORK not in engine.get("docker", "network", "ls", "--format={{.Name}}").split()


def test_the_nodes_network_goes_with_the_last_node(engine: Machine) -> None:
    node(engine, "volume-plugins-demo-node1", engine.checkout)
    node(engine, "shop", engine.checkout.parent)
    engine.get("docker", "network", "disconnect", NETWORK, "shop")
    engine.get(*HOST, "down")
    assert NETWORK not in engine.get("docker", "network", "ls", "--format={{.Name}}").split()


def test_clean_leaves_a_fresh_clone_and_an_engine_without_our_image(engine: Machine) -> None:
    engine.get("docker", "tag", "empty", "volume-plugins-demo/node:latest")
    engine.get("docker", "tag", "empty", "shop:latest")
    tracked = sorted(path.name for path in engine.checkout.rglob("*.py"))
    for folder in (
        "build/box",
        ".venv/bin",
        ".vagrant",
        "report/node_modules/a",
        "host/__pycache__",
    ):
        (engine.checkout / folder).mkdir(parents=True, exist_ok=True)
    (engine.checkout / "report/package.json").touch()
    (engine.checkout / "box/vagrant20261122233138.box").touch()
    boxes = f"{VAGRANT_HOME}/boxes"
    ours, another = f"{boxes}/volume-plugins-demo-VAGRANTSLASH-node", f"{boxes}/shop"
    engine.get("mkdir", "-p", f"{ours}/0/libvirt", another)

    engine.get(*HOST, "clean")
    engine.get("/usr/bin/python3", "-B", "-m", "host", "clean")

    left = {path.name for path in engine.checkout.iterdir()}
    assert left == {"host", "provision", "report", "box", "Makefile"}
    assert (engine.checkout / "box/README.md").exists()
    assert not list(engine.checkout.glob("box/*.box"))
    assert engine.get("ls", boxes) == "shop\n"
    assert sorted(path.name for path in engine.checkout.rglob("*.py")) == tracked
    assert not (engine.checkout / "report/node_modules").exists()
    images = engine.get("docker", "image", "ls", "--format={{.Repository}}").split()
    assert "shop" in images
    assert "volume-plugins-demo/node" not in images


def test_an_engine_started_here_stays_up_for_others_containers(machine: Machine) -> None:
    machine.python(START)
    machine.get("sh", "-c", "tar --create --files-from=/dev/null | docker import - empty")
    machine.get(
        "docker", "run", "--detach", "--network=none", "--name=shop",
        *PROGRAMS, "empty", "/usr/bin/sleep", "infinity",
    )  # fmt: skip
    assert "shop of others runs in it" in machine.get(*HOST, "down")
    assert names(machine) == ["shop"]
    machine.get("docker", "rm", "--force", "shop")
    machine.get(*HOST, "down")
    assert machine.run("docker", "version").returncode != 0


def test_a_bridge_of_somebody_else_on_the_subnet_is_seen(machine: Machine) -> None:
    machine.get("ip", "link", "add", "lan0", "type", "bridge")
    machine.get("ip", "address", "add", "172.16.78.7/24", "dev", "lan0")
    machine.get("ip", "link", "set", "lan0", "up")
    done = machine.run(*HOST, "check")
    assert done.returncode == 1
    assert "taken by the route 172.16.78.0/24 on interface lan0" in done.stderr


def test_a_network_of_somebody_else_on_the_subnet_is_seen(engine: Machine) -> None:
    engine.get("docker", "network", "rm", NETWORK)
    engine.get("docker", "network", "create", "--subnet=172.16.0.0/16", "shop")
    done = engine.run(*HOST, "check")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "docker network rm shop" in done.stderr


def test_nodes_of_another_checkout_are_seen(engine: Machine) -> None:
    another = engine.clone(engine.checkout.parent / "another")
    node(engine, "volume-plugins-demo-node1", another.checkout)
    done = engine.run(*HOST, "check")
    assert done.returncode == 1
    assert f"make -C {another.checkout} down" in done.stderr
    assert another.run(*HOST, "check").returncode == 0


def test_without_an_engine_check_says_so(machine: Machine) -> None:
    done = machine.run(*HOST, "check")
    assert done.returncode == 1
    assert "Docker's engine does not answer" in done.stderr
