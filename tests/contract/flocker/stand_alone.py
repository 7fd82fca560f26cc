"""flocker on one node without systemd, for the profile features/drivers/flocker.yml.

`python -m tests.contract.flocker.stand_alone services FOLDER` runs its etcd and mounts its pool
until it is told to end. `driver FOLDER SOCKET ENGINE` instead is the daemon, which may be killed
and started again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from acceptance.base.waiting import eventually
from judge.machine.ports import free_port
from tests.contract.flocker import driver_process
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.etcd_members import Etcd

ROOT = Path(__file__).parents[3]
NODE, ADDRESS = "node1", "127.0.0.1"
READY_SECONDS = 60


def run_services(folder: Path) -> int:
    """Run what the daemon needs until SIGTERM, and note where it is."""
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    made = f"{NODE}={ADDRESS}"
    subprocess.run([ROOT / "provision" / "certificates", folder / "keys", made], check=True)
    etcd = Etcd(folder)
    etcd.start()
    try:
        with mounted_btrfs() as pool:
            settings = {
                "node": NODE,
                "address": ADDRESS,
                "etcd": etcd.endpoint,
                "certificates": str(folder / "keys" / NODE),
                "pool": str(pool),
                "peer_port": free_port(),
                "runtime": str(folder / "run"),
            }
            (folder / "run").mkdir()
            (folder / "fresh").write_text(json.dumps(settings))
            (folder / "fresh").rename(folder / "settings.json")
            told_to_end.wait()
    finally:
        etcd.stop()
    return 0


def run_driver(folder: Path, path: Path, engine: str) -> int:
    """Run the daemon at a socket of its own; with systemd the socket is there before it."""
    file = folder / "settings.json"
    eventually(file.exists, is_=True, within=READY_SECONDS)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(128)
    settings = json.loads(file.read_text())
    return driver_process.main({**settings, "engine": engine, "listening": listening.fileno()})


if __name__ == "__main__":
    if sys.argv[1] == "services":
        sys.exit(run_services(Path(sys.argv[2])))
    os._exit(run_driver(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
