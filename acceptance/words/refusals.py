"""Why something is refused, as scenarios say it, and what the answer has to say then."""

from __future__ import annotations

from acceptance.base.command import Typed
from acceptance.cluster import writer
from acceptance.words import phrases

IN_USE = "volume '{volume}' is in use by container '{container}' on {node}"
FULL = ("Disk quota exceeded", "No space left")

# Reason, as a scenario says it -> parts of the answer; `volume` is the one that was wanted.
ANSWERS: dict[str, tuple[str, ...]] = {
    'the container on "{node}" uses it': (IN_USE,),
    'nobody answers for "{node}", which owns it': (
        "volume '{volume}' is owned by {node}, which is away since",
        "complete up to",
        "flocker promote {volume}",
    ),
    'the fence of "{node}" does not watch': (
        "flocker-fence on {node}, which has to stop its containers in time",
        "systemctl status flocker-fence",
    ),
    'the disk of "{node}" lost it': ("type `flocker promote {volume}` on {node}",),
    'another machine has the name "{node}"': (
        "the name belongs to another machine",
        "If the other machine is gone for good",
    ),
    "etcd has no majority": ("etcd",),
    'the folder "{folder}" in it cannot leave "{node}"': (
        "cannot leave {node}: the folder '{folder}' in it is a subvolume",
    ),
    "it holds more than that": ("delete data first, or choose a larger size",),
    'there is no option "{option}", only size, replicas, failover, from and pool': (
        "unknown option '{option}'",
        "size=",
        "replicas=",
        "failover=",
        "from=",
        "pool=",
    ),
    "it may only be read": ("Read-only file system",),
    "there is no such program": ("no-such-command",),
    "a monitor may not ask this": ("monitor '", "may not ask this"),
    "an operator may not ask this": ("operator '", "may not ask this"),
    '"{node}" neither copies nor receives it': ("{node} neither copies nor receives volume",),
    "only root may read this": ("Permission denied",),
    'nobody made the volume "{name}"': ("{name}",),
}


def expected(reason: str, volume: str) -> list[str]:
    """Return what the answer has to say if a volume is refused for that reason.

    Raises:
        LookupError: no scenario has said this reason before.
    """
    answer, words = phrases.find(reason, ANSWERS)
    return [part.format(volume=volume, container=writer.NAME, **words) for part in answer]


def check(typed: Typed, reason: str, volume: str) -> None:
    """Make sure that a command was refused, and for that reason.

    Raises:
        AssertionError: it was not; the message is what it printed.
    """
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    missing = [part for part in expected(reason, volume) if part not in typed.output]
    assert not missing, f"it does not say {missing}: {typed.output!r}"


def check_full(typed: Typed) -> None:
    """Make sure that a write was refused because its volume was full.

    Raises:
        AssertionError: it was not; the message is what it printed.
    """
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    assert any(reason in typed.output for reason in FULL), f"it said {typed.output!r}"


def check_in_use(typed: Typed, volume: str, container: str, node: str) -> None:
    """Make sure that a command was refused because a container on a node uses the volume.

    Raises:
        AssertionError: it was not; the message is what it printed.
    """
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    answer = IN_USE.format(volume=volume, container=container, node=node)
    assert answer in typed.output, typed.output
