"""Docker's engine on this machine: use the one that answers, else start one and remember it."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from host import BUILD, LOGS, firewall, progress
from host.commands import ask, docker_lines
from host.packages import SYSTEMD
from host.problem import Problem
from host.progress import StepFailed

FOLDER = BUILD / "engine"
RECORD = FOLDER / "started.json"
LOG = FOLDER / "dockerd.log"
BRIDGE = "docker0"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

START_SECONDS = 60
STOP_SECONDS = 60  # dockerd gives each running container 10 s of its own
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Started:
    """An engine this checkout started, and what the machine's network looked like before it.

    `start_ticks` (clock ticks since boot) tells the process from a later one with its pid.
    """

    pid: int
    start_ticks: int
    had_bridge: bool
    forwarding: str
    rules: dict[str, str]


def answers() -> bool:
    """Whether an engine answers where `docker` looks for one."""
    return ask("docker", "version", "--format", "{{.Server.Version}}") is not None


def start() -> None:
    """Make an engine answer: through systemd where it runs, else as a process of its own.

    Raises:
        Problem: it ended or did not answer within 60 s; holds the last line of its log.
    """
    if answers():
        return
    if "DOCKER_HOST" in os.environ:
        raise Problem(
            f"no engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}; "
            "start it, or unset DOCKER_HOST"
        )
    if SYSTEMD.exists():
        _start_service()
        return
    with progress.step("Starting Docker's engine"):
        _start_process()


def stop() -> None:
    """Stop the engine this checkout started, and take back what it did to the network.

    An engine that was there before is left alone. So is ours while somebody else's
    container runs in it: that is said, and the next `make down` tries again.

    Raises:
        Problem: it did not end within 60 s.
    """
    started = _read_record()
    if started is None:
        return
    if _is_alive(started):
        strangers = docker_lines("ps", "--format", "{{.Names}}")
        if strangers:
            print(f"The engine stays up: {', '.join(strangers)} of others runs in it.")
            return
        with progress.step("Stopping Docker's engine"):
            _stop_process(started.pid)
    elif answers():
        # Ours has ended, and somebody else has started one since: bridge and rules are its own now.
        RECORD.unlink()
        return
    if not started.had_bridge and _has_bridge():
        ask("ip", "link", "delete", BRIDGE)
    firewall.restore(started.rules)
    FORWARDING.write_text(started.forwarding)
    RECORD.unlink()


def last_line(log: Path) -> str:
    """The last thing a log says, or that it says nothing."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "(the log is empty)")


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it has ended.

    Source: proc(5), /proc/<pid>/stat: state and start time are fields 3 and 22; field 2, the
    program's name, may hold blanks and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _has_bridge() -> bool:
    return any(name == BRIDGE for _, name in socket.if_nameindex())


def _read_record() -> Started | None:
    return Started(**json.loads(RECORD.read_text())) if RECORD.exists() else None


def _start_service() -> None:
    try:
        progress.run(
            "Starting Docker's engine", ["systemctl", "start", "docker"], LOGS / "docker.log"
        )
    except StepFailed as error:
        # The unit's journal ends with systemd's own words, which name no reason.
        reason = ask(
            "journalctl", "-u", "docker", "-t", "dockerd", "-n", "1", "--no-pager", "-o", "cat"
        )
        raise Problem(
            f"Docker's engine does not start: {(reason or '').strip() or '(it says nothing)'}; "
            "mend that first (see: journalctl -u docker)"
        ) from error


def _start_process() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    # An engine of ours that was killed left its bridge and rules: what was there before it counts.
    earlier = _read_record()
    before = (
        (earlier.had_bridge, earlier.forwarding, earlier.rules)
        if earlier is not None
        else (_has_bridge(), FORWARDING.read_text(), firewall.read())
    )
    with LOG.open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in this terminal is not meant for it
        )
    ticks = start_ticks(daemon.pid)
    if ticks is not None:
        RECORD.write_text(json.dumps(asdict(Started(daemon.pid, ticks, *before))))
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if _ends_within(daemon, POLL_SECONDS):
            stop()  # takes back the bridge it may have made
            raise Problem(f"Docker's engine does not start: {last_line(LOG)}; mend that first")
        if time.monotonic() > deadline:
            raise Problem(
                f"Docker's engine does not answer after {START_SECONDS} s: {last_line(LOG)}; "
                "type: make down, then try again"
            )


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _is_alive(started: Started) -> bool:
    return start_ticks(started.pid) == started.start_ticks


def _stop_process(pid: int) -> None:
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], STOP_SECONDS)
    finally:
        os.close(handle)
    if not ended:
        raise Problem(
            f"Docker's engine (process {pid}) has not ended after {STOP_SECONDS} s: "
            f"{last_line(LOG)}; type: make down"
        )
