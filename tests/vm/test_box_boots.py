"""The boxes boot, without Vagrant and VirtualBox: on a machine of the same disk and network.

Builds a box that is missing or old. Minutes under emulation, hence a marker of its own.
"""

import json
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from box.vm import build, recipe

pytestmark = pytest.mark.vm
SAMPLE = pytest.mark.sample

BOOT_SECONDS = 300  # 35 on a processor that is emulated by two idle ones
COMMAND_SECONDS = 60
KEY = "gems/vagrant-*/keys/vagrant"  # Vagrant's well-known one
GEMS = Path("/usr/share/rubygems-integration/all")

# The hardware that vagrant-libvirt asks libvirt for, and what the OVF asks VirtualBox for.
HARDWARE = {
    "libvirt": ["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-net-pci,netdev=net"],
    "virtualbox": [
        "-device", "ahci,id=sata", "-device", "ide-hd,drive=disk,bus=sata.0",
        "-device", "e1000,netdev=net",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Guest:
    """A machine that runs, and the key that lets in."""

    port: int
    key: Path

    def run(self, command: str) -> str:
        """What a shell command printed; a connection that is not there yet is a ConnectionError."""
        done = subprocess.run(
            [
                "ssh", "-i", str(self.key), "-p", str(self.port), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "vagrant@127.0.0.1", command,
            ],
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode == 255:  # of ssh, not of the command
            raise ConnectionError(done.stderr)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, id=each.provider, marks=SAMPLE if each.provider == "libvirt" else ())
        for each in recipe.MACHINES
    ],
)
def machine(request: pytest.FixtureRequest) -> recipe.Machine:
    assert isinstance(request.param, recipe.Machine)
    return request.param


@pytest.fixture(scope="module")
def guest(machine: recipe.Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Start the disk of the machine's box; nothing is written to that."""
    folder = tmp_path_factory.mktemp(machine.provider)
    with tarfile.open(build.build(machine).path) as box:
        box.extractall(folder)  # noqa: S202 - made here; `filter` came with Python 3.11.4
    layer = folder / "layer.qcow2"
    # Nothing writes to a VMDK of that kind, and QEMU reads none as the base of another.
    base, base_format = folder / machine.disk_file, machine.disk_format
    if base_format == "vmdk":
        base, base_format = folder / "base.qcow2", "qcow2"
        _run("qemu-img", "convert", "-f", "vmdk", "-O", "qcow2", folder / machine.disk_file, base)
    _run("qemu-img", "create", "-f", "qcow2", "-F", base_format, "-b", base, layer)
    key = folder / "key"
    shutil.copy(next(GEMS.glob(KEY)), key)
    key.chmod(0o600)
    port = _free_port()
    emulator = subprocess.Popen(
        [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(recipe.CPUS),
            "-m", str(recipe.MEMORY_MB), "-display", "none", "-monitor", "none",
            "-serial", f"file:{folder / 'console'}",
            "-drive", f"if=none,id=disk,file={layer},format=qcow2,cache=unsafe",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
            *HARDWARE[machine.provider],
        ]
    )  # fmt: skip
    try:
        guest = Guest(port, key)
        eventually(
            lambda: guest.run("id --user --name"),
            is_="vagrant",
            within=BOOT_SECONDS,
            not_yet=(ConnectionError, subprocess.TimeoutExpired),
        )
        yield guest
    finally:
        emulator.kill()
        emulator.wait()


def test_every_unit_that_starts_works(guest: Guest) -> None:
    eventually(
        lambda: guest.run("systemctl is-system-running || true"),
        is_="running",
        within=BOOT_SECONDS,
    )


def test_vagrant_finds_what_it_needs_in_a_guest(guest: Guest) -> None:
    assert guest.run("sudo --non-interactive id --user") == "0"
    assert guest.run("systemctl is-active systemd-networkd") == "active"
    assert guest.run("command -v rsync hostname ip ps").count("/") >= 4
    assert "10.0.2.15/24" in guest.run("ip -brief -4 address show eth0")


def test_a_node_has_what_its_provisioning_expects(guest: Guest) -> None:
    assert guest.run("docker --version").startswith("Docker version")
    assert guest.run("id --groups --name").split() == ["vagrant", "docker"]
    assert guest.run("systemctl is-enabled docker etcd || true") == "disabled\ndisabled"
    guest.run("sudo modprobe btrfs && sudo modprobe overlay && test -e /dev/loop-control")


def test_the_disk_is_as_large_as_it_says_and_not_in_use(guest: Guest) -> None:
    (root,) = json.loads(guest.run("findmnt --json --bytes --output SIZE,USED /"))["filesystems"]
    assert int(root["size"]) > 0.95 * recipe.DISK_BYTES
    assert int(root["used"]) < 2 << 30


def test_a_machine_makes_an_identity_of_its_own(guest: Guest) -> None:
    assert len(guest.run("cat /etc/machine-id")) == 32
    assert guest.run("ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ecdsa_key"


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    assert isinstance(port, int)
    return port
