"""libvirt on this machine: use the one that answers, else start one and remember it."""

import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from subprocess import Popen

from host import BUILD, LOGS, daemons, firewall, progress
from host.commands import attempt
from host.daemons import Daemon
from host.files import write_whole
from host.packages import SYSTEMD
from host.problem import Problem
from host.progress import StepFailed

FOLDER = BUILD / "libvirt"
RECORD = FOLDER / "started.json"
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

# virtlogd first: no machine starts without it.
SOCKETS = {
    "virtlogd": Path("/run/libvirt/virtlogd-sock"),
    "libvirtd": Path("/run/libvirt/libvirt-sock"),
}
POOL = "default"  # vagrant-libvirt defines it where it is missing
POOL_DEFINITION = Path("/etc/libvirt/storage/default.xml")
# What vagrant-libvirt calls the copy of a box that the nodes' disks stand on.
BOX_VOLUMES = "volume-plugins-demo-VAGRANTSLASH-node_vagrant_box_image_"

MACHINE_PREFIX = "volume-plugins-demo-"
DESCRIPTION = "Node of the checkout "  # the Vagrantfile's, before the checkout's folder

START_SECONDS = 30
STOP_SECONDS = 30


@dataclass(frozen=True)
class Machine:
    """A virtual machine with a node's name. `checkout` is what its description says, if it does."""

    name: str
    uuid: str
    checkout: Path | None


@dataclass(frozen=True)
class Started:
    """Daemons this checkout started, and what the machine was like before them."""

    daemons: dict[str, Daemon]  # by the program's name
    interfaces: tuple[str, ...]
    forwarding: str
    rules: dict[str, str]
    had_pool: bool


def answers() -> bool:
    """True if libvirt answers where Vagrant looks for it."""
    return attempt(*VIRSH, "version") is not None


def machines() -> tuple[Machine, ...]:
    """All nodes that are virtual machines, running or not, of this checkout and of others."""
    names = (name for name in _lines("list", "--all", "--name") if name.startswith(MACHINE_PREFIX))
    return tuple(
        Machine(
            name,
            uuid=(attempt(*VIRSH, "domuuid", name) or "").strip(),
            checkout=read_checkout(attempt(*VIRSH, "desc", name) or ""),
        )
        for name in names
    )


def read_checkout(description: str) -> Path | None:
    """The checkout that a machine's description names."""
    text = description.strip()
    return Path(text.removeprefix(DESCRIPTION)) if text.startswith(DESCRIPTION) else None


def start() -> None:
    """Make libvirt answer: through systemd where it runs, else as processes of its own.

    Raises:
        Problem: a daemon ended or did not answer within 30 s; holds the last line of its log.
    """
    if answers():
        return
    if SYSTEMD.exists():
        _start_service()
        return
    with progress.step("Starting libvirt"):
        _start_processes()


def cut_power(machine: str) -> None:
    """Take a running machine's power away; return when libvirt has noticed.

    QEMU is killed, so that what it holds of the disk's tables, which the machine has not flushed,
    goes too: `virsh destroy` lets it write them.

    Raises:
        FileNotFoundError: the machine does not run.
        Problem: libvirt takes it for running after 30 s.
    """
    handle = os.pidfd_open(int(Path(f"/run/libvirt/qemu/{machine}.pid").read_text()))
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
    deadline = time.monotonic() + STOP_SECONDS
    while machine in _lines("list", "--name"):
        if time.monotonic() > deadline:
            raise Problem(
                f"libvirt still takes {machine} for running; see: virsh domstate {machine}"
            )


def remove_box_volumes() -> None:
    """Remove the copies of our boxes from libvirt's storage, unless a node may stand on one."""
    if machines():
        return
    for line in _lines("vol-list", POOL):
        name = line.split()[0]
        if name.startswith(BOX_VOLUMES):
            attempt(*VIRSH, "vol-delete", name, "--pool", POOL)


def stop() -> None:
    """Stop the daemons this checkout started, and take back what they did to the machine.

    libvirt that was there before is left alone. So is ours while somebody else's machine
    runs: that is said, and the next `make down` tries again.

    Raises:
        Problem: a daemon did not end within 30 s.
    """
    started = _read_record()
    if started is None:
        return
    alive = {name: daemon for name, daemon in started.daemons.items() if daemon.is_alive()}
    if "libvirtd" in alive:
        strangers = _lines("list", "--name")
        if strangers:
            print(
                f"libvirt stays up: {', '.join(strangers)} of others runs in it. "
                "Once that has ended, type: make down"
            )
            return
        _remove_networks(started.interfaces)
        if not started.had_pool:
            attempt(*VIRSH, "pool-destroy", POOL)
            attempt(*VIRSH, "pool-undefine", POOL)
    elif answers():
        # Ours has ended, and somebody else has started one since: the network is its own now.
        RECORD.unlink()
        return
    if alive:
        with progress.step("Stopping libvirt"):
            for program in reversed(alive):
                _stop_process(program, alive[program])
    firewall.restore(started.rules, firewall.LIBVIRT)
    FORWARDING.write_text(started.forwarding)
    RECORD.unlink()


def _lines(*arguments: str) -> list[str]:
    printed = attempt(*VIRSH, *arguments) or ""
    return [line.strip() for line in printed.splitlines() if line.strip()]


def _read_record() -> Started | None:
    if not RECORD.exists():
        return None
    record = json.loads(RECORD.read_text())
    found = {name: Daemon(**daemon) for name, daemon in record.pop("daemons").items()}
    return Started(daemons=found, **record)


def _start_service() -> None:
    try:
        progress.run(
            "Starting libvirt", ["systemctl", "start", "libvirtd"], LOGS / "libvirt-start.log"
        )
    except StepFailed as error:
        raise Problem(
            "libvirt does not start; mend that first (see: journalctl -u libvirtd)"
        ) from error


def _start_processes() -> None:
    # Those of ours that were killed left networks and rules: what was there before them counts.
    before = _read_record() or Started(
        {}, _interfaces(), FORWARDING.read_text(), firewall.read(), POOL_DEFINITION.exists()
    )
    running = {name: daemon for name, daemon in before.daemons.items() if daemon.is_alive()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for program, path in SOCKETS.items():
        if _listens(path):
            continue
        process = daemons.spawn([program], _log(program))
        daemon = daemons.started(process)
        if daemon is not None:
            running[program] = daemon
            write_whole(RECORD, json.dumps(asdict(replace(before, daemons=running))))
        _wait_until_it_listens(program, process)


def _wait_until_it_listens(program: str, process: Popen[bytes]) -> None:
    try:
        daemons.wait_until(partial(_listens, SOCKETS[program]), process, within=START_SECONDS)
    except daemons.Ended:
        reason = daemons.last_line(_log(program))
        stop()
        raise Problem(f"{program} does not start: {reason}; mend that first") from None
    except TimeoutError:
        raise Problem(
            f"{program} does not answer after {START_SECONDS} s: "
            f"{daemons.last_line(_log(program))}; type: make down, then try again"
        ) from None


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _log(program: str) -> Path:
    return FOLDER / f"{program}.log"


def _interfaces() -> tuple[str, ...]:
    return tuple(name for _, name in socket.if_nameindex())


def _remove_networks(interfaces: Sequence[str]) -> None:
    """Take down the networks that came with us; those Vagrant made it has removed already."""
    for name in _lines("net-list", "--name"):
        bridge = (attempt(*VIRSH, "net-dumpxml", name) or "").partition("bridge name='")[2]
        if bridge.partition("'")[0] not in interfaces:
            attempt(*VIRSH, "net-destroy", name)


def _stop_process(program: str, daemon: Daemon) -> None:
    if not daemons.end(daemon, within=STOP_SECONDS):
        raise Problem(
            f"{program} (process {daemon.pid}) has not ended after {STOP_SECONDS} s: "
            f"{daemons.last_line(_log(program))}; type: make down"
        )
