"""Makes the settings and the first keys of a small Ceph, on the machine that nodes are set up from.

DIRECTORY/ceph.conf                    for all daemons and clients
DIRECTORY/ceph.client.admin.keyring    the administrator's key
DIRECTORY/mon.keyring                  the monitors' own key, and the administrator's again

With these a monitor of each node starts. All other keys are made by asking the monitors.
"""

from __future__ import annotations

import base64
import fcntl
import secrets
import struct
import sys
import time
import uuid
from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

from flocker.base import private

USAGE = "usage: ceph-keys DIRECTORY NODE=ADDRESS..."
ADMIN = "client.admin"
DISK_BYTES = 10 << 30  # a sparse file
LEAST_DISK_MEMORY = 939524096  # Ceph accepts no smaller value
METADATA_MEMORY = 256 << 20
PREFIX_LENGTH = 24  # of the nodes' network


def main(arguments: Sequence[str]) -> int:
    """Make what is missing; the exit status. Safe to repeat, and to run several times at once."""
    directory, *pairs = arguments or [""]
    if not pairs or not all("=" in pair for pair in pairs):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        make(Path(directory).absolute(), dict(pair.split("=", 1) for pair in pairs))
    except (OSError, ValueError) as error:
        print(f"ceph-keys: {error}", file=sys.stderr)
        return 1
    return 0


def make(directory: Path, nodes: dict[str, str]) -> None:
    """Make a cluster's files, unless they are there.

    Args:
        nodes: name -> address; each gets a monitor.

    Raises:
        OSError: a file cannot be written.
        ValueError: an address is none.
    """
    private.make_folder(directory)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / "ceph.conf").exists():
            return
        admin = keyring(ADMIN, new_key(), dict.fromkeys(("mon", "mgr", "osd", "mds"), "allow *"))
        files = {
            f"ceph.{ADMIN}.keyring": admin,
            "mon.keyring": keyring("mon.", new_key(), {"mon": "allow *"}) + admin,
        }
        private.write_together(directory, files)
        # Last: it says that the others are there.
        private.write_together(directory, {"ceph.conf": settings(str(uuid.uuid4()), nodes)})


def settings(cluster_id: str, nodes: dict[str, str]) -> str:
    """The text of ceph.conf."""
    network = IPv4Interface(f"{next(iter(nodes.values()))}/{PREFIX_LENGTH}").network
    return f"""\
[global]
fsid = {cluster_id}
mon_host = {", ".join(f"[v2:{address}:3300]" for address in nodes.values())}
mon_initial_members = {", ".join(nodes)}
public_network = {network}
ms_bind_msgr1 = false
auth_allow_insecure_global_id_reclaim = false
# A module of the manager adapts this, and Debian's manager loads no module.
osd_pool_default_pg_autoscale_mode = off

[mon]
# How often it commits, in seconds: a takeover waits for that.
paxos_propose_interval = 0.1
# All nodes share one disk with others: only below these percentages of free space a monitor warns
# and stops.
mon_data_avail_warn = 5
mon_data_avail_crit = 1

[osd]
bluestore_block_create = true
bluestore_block_size = {DISK_BYTES}
osd_memory_target = {LEAST_DISK_MEMORY}

[mds]
mds_cache_memory_limit = {METADATA_MEMORY}
"""


def keyring(identity: str, key: str, rights: dict[str, str]) -> str:
    """An entry of a keyring, with what the identity may do."""
    lines = [f'\tcaps {kind} = "{each}"\n' for kind, each in rights.items()]
    return f"[{identity}]\n\tkey = {key}\n" + "".join(lines)


def new_key() -> str:
    """A key as Ceph writes it: its type (AES), when it was made, its length, 16 random bytes.

    Source: Ceph 18.2, src/auth/Crypto.cc, CryptoKey::encode.
    """
    head = struct.pack("<HIIH", 1, int(time.time()), 0, 16)
    return base64.b64encode(head + secrets.token_bytes(16)).decode()
