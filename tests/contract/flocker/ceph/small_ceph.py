"""A small Ceph on loopback: one monitor, one disk, one metadata server.

No manager runs, as nothing that is tested here asks one. The daemons run in the foreground, as
children of this program, so they end with it.
"""

from __future__ import annotations

import base64
import os
import signal
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from acceptance.base.waiting import eventually
from flocker.ceph.monitors import Monitors
from judge.machine import signals
from judge.machine.ports import free_port

FILESYSTEM = "shared"
ADMIN = "client.admin"
NODE = "client.flocker-node"
DISK_BYTES = 8 << 30  # a sparse file
START_SECONDS = 120  # on a busy machine; it takes 10 on an idle one

MONITOR = {"mon": "allow *"}
EVERYTHING = dict.fromkeys(("mon", "mgr", "osd", "mds"), "allow *")
DISK = {"mon": "allow profile osd", "osd": "allow *"}
METADATA = {"mon": "allow profile mds", "osd": "allow rw tag cephfs *=*", "mds": "allow"}
A_NODE = {
    "mon": (
        'allow r, allow command "osd blocklist" with blocklistop=add, '
        'allow command "auth rm" with entity prefix client.flocker., '
        f'allow command "fs authorize" with filesystem={FILESYSTEM} entity prefix client.flocker.'
    ),
    "mds": f"allow rwps fsname={FILESYSTEM}",
    "osd": f"allow rw tag cephfs data={FILESYSTEM}",
}


class SmallCeph:
    """The daemons below one folder, and the file system on them.

    Attributes:
        folder: has a short name, as sockets are in it.
        conf: the configuration for its clients.
        keyring: the file with the keys of an administrator and of a node.
        node_key: the latter.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fsid = str(uuid.uuid4())
        self._monitor = f"v2:127.0.0.1:{free_port()}"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.conf = folder / "ceph.conf"
        self.keyring = folder / "keyring"
        self.node_key = ""

    def start(self) -> None:
        """Have a file system that can be mounted."""
        self.conf.write_text(self._configuration())
        admin = _entry(ADMIN, _new_key(), EVERYTHING)
        self.keyring.write_text(admin)
        self._start_monitor(admin)
        with Monitors(self.conf, ADMIN, self.keyring) as monitors:
            self._start_disk(monitors)
            self._start_metadata(monitors)
            self.node_key = _identity(monitors, NODE, A_NODE)
            self.keyring.write_text(admin + _entry(NODE, self.node_key))
            eventually(lambda: _is_active(monitors), is_=True, within=START_SECONDS)

    def stop(self) -> None:
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()

    @contextmanager
    def silent(self, kind: str) -> Iterator[None]:
        """Within, the daemon of that kind ("osd", "mds") answers nothing."""
        signals.send(self._daemons[kind], signal.SIGSTOP)
        try:
            yield
        finally:
            signals.send(self._daemons[kind], signal.SIGCONT)

    def connections_to_metadata(self) -> int:
        """The number of clients that have connected to the metadata server."""
        with Monitors(self.conf, ADMIN, self.keyring) as monitors:
            [server] = _servers(monitors)
        port = int(server["addr"].rpartition("/")[0].rpartition(":")[2])
        ends = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(int(far.split(":")[1], 16) == port and state == "01" for _, far, state in ends)

    def blocked_until(self, address: str) -> datetime:
        """The end of an address's entry in the blocklist."""
        with Monitors(self.conf, ADMIN, self.keyring) as monitors:
            until: str = monitors.ask("osd dump")["blocklist"][address]
        return datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%f%z")

    def _start_monitor(self, admin: str) -> None:
        keys, members = self.folder / "first.keyring", self.folder / "monmap"
        keys.write_text(_entry("mon.", _new_key(), MONITOR) + admin)
        address = f"[{self._monitor}]"
        _done("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, str(members))
        (self.folder / "mon").mkdir()
        self._make("mon", "a", "--monmap", str(members), "--keyring", str(keys))
        self._run("mon", "a")

    def _start_disk(self, monitors: Monitors) -> None:
        disk = str(uuid.uuid4())
        monitors.ask("osd new", uuid=disk)
        self._write_key("osd", "osd.0", _identity(monitors, "osd.0", DISK))
        self._make("osd", "0", "--osd-uuid", disk)
        self._run("osd", "0")

    def _start_metadata(self, monitors: Monitors) -> None:
        for pool in ("shared_meta", "shared_data"):
            monitors.ask("osd pool create", pool=pool, pg_num=8, pgp_num=8)
        monitors.ask("fs new", fs_name=FILESYSTEM, metadata="shared_meta", data="shared_data")
        self._write_key("mds", "mds.a", _identity(monitors, "mds.a", METADATA))
        self._run("mds", "a")

    def _write_key(self, folder: str, identity: str, key: str) -> None:
        (self.folder / folder).mkdir()
        (self.folder / folder / "keyring").write_text(_entry(identity, key))

    def _make(self, kind: str, name: str, *options: str) -> None:
        """Have a daemon make its store."""
        _done(f"ceph-{kind}", "--mkfs", "-i", name, "--conf", str(self.conf), *options)

    def _run(self, kind: str, name: str) -> None:
        with (self.folder / f"{kind}.log").open("ab") as log:
            started = subprocess.Popen(
                [f"ceph-{kind}", "-f", "-i", name, "--conf", str(self.conf)],
                stdout=log,
                stderr=log,
            )
        self._daemons[kind] = started

    def _configuration(self) -> str:
        return f"""\
[global]
fsid = {self._fsid}
mon_host = [{self._monitor}]
mon_initial_members = a
public_addr = 127.0.0.1
ms_bind_msgr1 = false
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
# A monitor on a disk that is nearly full ends itself.
mon_data_avail_crit = 1
# How often it commits: the fence is as quick as that.
paxos_propose_interval = 0.1
log_file =
mon_cluster_log_file =
run_dir = {self.folder}
admin_socket = {self.folder}/$name.asok
mon_data = {self.folder}/mon
osd_data = {self.folder}/osd
mds_data = {self.folder}/mds
# The least that a disk's daemon takes.
osd_memory_target = 939524096
bluestore_block_create = true
bluestore_block_size = {DISK_BYTES}
# A client keeps what is not flushed for longer than any test.
client_oc_max_dirty_age = 600
"""


def _identity(monitors: Monitors, name: str, rights: Mapping[str, str]) -> str:
    """The key of an identity with these rights."""
    listed = [word for pair in rights.items() for word in pair]
    [made] = monitors.ask("auth get-or-create", entity=name, caps=listed)
    key: str = made["key"]
    return key


def _is_active(monitors: Monitors) -> bool:
    return any(each["state"] == "up:active" for each in _servers(monitors))


def _servers(monitors: Monitors) -> list[dict[str, str]]:
    [filesystem] = monitors.ask("fs dump")["filesystems"]
    return list(filesystem["mdsmap"]["info"].values())


def _entry(identity: str, key: str, rights: Mapping[str, str] | None = None) -> str:
    """An identity's entry in a keyring."""
    lines = [f'\tcaps {kind} = "{each}"\n' for kind, each in (rights or {}).items()]
    return f"[{identity}]\n\tkey = {key}\n" + "".join(lines)


def _new_key() -> str:
    """A key as Ceph writes it: its type, when it was made, its length, 16 bytes."""
    head = struct.pack("<hiih", 1, int(time.time()), 0, 16)
    return base64.b64encode(head + os.urandom(16)).decode()


def _done(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
