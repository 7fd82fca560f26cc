"""Faults to cause on purpose. Each one knows how to heal, and `heal` ends all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from acceptance.base import evidence
from acceptance.base.waiting import eventually, eventually_true
from acceptance.cluster import disk, packet_filter
from acceptance.cluster.cluster import Cluster
from acceptance.cluster.healing import Healing
from acceptance.cluster.pool_check import POOL
from acceptance.nodes.node import Node

SUBVOLUME_INODE = 256  # of the root of each; source: btrfs, BTRFS_FIRST_FREE_OBJECTID
PACKAGE = "/vagrant/build/deb/flocker_*.deb"
NEWER = "/tmp/newer-flocker"  # noqa: S108 - on a node, which is nobody else's
NEWER_SUFFIX = ".1"  # of the version
GONE_SECONDS = 30
RESTART_SECONDS = 60


class Faults:
    """Breaks nodes of one cluster and mends them again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._healing = Healing()
        self._began = 0.0

    def power_off(self, node: Node) -> None:
        """Take a node's power away."""
        self._begin("power", node, partial(self._cluster.machines.power_on, node.name))
        node.is_well = False
        self._cluster.machines.power_off(node.name)
        node.close()

    def power_on(self, node: Node) -> None:
        """Give a node its power back; the nodes know each other again when this returns."""
        self._end("power", node)

    def pause(self, node: Node) -> None:
        """Stop time on a node."""
        self._begin("pause", node, partial(self._cluster.machines.resume, node.name))
        node.is_well = False
        self._cluster.machines.pause(node.name)

    def resume(self, node: Node) -> None:
        """Let time on a node go on; the nodes know each other again when this returns."""
        self._end("pause", node)

    def cut_off(self, node: Node) -> None:
        """Cut a node off from the other nodes; this machine still reaches it."""
        self._begin("network", node, partial(packet_filter.drop_nothing, node))
        node.is_well = False
        others = [other.address for other in self._cluster.nodes if other is not node]
        packet_filter.drop(node, [f"{side} {other}" for other in others for side in ("-s", "-d")])

    def reconnect(self, node: Node) -> None:
        """Let a node reach the others; the nodes know each other again when this returns."""
        self._end("network", node)

    def stop_etcd(self, nodes: Iterable[Node]) -> None:
        """Stop the control plane's member on each of these nodes."""
        for node in nodes:
            # It is ready once it has a quorum, and the others may not be there yet.
            self._begin("etcd", node, partial(node.run, "sudo systemctl start --no-block etcd"))
            node.run("sudo systemctl stop etcd")

    def start_etcd(self) -> None:
        """Start it again wherever it was stopped; return when all nodes know each other again."""
        self._healing.end_on_all("etcd")
        self._cluster.wait_until_whole()

    def hold_etcd_up(self, seconds: int) -> None:
        """Have the control plane's members on all nodes wait, as for a disk that they share."""
        go_on = "sudo systemctl kill --signal=CONT etcd"
        command = (
            f"sudo systemctl kill --signal=STOP etcd; (sleep {seconds}; {go_on}) > /dev/null 2>&1 &"
        )
        for node in self._cluster.nodes:
            self._begin("hold-up", node, partial(node.run, go_on))
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda node: node.run(command), self._cluster.nodes))

    def stop_fence(self, node: Node) -> None:
        """Stop what stops containers on a node that falls silent."""
        self._begin("fence", node, partial(node.run, "sudo systemctl start flocker-fence"))
        node.run("sudo systemctl stop flocker-fence")

    def start_fence(self, node: Node) -> None:
        """Start it again; it has looked once when this returns."""
        self._end("fence", node)

    def kill_engine(self, node: Node) -> None:
        """Kill the engine, not its containers; return when it has been started again."""
        with self._healing.if_it_fails("engine", node.name, partial(_start, "docker", node)):
            _kill("docker", node)
            eventually(node.engine.is_answering, is_=True, within=RESTART_SECONDS)

    def kill_driver(self, node: Node) -> None:
        """Kill the driver; return when it has been started again."""
        with self._healing.if_it_fails("driver", node.name, partial(_start, "flocker", node)):
            _kill("flocker", node)
            eventually(lambda: _is_running("flocker", node), is_=True, within=RESTART_SECONDS)

    def upgrade_driver(self, node: Node) -> None:
        """Upgrade the driver's package; return when the newer driver has told of itself.

        The newer package is the one of this run, with another version in it. Healing installs that
        one again.
        """
        newer = f"{_version(node)}{NEWER_SUFFIX}"
        self._begin("version", node, partial(_install, node, PACKAGE))
        node.run(
            f"rm -rf {NEWER} && dpkg-deb --raw-extract {PACKAGE} {NEWER} && cd {NEWER}"
            f" && sed -i '/^Version:/s/$/{NEWER_SUFFIX}/' DEBIAN/control"
            f" && sed -i '/^VERSION = /s/\"$/{NEWER_SUFFIX}\"/' usr/lib/flocker/flocker/__init__.py"
            " && find usr -type f | sort | xargs md5sum > DEBIAN/md5sums"
            f" && dpkg-deb --root-owner-group -Znone --build {NEWER} {NEWER}.deb"
        )
        _install(node, f"{NEWER}.deb")
        eventually(
            lambda: _version(node), is_=newer, within=RESTART_SECONDS, not_yet=(RuntimeError,)
        )

    def make_read_only(self, node: Node) -> None:
        """Have a node's pool refuse writes, as after an error of its disk."""
        self._begin("pool", node, partial(_make_writable, node))
        node.is_well = False
        remount = f"sudo mount -o remount,ro {POOL}"
        # Refused at a moment in which something is being written.
        eventually(lambda: node.type(remount).exit_status, is_=0, within=RESTART_SECONDS)

    def replace_by_failing_disk(self, node: Node) -> None:
        """Have a node's pool on a disk that can fail; no container may run."""
        self._begin("disk", node, partial(disk.put_back, node))
        disk.replace(node)
        eventually(node.engine.is_answering, is_=True, within=RESTART_SECONDS)
        self._cluster.wait_until_whole()

    def fail_disk(self, node: Node, failure: str) -> None:
        """Have that disk fail in one of the ways of disk.FAILURES."""
        self._began = time.monotonic()
        node.is_well = False
        disk.fail(node, failure)

    def rename_driver(self, node: Node, name: str) -> None:
        """Have a node's driver take itself for the node of another name."""
        self._begin("name", node, partial(_rename, node, node.name))
        node.is_well = False
        _rename(node, name)

    def replace_disk(self, node: Node) -> None:
        """Take everything a node has of any volume, as a new disk would; no container may run."""
        units = "flocker.socket flocker"
        with self._healing.if_it_fails("content", node.name, partial(_start, units, node)):
            node.run(
                f"sudo systemctl stop {units}"
                # Nested ones first; the rest of a volume's folder last.
                f" && sudo find {POOL} -mindepth 1 -depth -inum {SUBVOLUME_INODE}"
                " -exec btrfs --quiet subvolume delete {} +"
                f" && sudo find {POOL} -mindepth 1 -delete"
                f" && sudo systemctl start {units}"
            )
            eventually(lambda: _is_running("flocker", node), is_=True, within=RESTART_SECONDS)

    def keep_containers(self, node: Node) -> None:
        """Have containers outlive their engine (the engine's option `live-restore`)."""
        self._begin("live-restore", node, partial(_stop_live_restore, node))
        _set_live_restore(node, "true")

    def wait_for_owner(self, volume: str, *, within: float) -> float:
        """Wait until a node that is well owns a volume.

        Args:
            within: seconds since the last fault began, on nodes as quick as this machine.

        Returns:
            How many it took.

        Raises:
            NeverCame: none did in time.
        """
        well = {node.name for node in self._cluster.well_nodes}
        owner = eventually_true(
            lambda: self._cluster.owner_of(volume),
            lambda owner: owner in well,
            what=f"{' or '.join(sorted(well))} to own '{volume}'",
            within=within,
            since=self._began,
        )
        took_seconds = time.monotonic() - self._began
        evidence.measured(f"{owner} owns '{volume}' now")
        return took_seconds

    def heal(self) -> None:
        """End every fault that is left, the newest first, and wait until the nodes work together.

        Raises:
            NeverCame: they do not.
        """
        if not self._healing:
            return
        self._healing.end_all()
        self._cluster.wait_until_whole()
        for node in self._cluster.nodes:
            node.is_well = True

    def _begin(self, what: str, node: Node, heal: Callable[[], object]) -> None:
        """Remember how a fault heals, before it is there: what breaks half-way is healed too."""
        self._healing.remember(what, node.name, heal)
        self._began = time.monotonic()

    def _end(self, what: str, node: Node) -> None:
        self._healing.end(what, node.name)
        self._cluster.wait_until_whole()
        node.is_well = True


def _kill(unit: str, node: Node) -> None:
    before = _main_process(unit, node)
    node.run(f"sudo systemctl kill --kill-whom=main --signal=KILL {unit}")
    eventually(
        lambda: _main_process(unit, node) not in ("0", before), is_=True, within=GONE_SECONDS
    )


def _start(units: str, node: Node) -> None:
    """Start units also if they were started so often that systemd refuses to start them."""
    node.run(f"sudo systemctl reset-failed {units} && sudo systemctl start {units}")


def _main_process(unit: str, node: Node) -> str:
    """The process id of a unit, 0 while it has none."""
    return node.run(f"systemctl show --property=MainPID --value {unit}").strip()


def _install(node: Node, package: str) -> None:
    node.run(f"sudo DEBIAN_FRONTEND=noninteractive dpkg --install {package}")


def _rename(node: Node, name: str) -> None:
    node.run(
        f"sudo sed -i 's/^FLOCKER_NODE=.*/FLOCKER_NODE={name}/' /etc/flocker/flocker.env"
        " && sudo systemctl restart flocker"
    )


def _make_writable(node: Node) -> None:
    """Have its pool take writes again, and wait until its driver has noticed."""
    node.run(f"sudo mount -o remount,rw {POOL}")
    eventually(lambda: _pool_problems(node), is_=[], within=RESTART_SECONDS)


def _pool_problems(node: Node) -> list[str]:
    """Its driver's problems with writes to its pool."""
    known = {each["name"]: each["problems"] for each in node.flocker("status")["nodes"]}
    return [each for each in known[node.name] if "cannot be written to" in each]


def _version(node: Node) -> str:
    """The version of its driver, as it tells the other nodes."""
    known = {each["name"]: each["version"] for each in node.flocker("status")["nodes"]}
    return str(known[node.name])


def _is_running(unit: str, node: Node) -> bool:
    return node.type(f"systemctl is-active {unit}").output.strip() == "active"


def _set_live_restore(node: Node, value: str) -> None:
    node.run(
        "sudo sed -i -e '/live-restore/d' "
        f"-e '1a \"live-restore\": {value},' /etc/docker/daemon.json"
        " && sudo systemctl reload docker"
    )
    eventually(node.engine.keeps_containers, is_=value == "true", within=RESTART_SECONDS)


def _stop_live_restore(node: Node) -> None:
    # An engine that reloads keeps what its file does not mention, so it is told first.
    _set_live_restore(node, "false")
    node.run("sudo sed -i -e '/live-restore/d' /etc/docker/daemon.json")
