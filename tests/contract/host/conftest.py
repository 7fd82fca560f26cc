"""A machine within this machine: its own processes, network, /run, /var/lib and /etc/libvirt.

So an engine can be started and stopped as `make` does it, with no settings of its own and without
meeting the engine that runs the nodes. Loop devices and programs are the real machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from host import ROOT

OWN_FOLDERS = """
for folder in /run /var/lib /etc/libvirt/qemu /etc/libvirt/storage; do
    mkdir -p $folder && mount -t tmpfs tmpfs $folder || exit
done
ip link set lo up"""
# As an init has to, it lets no ended process stay: dockerd would take its own for a running one.
INIT = (
    "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
    "print('ready', flush=True); sys.stdin.read()"
)

VAGRANT_HOME = "/run/vagrant.d"  # the real one has the boxes of whoever runs this
NOT_TRACKED = shutil.ignore_patterns("__pycache__", "*.box")


@dataclass(frozen=True)
class Machine:
    """Runs commands in the namespaces of the process `pid`, from a checkout of its own."""

    pid: int
    checkout: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command's status and output; the folder it runs in is the checkout."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc"]
        return subprocess.run(
            [*enter, f"--wd={self.checkout}", *command],
            capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "VAGRANT_HOME": VAGRANT_HOME},
        )  # fmt: skip

    def get(self, *command: str) -> str:
        """What a command printed that has to succeed."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def python(self, code: str) -> str:
        """Run Python code that has to succeed, with this checkout's `host` package."""
        return self.get("/usr/bin/python3", "-c", code)

    def clone(self, folder: Path) -> Machine:
        """Another checkout on the same machine."""
        for package in ("host", "box"):
            shutil.copytree(ROOT / package, folder / package, ignore=NOT_TRACKED)
        (folder / "provision").mkdir()
        for program in ("provider", "kvm-works"):
            shutil.copy(ROOT / "provision" / program, folder / "provision")
        (folder / "Makefile").touch()
        return Machine(self.pid, folder)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """The machine, without an engine; everything that runs on it ends with it."""
    init = subprocess.Popen(
        [
            "unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc",
            "--kill-child", "sh", "-c", f'{OWN_FOLDERS} && exec python3 -c "{INIT}"',
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert init.stdout is not None
        assert init.stdout.readline() == "ready\n"
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
        yield Machine(int(children[0]), tmp_path).clone(tmp_path / "checkout")
    finally:
        init.kill()
        init.communicate()
