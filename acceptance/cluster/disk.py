"""A node's disk that fails on command: a program of the node's serves the file of its pool.

See acceptance/failing_disk.py, which is that program.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from acceptance.base.waiting import eventually
from acceptance.nodes.node import Node

SOURCE = Path(__file__).parents[1] / "failing_disk.py"
PROGRAM = "/run/failing_disk.py"  # on a node, as the following
CONTROL = "/run/failing_disk"
FOLDER = "/var/lib/flocker-disk"  # of the pool's file
MAKE_DEVICE = "[ -c /dev/fuse ] || sudo mknod -m 0600 /dev/fuse c 10 229"
CAN_FAIL = (
    f"{MAKE_DEVICE}; sudo python3 -c 'import fusepy; open(\"/dev/fuse\")'"
    f" && sudo test -e {FOLDER}/pool.img"
)
IS_SERVED = f"findmnt --types fuse {FOLDER} > /dev/null"
RELIABLE = "well"
FAILURES = {
    "answers writes with errors": "refuse",
    "answers writes after a second": "late 1",
    "does not answer writes": "hang",
}
START_SECONDS = 30
STOP = "sudo systemctl stop docker.socket docker flocker.socket flocker flocker-pool"
START = "sudo systemctl start flocker-pool flocker.socket flocker docker.socket docker"


def can_fail(node: Node) -> bool:
    """True if a node has all that such a disk takes."""
    return node.type(CAN_FAIL).exit_status == 0


def replace(node: Node) -> None:
    """Have the pool of a node on a disk that can fail, and does not yet; no container may run."""
    program = b64encode(SOURCE.read_bytes()).decode()
    node.run(f"echo {program} | base64 --decode | sudo tee {PROGRAM} > /dev/null")
    node.run(
        f"{MAKE_DEVICE}; echo {RELIABLE} | sudo tee {CONTROL} > /dev/null && {STOP}"
        f" && sudo systemd-run --quiet --collect python3 {PROGRAM} {FOLDER} {CONTROL}"
    )
    eventually(lambda: node.type(IS_SERVED).exit_status, is_=0, within=START_SECONDS)
    node.run(START)


def fail(node: Node, failure: str) -> None:
    """Have the disk fail from now on, in one of the ways of FAILURES."""
    node.run(f"echo {FAILURES[failure]} | sudo tee {CONTROL} > /dev/null")


def put_back(node: Node) -> None:
    """Have the pool on the disk that it was on; containers end."""
    try:
        node.run(
            f"echo {RELIABLE} | sudo tee {CONTROL} > /dev/null && {STOP}"
            f" && if {IS_SERVED}; then sudo umount {FOLDER}; fi"
        )
    finally:  # a disk that stays answers by now, and later scenarios need the node
        node.run(START)
