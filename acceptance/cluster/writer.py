"""A container that writes to a volume all the time, and says each line it has written."""

from __future__ import annotations

from acceptance.base.waiting import eventually_true
from acceptance.nodes.node import Node

NAME = "writer"
STOP = f"docker stop {NAME}"
STOP_UNSEEN = (  # by its driver, which hears of no unmount
    "sudo systemctl stop flocker.socket flocker\n"
    f"{STOP}\n"
    "sudo systemctl start flocker.socket flocker"
)
COPY = f"docker cp {NAME}:/data/log - | wc -c"
SHARE = f"docker run --rm --volumes-from {NAME} busybox ls /data"
SYNC = "&& dd if=/dev/null of=/data/log conv=notrunc,fsync 2>/dev/null "
LINES = 5  # half a second's worth: enough to know that it goes on
WRITES_SECONDS = 10


def command(volume: str, then: str = "") -> str:
    """The command that starts it. Its lines are numbers, each printed once it is in the file.

    Args:
        then: what else is to succeed before, such as SYNC.
    """
    script = (
        f"i=0; while :; do i=$((i+1)); echo $i >> /data/log {then}&& echo $i; usleep 100000; done"
    )
    return (
        f"docker run -d --init --name {NAME} --volume-driver flocker -v {volume}:/data "
        f"busybox sh -c '{script}'"
    )


def written(node: Node) -> list[str]:
    """The lines that the container on that node has written so far."""
    return node.engine.printed(NAME)


def keeps_writing(node: Node) -> int:
    """Wait until the container on that node has written some more lines; return how many it has.

    Raises:
        NeverCame: it does not.
    """
    start = len(written(node))
    return eventually_true(
        lambda: len(written(node)),
        lambda written: written >= start + LINES,
        what=f"{LINES} more lines than {start}",
        within=WRITES_SECONDS,
    )
