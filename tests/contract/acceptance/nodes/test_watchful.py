"""A connection notices that its other end is gone: in a network namespace with a packet filter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.contract

PROGRAM = """
import socket, subprocess, sys, threading, time
from acceptance.nodes.watchful import GONE_SECONDS, watch

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with socket.create_server(("127.0.0.1", 0)) as listening:
    connections = [socket.create_connection(listening.getsockname()) for _ in range(3)]
    kept = [listening.accept() for _ in connections]

idle, asking, unwatched = connections
for connection in (idle, asking):
    watch(connection)
drop = ["iptables", "--insert", "INPUT", "--protocol", "tcp", "--jump", "DROP"]
subprocess.run(drop, check=True)
asking.sendall(b"anybody there?")

def wait(name, connection):
    connection.settimeout(GONE_SECONDS + 15)
    started = time.monotonic()
    try:
        connection.recv(1)
        said = "nothing"
    except TimeoutError as error:
        said = "gone" if error.errno else "waits"
    print(name, said, time.monotonic() - started < GONE_SECONDS + 10, flush=True)

threads = [
    threading.Thread(target=wait, args=each)
    for each in (("idle", idle), ("asking", asking), ("unwatched", unwatched))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_a_vanished_node_is_noticed_by_who_waits_and_by_who_asks() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", PROGRAM],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "asking gone True",
        "idle gone True",
        "unwatched waits False",  # the default, which is what this is about
    ]
