"""Docker's engine on this machine: use the one that answers, else start one and remember it."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from host import BUILD, LOGS, daemons, firewall, progress
from host.commands import attempt, docker_lines
from host.daemons import Daemon
from host.files import write_whole
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


@dataclass(frozen=True)
class Started:
    """An engine this checkout started, and what the machine's network looked like before it."""

    pid: int
    start_ticks: int
    had_bridge: bool
    forwarding: str
    rules: dict[str, str]


def answers() -> bool:
    """True if an engine answers where `docker` looks for one."""
    return attempt("docker", "version", "--format", "{{.Server.Version}}") is not None


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
    daemon = Daemon(started.pid, started.start_ticks)
    if daemon.is_alive():
        strangers = docker_lines("ps", "--format", "{{.Names}}")
        if strangers:
            print(
                f"The engine stays up: {', '.join(strangers)} of others runs in it. "
                "Once that has ended, type: make down"
            )
            return
        with progress.step("Stopping Docker's engine"):
            _stop_process(daemon)
    elif answers():
        # Ours has ended, and somebody else has started one since: bridge and rules are its own now.
        RECORD.unlink()
        return
    if not started.had_bridge and _has_bridge():
        attempt("ip", "link", "delete", BRIDGE)
    firewall.restore(started.rules, firewall.DOCKER)
    FORWARDING.write_text(started.forwarding)
    RECORD.unlink()


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
        reason = attempt(
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
    process = daemons.spawn(["dockerd"], LOG)
    daemon = daemons.started(process)
    if daemon is not None:
        ours = Started(daemon.pid, daemon.start_ticks, *before)
        write_whole(RECORD, json.dumps(asdict(ours)))
    try:
        daemons.wait_until(answers, process, within=START_SECONDS)
    except daemons.Ended:
        stop()  # takes back the bridge it may have made
        raise Problem(
            f"Docker's engine does not start: {daemons.last_line(LOG)}; mend that first"
        ) from None
    except TimeoutError:
        raise Problem(
            f"Docker's engine does not answer after {START_SECONDS} s: {daemons.last_line(LOG)}; "
            "type: make down, then try again"
        ) from None


def _stop_process(daemon: Daemon) -> None:
    if not daemons.end(daemon, within=STOP_SECONDS):
        raise Problem(
            f"Docker's engine (process {daemon.pid}) has not ended after {STOP_SECONDS} s: "
            f"{daemons.last_line(LOG)}; type: make down"
        )
