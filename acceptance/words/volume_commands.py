"""The commands with which a node works with a volume: one for each verb that scenarios have.

A volume says what is in one file of it, and a container that keeps writing adds to that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from acceptance.nodes.node import DRIVER

SAID = "/data/log"
LABEL = "label"  # Docker's own option; every other one is the driver's


def in_container(volume: str, program: str, *options: str) -> str:
    """Run a program of busybox in a container that has the volume at /data."""
    given = "".join(f"{option} " for option in options)
    return f"docker run --rm {given}--volume-driver {DRIVER} -v {volume}:/data busybox {program}"


def script(text: str) -> str:
    """Have a shell run a script, which may be all of `program` above."""
    return f"sh -c {quote(text)}"


def write(volume: str, text: str) -> str:
    """Have a volume say a text, and nothing else."""
    return in_container(volume, script(f"echo {quote(text)} > {SAID}"))


def add(volume: str, text: str) -> str:
    """Have a volume say one more line."""
    return in_container(volume, script(f"echo {quote(text)} >> {SAID}"))


def read(volume: str) -> str:
    """Print what a volume says."""
    return in_container(volume, f"cat {SAID}")


def look(volume: str) -> str:
    """Print the names of the files in a volume."""
    return in_container(volume, "ls /data")


def start_nothing(volume: str) -> str:
    """Start a container whose program does not exist."""
    return f"docker run --volume-driver {DRIVER} -v {volume}:/data busybox no-such-command"


def write_nameless(text: str) -> str:
    """Write a text to a volume that goes with its container, and print it."""
    written = script(f"echo {quote(text)} > {SAID} && cat {SAID}")
    return f"docker run --rm --volume-driver {DRIVER} -v /data busybox {written}"


def write_read_only(volume: str) -> str:
    """Print what a volume says, then write to it, in a container that may only read it."""
    program = script(f"cat {SAID}; echo lost > {SAID}")
    return f"docker run --rm --volume-driver {DRIVER} -v {volume}:/data:ro busybox {program}"


def fill(volume: str, megabytes: int) -> str:
    """Add a file of random content."""
    return in_container(volume, script(random_file(megabytes)))


def random_file(megabytes: int) -> str:
    """A script that adds a file; it fails where the volume has no room."""
    return f"dd if=/dev/urandom of=$(mktemp /data/XXXXXX) bs=1000000 count={megabytes}"


def digests(volume: str) -> str:
    """Print a digest of each file in a volume."""
    return in_container(volume, script(r"find /data -type f -exec sha256sum {} \; | sort"))


def create(volume: str, options: Mapping[str, str]) -> str:
    """Create a volume with options by name, of which `label` is a label of Docker's."""
    given = "".join(
        f"--label {value} " if name == LABEL else f"-o {name}={value} "
        for name, value in options.items()
    )
    return f"docker volume create -d {DRIVER} {given}{volume}"


def clone(state: str, volume: str) -> str:
    """Make a new volume of a state such as wiki@3."""
    return create(volume, {"from": state})


def remove(volume: str) -> str:
    """Remove a volume."""
    return f"docker volume rm {volume}"


def purge(volume: str) -> str:
    """Delete a removed volume on all nodes."""
    return f"sudo flocker purge {volume}"


def undelete(volume: str) -> str:
    """Take a removed volume back."""
    return f"sudo flocker undelete {volume}"


def snapshot(volumes: str, label: str) -> str:
    """Take a snapshot of one volume, or of several with blanks between, at one instant."""
    return f"sudo flocker snapshot {volumes} --label {quote(label)}"


def snapshots(volume: str) -> str:
    """List the snapshots of a volume."""
    return f"sudo flocker snapshots {volume}"


def restore(state: str) -> str:
    """Have a volume say what it said at a state such as wiki@3."""
    return f"sudo flocker restore {state}"


def prune(state: str) -> str:
    """Delete the snapshot of that state."""
    return f"sudo flocker prune {state}"


def resize(volume: str, size: str) -> str:
    """Give a volume another size."""
    return f"sudo flocker resize {volume} {size}"


def verify(volume: str) -> str:
    """Compare all copies of a volume."""
    return f"sudo flocker verify {volume}"


def move(volume: str, target: str) -> str:
    """Bring a volume to a node ahead of time."""
    return f"sudo flocker move {volume} --to {target}"


def promote(volume: str) -> str:
    """Continue from the newest copy."""
    return f"sudo flocker promote {volume}"


def promote_here(volume: str) -> str:
    """Continue from the copy of the node it is typed on."""
    return f"sudo flocker promote --here {volume}"
