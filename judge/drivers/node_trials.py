"""Level 3: two or three nodes share volumes, move them and reboot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from acceptance.base.waiting import eventually_true
from acceptance.machines.protocol import Ability
from acceptance.nodes.node import Node
from judge.drivers.behaviours import Claim
from judge.drivers.names import fresh_name
from judge.drivers.node_stage import NodeStage
from judge.drivers.trial import NotTried, Trial, require

MANIFEST = "/vagrant/acceptance/manifest.py"
WITH_PYTHON = "binocarlos/moby-counter"
LOGGING = "while true; do date >> /data/log; sleep 1; done"
BACK_SECONDS = 120  # after a reboot
MEBIBYTES = 16
LARGE_MEBIBYTES = 64
MEBIBYTE = 1 << 20
FEW_LINES = 5


def creates_one_volume(stage: NodeStage) -> None:
    """Row 6."""
    name, (first, second) = fresh_name(), stage.nodes[:2]
    try:
        with ThreadPoolExecutor() as threads:
            answers = list(
                threads.map(
                    lambda node: stage.attempt(node, *stage.creation(node, name)), stage.nodes[:2]
                )
            )
        made = [each.node for each in answers if each.exit_status == 0]
        require(bool(made), f"neither node created the volume: {answers[0].output.strip()}")
        stage.run(first, name, "echo first > /data/note; sync")
        seen = stage.run(second, name, "cat /data/note")
        require(seen == "first", f"{second.name} reads {seen!r} in the volume of {first.name}")
    finally:
        stage.tidy(name)


def lists_it_everywhere(stage: NodeStage) -> None:
    """Row 7: a volume that one node created is known to the others."""
    name, (first, second) = fresh_name(), stage.nodes[:2]
    try:
        stage.docker(first, *stage.creation(first, name))
        require(
            name in stage.names(second), f"{second.name} does not list a volume of {first.name}"
        )
        driver = stage.driver_of(second, name)
        require(driver == stage.profile.driver, f"{second.name} takes it for one of {driver!r}")
    finally:
        stage.tidy(name)


def moves_content(stage: NodeStage) -> None:
    """Row 14."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        written = stage.run(
            first,
            name,
            f"dd if=/dev/urandom of=/data/file bs=1M count={MEBIBYTES} 2>/dev/null;"
            " sha256sum < /data/file",
        )
        for node in (second, first):
            seen = stage.run(node, name, "sha256sum < /data/file")
            require(seen == written, f"{node.name} reads another content")


def moves_every_kind_of_file(stage: NodeStage) -> None:
    """Row 15."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        made = _manifest(stage, first, name, "make")
        seen = _manifest(stage, second, name, "list")
        different = [f"{a} is now {b}" for a, b in zip(made, seen, strict=False) if a != b]
        require(len(made) == len(seen), f"{len(made)} files left, and {len(seen)} arrived")
        require(not different, f"{len(different)} files changed: {different[:1]}")


def refuses_a_second_node(stage: NodeStage) -> None:
    """Row 17."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        container = stage.start(first, name, LOGGING)
        done = stage.attempt(second, *stage.running(name, "true"))
        require(done.exit_status != 0, f"{second.name} used a volume in use on {first.name}")
        lines = stage.docker(first, "exec", container, "wc", "-l", "/data/log")
        require(int(lines.split()[0]) > 0, "the first container does not write any more")


def moves_in_time(stage: NodeStage) -> None:
    """Row 35: from the end on one node to the first read on another."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        container = stage.start(first, name, LOGGING)
        stage.docker(first, "exec", container, "sh", "-c", "echo kept > /data/note")
        started = time.monotonic()
        stage.docker(first, "kill", container)
        stage.docker(first, "rm", "--force", container)
        seen = stage.run(second, name, "cat /data/note")
        seconds = time.monotonic() - started
        require(seen == "kept", f"{second.name} reads {seen!r}")
        most = stage.profile.budgets.move
        require(seconds <= most, f"a move took {seconds:.1f} s of {most:.3g} s")


def moves_back_cheaply(stage: NodeStage) -> None:
    """Row 16: the bytes that the first node receives for a volume that changed a little."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        fill = f"dd if=/dev/urandom of=/data/large bs=1M count={LARGE_MEBIBYTES} 2>/dev/null"
        stage.run(first, name, f"{fill}; sync")
        stage.run(second, name, "sha256sum /data/large; echo changed > /data/small; sync")
        before = _received(first)
        seen = stage.run(first, name, "cat /data/small; sha256sum /data/large > /dev/null")
        sent = (_received(first) - before) / MEBIBYTE
        require(seen == "changed", f"{first.name} reads {seen!r}")
        require(
            sent < LARGE_MEBIBYTES / 2,
            f"{sent:.0f} MiB of {LARGE_MEBIBYTES} MiB came back, and one line had changed",
        )


def continues_without_a_lost_node(stage: NodeStage) -> None:
    """Row 18: lines that are older than the promised lag are there on another node."""
    second = stage.nodes[1]
    with stage.volume() as name, _lost_owner(stage, name) as lines:
        seen = _wait_for_volume(stage, second, name)
        require(seen >= lines, f"{second.name} has {seen} lines of {lines} that were copied")


def does_not_let_a_lost_node_win(stage: NodeStage) -> None:
    """Row 19: the lines of the node that took over stay when the lost node is back."""
    first, second = stage.nodes[:2]
    with stage.volume() as name:
        with _lost_owner(stage, name):
            _wait_for_volume(stage, second, name)
            stage.run(second, name, "echo newer > /data/note; sync")
        for node in (first, second):
            seen = stage.run(node, name, "cat /data/note")
            require(seen == "newer", f"{node.name} reads {seen!r}, and not the newer line")


def comes_back_after_a_reboot(stage: NodeStage) -> None:
    """Row 25: the power of the last node is cut; its container starts with its data."""
    if Ability.POWER not in stage.machines.abilities:
        raise NotTried("these servers cannot be switched off")
    node = stage.nodes[-1]
    name = fresh_name()
    stage.docker(node, *stage.creation(node, name))
    try:
        stage.run(node, name, "echo kept > /data/note; sync")
        container = stage.start(node, name, "cat /data/note; sleep 600", "--restart", "always")
        _require_printed(stage, container, 1)
        stage.machines.power_off(node.name)
        node.close()
        stage.machines.power_on(node.name)
        _require_printed(stage, container, 2)
    finally:
        stage.tidy(name)


NODE_TRIALS: tuple[Trial[NodeStage], ...] = (
    Trial(6, creates_one_volume),
    Trial(7, lists_it_everywhere, Claim.MULTI_NODE),
    Trial(14, moves_content),
    Trial(15, moves_every_kind_of_file),
    Trial(17, refuses_a_second_node),
    Trial(35, moves_in_time, Claim.MULTI_NODE),
    Trial(16, moves_back_cheaply),
    Trial(18, continues_without_a_lost_node),
    Trial(19, does_not_let_a_lost_node_win),
    Trial(25, comes_back_after_a_reboot),
)


def _manifest(stage: NodeStage, node: Node, volume: str, action: str) -> list[str]:
    """A line about each file; see acceptance/manifest.py."""
    printed = stage.docker(
        node,
        *("run", "--rm", "--user", "0", "--volume", f"{MANIFEST}:/manifest.py:ro"),
        *("--volume", f"{volume}:/data", WITH_PYTHON, "python3", "/manifest.py", action, "/data"),
    )
    return printed.splitlines()


def _received(node: Node) -> int:
    """The bytes that a node has received over its own network cards."""
    counted = node.run("cat /sys/class/net/e*/statistics/rx_bytes")
    return sum(map(int, counted.split()))


@contextmanager
def _lost_owner(stage: NodeStage, volume: str) -> Iterator[int]:
    """The first node has no power meanwhile; it lost it while a container wrote to the volume.

    Yields:
        The number of lines that were older than the promised lag.
    """
    if Ability.POWER not in stage.machines.abilities:
        raise NotTried("these servers cannot be switched off")
    first = stage.nodes[0]
    container = stage.start(first, volume, LOGGING)
    lines = _wait_for_lines(stage, container, FEW_LINES)
    _wait_for_lines(stage, container, lines + int(stage.profile.budgets.lag))  # one each second
    stage.machines.power_off(first.name)
    first.close()
    try:
        yield lines
    finally:
        stage.machines.power_on(first.name)


def _wait_for_lines(stage: NodeStage, container: str, least: int) -> int:
    """Wait until a container on the first node has written so many lines; how many it has."""
    count = ("exec", container, "wc", "-l", "/data/log")
    return eventually_true(
        lambda: int(stage.docker(stage.nodes[0], *count).split()[0]),
        lambda found: found >= least,
        what=f"{least} lines",
        within=BACK_SECONDS,
    )


def _wait_for_volume(stage: NodeStage, node: Node, volume: str) -> int:
    """Wait until a node may use the volume of a lost one; the number of lines in it."""
    count = stage.running(volume, "wc -l < /data/log")
    done = eventually_true(
        lambda: stage.attempt(node, *count),
        lambda typed: typed.exit_status == 0,
        what=f"{node.name} to use the volume",
        within=stage.profile.budgets.takeover,
    )
    return int(done.output.split()[-1])


def _require_printed(stage: NodeStage, container: str, times: int) -> None:
    """The container has read its file that often."""
    node = stage.nodes[-1]

    def printed() -> int:
        return stage.attempt(node, "logs", container).output.count("kept")

    eventually_true(
        printed,
        lambda found: found >= times,
        what=f"the container to read its file {times} times",
        within=BACK_SECONDS,
    )
