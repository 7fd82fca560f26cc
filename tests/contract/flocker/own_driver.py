"""A real daemon of a test's own: a process with its pool, etcd and engine, at a plugin socket."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from acceptance.base.waiting import eventually
from flocker.base.config import PLUGIN_SOCKET
from judge.machine.engine import OwnEngine
from judge.machine.ports import free_port
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.etcd_members import Etcd

ROOT = Path(__file__).parents[3]
START_SECONDS = 60
STOP_SECONDS = 15  # as its unit says


class OwnDriver:
    """The driver of one node; as with systemd its socket listens whether or not it runs.

    Args:
        folder: its own, for what lies on /run and for its log.
        settings: of the node: node, address, etcd, certificates, pool, engine, peer_port; and
            are_certificates_short for those that are renewed every few seconds, ceph for the
            FLOCKER_CEPH_* of a node that reaches one.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.name = f"{settings['node']}-{os.getpid()}"
        self.log = folder / "flocker.log"
        self._runtime = folder / "run"
        self._runtime.mkdir(parents=True)
        self._path = PLUGIN_SOCKET.with_name(f"{self.name}.sock")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._path))
        self._listening.listen(128)
        self._settings = {
            **settings,
            "runtime": str(self._runtime),
            "listening": self._listening.fileno(),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> int:
        """The running daemon's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def socket(self) -> Path:
        """Where it answers the engine and operators."""
        return self._path

    @property
    def runtime(self) -> Path:
        """The folder of the files that its fence reads."""
        return self._runtime

    def start(self) -> None:
        """Start it and wait until it is ready."""
        starts = self._log_text().count("serving volumes of")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.contract.flocker.driver_process",
                    json.dumps(self._settings),
                ],
                stdout=log,
                stderr=log,
                pass_fds=[self._listening.fileno()],
            )  # fmt: skip
        eventually(
            lambda: self._log_text().count("serving volumes of") > starts,
            is_=True,
            within=START_SECONDS,
        )

    def stop(self) -> None:
        """As `systemctl stop` does, and no later than that."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Its sudden death."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def is_waited_for(self) -> bool:
        """Tell whether somebody has connected to its socket while it does not run."""
        looking = select.poll()
        looking.register(self._listening, select.POLLIN)
        return bool(looking.poll(0))

    def counted(self) -> list[str]:
        """Ids of the volumes of which a use is counted."""
        file = self._runtime / "mounts.json"
        if not file.exists():
            return []
        counts = json.loads(file.read_text())
        return sorted({*counts["present"], *counts["former"]})

    def ended_uses(self) -> int:
        """How many uses ended because their unmount had not come."""
        return self._log_text().count("its unmount was never asked for")

    def close(self) -> None:
        self.stop()
        self._listening.close()
        self._path.unlink()

    def _log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@contextmanager
def own_drivers(engine: OwnEngine, count: int, **more: object) -> Iterator[list[OwnDriver]]:
    """Running drivers of as many nodes, which share an etcd and an engine.

    Args:
        more: settings, see OwnDriver.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drivers-")))
        etcd = Etcd(folder)
        etcd.start()
        stack.callback(etcd.stop)
        nodes = {f"node{number}": f"127.0.0.{number}" for number in range(1, count + 1)}
        made = [f"{node}={address}" for node, address in nodes.items()]
        subprocess.run([ROOT / "provision" / "certificates", folder / "keys", *made], check=True)
        port = free_port()
        drivers = []
        for node, address in nodes.items():
            driver = OwnDriver(
                folder / f"of-{node}",
                node=node,
                address=address,
                etcd=etcd.endpoint,
                certificates=str(folder / "keys" / node),
                pool=str(stack.enter_context(mounted_btrfs())),
                engine=str(engine.socket),
                peer_port=port,
                **more,
            )
            stack.callback(driver.close)
            driver.start()
            drivers.append(driver)
        yield drivers


@contextmanager
def lone_driver(
    folder: Path, etcd: Etcd, certificates: Path, peer_port: int, **more: object
) -> Iterator[OwnDriver]:
    """The driver of a node that has a pool and no engine; the block starts it.

    Args:
        folder: its own.
        certificates: the folder of those, with the node's name if `more` has no `node`.
        more: settings, see OwnDriver.
    """
    with mounted_btrfs() as pool:
        settings = {
            "node": certificates.name,
            "address": "127.0.0.1",
            "etcd": etcd.endpoint,
            "certificates": str(certificates),
            "pool": str(pool),
            "engine": str(folder / "no-engine.sock"),
            "peer_port": peer_port,
        }
        driver = OwnDriver(folder, **settings | more)
        try:
            yield driver
        finally:
            driver.close()
