"""Real nodes, as several people type on them at the same time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock

from acceptance.base.waiting import eventually
from acceptance.cluster.cluster import Cluster
from acceptance.nodes.access import NodeAway
from flocker.base.errors import FlockerError, Refused
from tests.soak.on_nodes.accounts import Accounts, lines_in
from tests.soak.people import Work

BACK_SECONDS = 240  # in which a removed volume is had back, whatever goes wrong meanwhile

NOT_REMOVED = ("no removed volume", "there is a volume")  # what `flocker undelete` says then

log = logging.getLogger("soak")

# Each line is printed when it is on disk. Who cannot write ends, so that no number is left out.
SCRIPT = (
    "run=$NODE.$(cut -c 1-8 /proc/sys/kernel/random/uuid); i=0; "
    "while i=$((i+1)) && echo $run.$i >> /data/log && sync /data/log && echo $run.$i; "
    "do usleep 200000; done"
)


class Gates:
    """Keep containers from being started with a volume that is removed for a moment.

    An engine would make a new volume of that name.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._starting: Counter[str] = Counter()
        self._removed: set[str] = set()

    @contextmanager
    def starting(self, volume: str) -> Iterator[None]:
        """Raises Refused: it is removed."""
        with self._lock:
            if volume in self._removed:
                raise Refused(f"{volume} is removed")
            self._starting[volume] += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting[volume] -= 1

    @contextmanager
    def removed(self, volume: str) -> Iterator[None]:
        """Raises Refused: it is about to be used, or removed already."""
        with self._lock:
            if self._starting[volume] or volume in self._removed:
                raise Refused(f"{volume} is about to be used")
            self._removed.add(volume)
        try:
            yield
        finally:
            with self._lock:
                self._removed.discard(volume)


class Keyboards:
    """The nodes, as their operators see them; see tests.soak.people.Operated.

    One container for each volume on each node, of the volume's name. It is started again and
    again, and all it was told is in its log.

    Args:
        clusters: connections to all nodes, one for each command at a time.
    """

    def __init__(self, clusters: list[Cluster], accounts: Accounts) -> None:
        self.names = [node.name for node in clusters[0].nodes]
        self._accounts = accounts
        self._gates = Gates()
        self._free: SimpleQueue[Cluster] = SimpleQueue()
        for cluster in clusters:
            self._free.put(cluster)

    def works(self) -> list[Work]:
        """Work that only real nodes are asked to do."""
        return [Work("fetch", 2, self.fetch), Work("remove", 0.5, self.remove_and_bring_back)]

    def type(self, node: str, command: str) -> str:
        """Type a command; what it printed.

        Raises:
            FlockerError: it failed, or the node does not answer.
        """
        cluster = self._free.get()
        try:
            typed = cluster.type(node, command)
        except (NodeAway, RuntimeError) as error:  # it is gone, maybe before the notes were made
            log.info("%s$ %s\n%s", node, command, error)
            raise FlockerError(str(error)) from error
        finally:
            self._free.put(cluster)
        log.info(
            "%s$ %s [%d after %.1f s]\n%s",
            node, command, typed.exit_status, typed.seconds, typed.output[-400:].strip(),
        )  # fmt: skip
        if typed.exit_status != 0:
            raise FlockerError(typed.output.strip())
        return typed.output

    def run_container(self, node: str, volume: str) -> None:
        with self._gates.starting(volume):
            self.type(
                node,
                f"{_there(volume)} || docker create --init --name {volume} --env NODE={node}"
                f" --volume-driver flocker -v {volume}:/data busybox sh -c '{SCRIPT}' >/dev/null"
                f" && docker start {volume}",
            )

    def end_container(self, node: str, volume: str) -> None:
        self.type(node, f"! {_there(volume)} || docker stop --time 1 {volume}")

    def promote(self, node: str, volume: str, *, here: bool) -> None:
        self.type(node, f"sudo flocker promote {'--here ' if here else ''}{volume}")

    def cancel_move(self, node: str, volume: str) -> None:
        self.type(node, f"sudo flocker move --cancel {volume}")

    def snapshot(self, node: str, volume: str) -> None:
        self.type(node, f"sudo flocker snapshot --label soak {volume}")

    def fetch(self, node: str, volume: str) -> None:
        """Move a volume here without a container."""
        self.type(node, f"sudo flocker move {volume}")

    def remove_and_bring_back(self, node: str, volume: str) -> None:
        """Remove a volume and have it back, the containers on it removed for good."""
        with self._gates.removed(volume):
            for each in self.names:
                self.remove_container(each, volume)
            try:
                self.remove(node, volume)
            finally:
                eventually(lambda: self._is_back(node, volume), is_=True, within=BACK_SECONDS)

    def remove(self, node: str, volume: str) -> None:
        """Remove a volume, if there is one."""
        there = f"docker volume inspect {volume} >/dev/null 2>&1"
        self.type(node, f"! {there} || docker volume rm {volume}")

    def remove_container(self, node: str, volume: str) -> None:
        """Remove the container, and keep account of what it was told."""
        printed = self.type(
            node,
            f"! {_there(volume)} || {{ docker stop --time 1 {volume} >/dev/null"
            f" && docker logs {volume} && docker rm {volume} >/dev/null; }}",
        )
        self._accounts.add(volume, lines_in(printed))

    def read(self, node: str, volume: str) -> list[str]:
        """The lines in a volume, which is moved to the node for it."""
        command = "touch /data/log && cat /data/log"
        return self.type(
            node,
            f"docker run --rm --volume-driver flocker -v {volume}:/data busybox sh -c '{command}'",
        ).splitlines()

    def _is_back(self, node: str, volume: str) -> bool:
        """Have a volume back, if it is removed."""
        try:
            self.type(node, f"sudo flocker undelete {volume}")
        except FlockerError as error:
            return any(reason in str(error) for reason in NOT_REMOVED)
        return True


def _there(container: str) -> str:
    return f"docker container inspect {container} >/dev/null 2>&1"
