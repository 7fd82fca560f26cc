"""A key pair for one run, so that the baselines' ssh gets from one node to the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from acceptance.nodes.node import Node

FOLDER = "/run/flocker-bench"
MARK = "flocker-bench"  # the key's comment; by it the line is found again
SSH = (
    f"ssh -i {FOLDER}/key -o BatchMode=yes -o StrictHostKeyChecking=yes "
    f"-o UserKnownHostsFile={FOLDER}/known_hosts -o GlobalKnownHostsFile=/dev/null "
    "-o LogLevel=ERROR"
)


@contextmanager
def ssh_between(nodes: Sequence[Node]) -> Iterator[None]:
    """Let root on each node log in as `vagrant` on the others with `SSH`, until the block ends.

    The private keys live in the nodes' memory (/run).
    """
    known_hosts = "".join(_known_host(node) for node in nodes)
    with ExitStack() as cleanup:  # a node that is away must not keep the keys on the others
        for node in nodes:
            cleanup.callback(_forget, node)
        for node in nodes:
            node.run(
                f"sudo rm -rf {FOLDER} && sudo install -d -m 0700 {FOLDER} "
                f"&& sudo ssh-keygen -q -t ed25519 -N '' -C {MARK} -f {FOLDER}/key"
                f" && echo '{known_hosts}' | sudo tee {FOLDER}/known_hosts >/dev/null"
            )
            public = node.run(f"sudo cat {FOLDER}/key.pub").strip()
            for other in nodes:
                if other is not node:
                    other.run(f"echo '{public}' >> ~/.ssh/authorized_keys")
        yield


def _forget(node: Node) -> None:
    node.type(f"sudo rm -rf {FOLDER}; sed -i '/ {MARK}$/d' ~/.ssh/authorized_keys")


def _known_host(node: Node) -> str:
    """Its lines of a known_hosts, as it tells them itself."""
    keys = node.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub").splitlines()
    return "".join(f"{node.address} {key}\n" for key in keys)
