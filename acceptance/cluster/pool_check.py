"""The pool of a node: whether the file system is what it should be."""

from __future__ import annotations

from acceptance.base import evidence
from acceptance.nodes.node import Node

POOL = "/var/lib/flocker"
# All that was ever written is read and compared with its checksum; then what the kernel has counted
# since the pool was made. Both exit with a status when there is anything to tell.
CHECKS = (f"sudo btrfs scrub start -B {POOL}", f"sudo btrfs device stats --check {POOL}")


def check_is_clean(node: Node) -> None:
    """Look at everything in a node's pool.

    Raises:
        AssertionError: something there is damaged; the message is btrfs's.
    """
    for command in CHECKS:
        typed = node.type(command)
        evidence.typed(typed)
        assert typed.exit_status == 0, f"the pool of {node.name}: {typed.output}"
