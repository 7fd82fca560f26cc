"""The daemon of one node: `python3 -m flocker`, started by systemd."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from flocker.api.plugin import refuse_engine
from flocker.api.serving import serve_on_peer_socket, serve_on_plugin_socket
from flocker.base import private
from flocker.base.config import Config
from flocker.base.errors import FlockerError
from flocker.base.journal import log_to_journal
from flocker.base.pulse import LOOP_SECONDS, Pulse
from flocker.base.systemd import tell_systemd
from flocker.daemon import assemble

log = logging.getLogger("flocker")

START_POLL_SECONDS = 0.05
WATCH_SECONDS = 1
# How long a daemon that cannot start says why before systemd starts it anew, with the settings as
# they are then.
REFUSE_SECONDS = 4
CONNECTIONS_AHEAD = 1024  # taken by the kernel before the daemon gets to them
FIRST_INHERITED_FD = 3  # sd_listen_fds(3)


def main() -> int:
    """Serve until SIGTERM; the exit status."""
    os.umask(private.OTHERS)  # also a socket is root's alone from its first moment
    log_to_journal()
    for library in ("httpx2", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    try:
        return serve(Config.from_environment(), told_to_end)
    except (FlockerError, OSError) as error:  # a port in use, a certificate that cannot be read
        print(f"flocker: {error}", file=sys.stderr)
        _say_why(str(error), told_to_end)
        return 1


def serve(config: Config, told_to_end: threading.Event) -> int:
    """Run the daemon until it is told to end or something of it has died; the exit status.

    Raises:
        FlockerError, OSError: it cannot start.
    """
    stopping = threading.Event()
    peer_socket = socket.create_server(
        (config.address, config.peer_port), backlog=CONNECTIONS_AHEAD
    )
    daemon = assemble(config, stopping)
    pulse = daemon.pulse
    engine_server = serve_on_plugin_socket(
        daemon.engine_app,
        _engine_socket(config.socket),
        pulse.expect("the server for the engine", LOOP_SECONDS),
    )
    peer_server = serve_on_peer_socket(
        daemon.peers_app,
        peer_socket,
        daemon.tls.server,
        pulse.expect("the server for other nodes", LOOP_SECONDS),
    )
    servers = [engine_server, peer_server]
    is_ready = False
    while not told_to_end.wait(WATCH_SECONDS if is_ready else START_POLL_SECONDS):
        if any(server.has_died for server in servers):
            print("flocker: stopped serving; the lines above say why", file=sys.stderr)
            return 1
        if not is_ready and all(server.is_serving for server in servers):
            is_ready = True
            tell_systemd("READY=1")
            log.info("serving volumes of %s", config.node)
        feed_watchdog(pulse)
    # The engine first: what it has asked may need all the rest.
    engine_server.stop()
    stopping.set()
    peer_server.stop()
    return 0


def feed_watchdog(pulse: Pulse) -> None:
    """Tell systemd that the daemon is at work.

    Not if a part of it hangs, for then it is ended, with the stacks of its threads in the journal,
    and started anew.
    """
    if hung := pulse.hung():
        log.error("not at work any more: %s", ", ".join(hung))
    else:
        tell_systemd("WATCHDOG=1")


def _say_why(why: str, told_to_end: threading.Event) -> None:
    """Tell the engine why this daemon cannot start.

    Otherwise each of its calls would wait for minutes at a socket that nobody reads. Without a
    socket of systemd's, nothing can wait.
    """
    listening = _inherited_socket()
    if listening is not None:
        server = serve_on_plugin_socket(refuse_engine(why), listening, lambda: None)
        told_to_end.wait(REFUSE_SECONDS)
        server.stop()


def _engine_socket(path: Path) -> socket.socket:
    """The socket systemd holds for us, or one of our own at `path`, for root only."""
    inherited = _inherited_socket()
    if inherited is not None:
        return inherited
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def _inherited_socket() -> socket.socket | None:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    return socket.socket(fileno=FIRST_INHERITED_FD)


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Not sys.exit: that would wait for threads that wait for data, for up to answer_seconds.
    os._exit(status)
