"""Today's ways: the app's volume is a folder, and a person carries it over by ssh.

The folder is a subvolume of the same pool, behind a volume of Docker's own `local` driver. Each
ends as the driver does: with the copy on the target's disk.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from acceptance.nodes.node import Node
from bench import disk
from bench.keys import SSH
from bench.plan import BTRFS, RSYNC, TAR, TAR_UNLOGGED, Data

VOLUME = "bench-local"
FOLDER = f"{disk.FOLDER}/volume"
SNAPSHOT = f"{disk.FOLDER}/snapshot"
RECEIVED = f"{disk.FOLDER}/received"
CARRY_SECONDS = 300


def make_volume(node: Node) -> None:
    """A `local` volume on the folder; the folder itself may come later."""
    node.run(
        "docker volume create --driver local --opt type=none --opt o=bind "
        f"--opt device={FOLDER} {VOLUME}"
    )


def remove_volume(node: Node) -> None:
    """Remove what `make_volume` made, and the folder."""
    node.run(f"docker volume rm --force {VOLUME}")
    disk.delete(node, FOLDER, SNAPSHOT, RECEIVED)


@dataclass
class Bare:
    """Common to the three: where the data is on both nodes. See bench.move.Method."""

    source: Node
    target: Node
    data: Data
    mount: str = f"--volume {VOLUME}:/data"

    def create(self) -> None:
        disk.make_subvolume(self.source, FOLDER)

    def fill(self) -> None:
        disk.fill(self.source, FOLDER, self.data)

    def ahead(self) -> None:
        """Nothing is done while the app runs."""

    def settle(self) -> None:
        """Nothing follows the changes."""

    def folder_on(self, node: Node) -> str:  # noqa: ARG002 - the same on all
        return FOLDER

    def remove(self) -> None:
        for node in (self.source, self.target):
            disk.delete(node, FOLDER, SNAPSHOT, RECEIVED)

    def _carry(self, pipeline: str) -> None:
        done = self.source.type(f"sudo bash -c 'set -o pipefail; {pipeline}'", CARRY_SECONDS)
        if done.exit_status != 0:
            raise RuntimeError(f"`{pipeline}` failed: {done.output}")

    def _flush_target(self) -> float:
        started = time.monotonic()
        self.target.run(f"sudo btrfs filesystem sync {disk.FOLDER}")
        return time.monotonic() - started

    @property
    def _ssh(self) -> str:
        return f"{SSH} vagrant@{self.target.address}"


class Tar(Bare):
    """A container that reads the volume, a container that writes it, ssh between them."""

    name = TAR
    options = ""

    def create(self) -> None:
        super().create()
        disk.make_subvolume(self.target, FOLDER)

    def carry(self) -> float:
        run = f"docker run --rm --volume {VOLUME}:/data {self.options}"
        self._carry(
            f"{run} busybox tar -cf - -C /data . "
            f"| {self._ssh} {run} --interactive busybox tar -xf - -C /data"
        )
        return self._flush_target()


class TarUnlogged(Tar):
    """Docker's default writes what a container prints to a file as JSON, a whole volume too."""

    name = TAR_UNLOGGED
    options = "--log-driver none"


class Rsync(Bare):
    """Once while the app runs, once more for what changed since."""

    name = RSYNC

    def create(self) -> None:
        super().create()
        disk.make_subvolume(self.target, FOLDER)

    def ahead(self) -> None:
        self._sync()
        self._flush_target()

    def carry(self) -> float:
        self._sync()
        return self._flush_target()

    def _sync(self) -> None:
        self._carry(
            f'rsync -aHAX --delete --rsh "{SSH}" --rsync-path "sudo rsync" '
            f"{FOLDER}/ vagrant@{self.target.address}:{FOLDER}/"
        )


class Send(Bare):
    """A snapshot, sent whole."""

    name = BTRFS

    def create(self) -> None:
        super().create()
        self.target.run(f"sudo mkdir -p {RECEIVED}")

    def carry(self) -> float:
        self._carry(
            f"btrfs --quiet subvolume snapshot -r {FOLDER} {SNAPSHOT} "
            f"&& btrfs --quiet filesystem sync {FOLDER} "
            f"&& btrfs --quiet send {SNAPSHOT} | {self._ssh} sudo btrfs --quiet receive {RECEIVED}"
        )
        flush_seconds = self._flush_target()
        self.target.run(f"sudo btrfs --quiet subvolume snapshot {RECEIVED}/snapshot {FOLDER}")
        return flush_seconds
