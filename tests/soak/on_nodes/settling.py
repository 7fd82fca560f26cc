"""The proof, when all faults are over, that nothing was lost, is stuck, or is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from acceptance.cluster.cluster import Cluster
from acceptance.cluster.pool_check import POOL, check_is_clean
from acceptance.nodes.node import Node
from acceptance.operator import Operator
from flocker.base.errors import FlockerError, Refused
from tests.soak.on_nodes.accounts import Accounts
from tests.soak.on_nodes.keyboards import Keyboards
from tests.soak.on_nodes.wellness import unforeseen, unwell
from tests.soak.outcome import DONE, SETTLE_SECONDS, Outcome, answer

REACHED_SECONDS = 180  # by a volume whose first copy there is a whole one
UNITS = ("flocker", "flocker-fence")
RESCUED = "soak-rescued"


class Settling:
    """Looks at everything after a run.

    Args:
        volumes: the names of the run's.
        began: when it did, in seconds since 1970 by the nodes' clocks.
    """

    def __init__(
        self,
        cluster: Cluster,
        keyboards: Keyboards,
        volumes: list[str],
        outcome: Outcome,
        began: str,
    ) -> None:
        self._cluster = cluster
        self._keyboards = keyboards
        self._volumes = volumes
        self._outcome = outcome
        self._began = began
        self._names = keyboards.names
        self._live: dict[str, list[str]] = {}

    def check(self, accounts: Accounts) -> None:
        """Stop all containers; then each node can have each volume, with all of its lines."""
        self._stop_all()
        self._outcome.lines = accounts.count()
        for volume in self._volumes:
            for name in self._names:
                self._expect(
                    f"{volume} on {name}", partial(self._reach, name, volume), REACHED_SECONDS
                )
        self._check_agreement()
        self._check_lines(accounts)
        self._check_nodes()

    def clear(self) -> None:
        """Remove all of the run; nothing is left on any node."""
        ids = [volume["id"] for volume in self._status()["volumes"]]
        first = self._names[0]
        for volume in self._volumes:
            for name in self._names:
                remove = partial(self._keyboards.remove_container, name, volume)
                self._expect(f"container of {volume} on {name} removed", remove)
            self._expect(f"{volume} removed", partial(self._keyboards.remove, first, volume))
        self._outcome.expect("trash", [], self._purge)
        for node in self._cluster.nodes:
            self._outcome.expect(f"folders on {node.name}", [], partial(_folders, node, ids))
            self._outcome.expect(f"things on {node.name}", [], partial(_things, node))
        self._cluster.clean()

    def _expect(
        self, what: str, work: Callable[[], object], within: float = SETTLE_SECONDS
    ) -> None:
        self._outcome.expect(what, DONE, partial(answer, work), within)

    def _stop_all(self) -> None:
        """Also keep account of what all containers were told."""
        for volume in self._volumes:
            for name in self._names:
                remove = partial(self._keyboards.remove_container, name, volume)
                self._expect(f"{volume} stopped on {name}", remove)

    def _reach(self, node: str, volume: str) -> None:
        """A planned move brings all lines along."""
        lines = self._keyboards.read(node, volume)
        if self._live.setdefault(volume, lines) != lines:
            raise Refused(f"{len(lines)} lines, and {len(self._live[volume])} before")

    def _check_agreement(self) -> None:
        last = self._names[-1]  # they were read there
        for node in self._cluster.nodes:
            self._outcome.expect(
                f"owners as {node.name} names them",
                dict.fromkeys(self._volumes, last),
                partial(node.engine.volume_owners, self._volumes),
            )

    def _check_lines(self, accounts: Accounts) -> None:
        conflicts = self._cluster.nodes[0].flocker("conflicts")
        if conflicts["silent"]:
            self._outcome.wrong.append(f"conflicts: silent: {conflicts['silent']}")
        for record in self._status()["volumes"]:
            volume = record["name"]
            if volume not in self._live:
                continue  # it could not be reached, which was said
            asides = {
                each["reference"]: self._rescue(each)
                for each in conflicts["asides"]
                if each["volume"] == volume
            }
            self._outcome.epochs[volume] = record["epoch"]
            self._outcome.put_aside += len(asides)
            self._outcome.wrong += accounts.judge(
                volume, self._live[volume], asides, was_promoted=self._was_promoted(volume)
            )

    def _rescue(self, aside: Mapping[str, str]) -> list[str]:
        """The lines in a copy that was put aside."""
        node = aside["node"]
        try:
            self._keyboards.type(node, f"sudo flocker clone {aside['reference']} {RESCUED}")
            return self._keyboards.read(node, RESCUED)
        except FlockerError as error:
            self._outcome.wrong.append(f"{aside['reference']} cannot be had back: {error}")
            return []
        finally:
            with suppress(FlockerError):
                self._keyboards.remove(node, RESCUED)

    def _was_promoted(self, volume: str) -> bool:
        events = self._cluster.nodes[0].flocker(f"history {volume}")["events"]
        return any(event["what"] == "promoted" for event in events)

    def _check_nodes(self) -> None:
        operator = Operator(self._cluster)
        for node in self._cluster.nodes:
            self._outcome.expect(f"{node.name} is well", [], partial(_unwell, node))
            health = operator.ask_driver(node.name, "health", role="operator")
            if health.exit_status != 0:
                self._outcome.wrong.append(f"health of {node.name}: {health.output}")
        first = self._names[0]
        for volume in self._volumes:
            verify = partial(self._keyboards.type, first, f"sudo flocker verify {volume}")
            self._expect(f"copies of {volume}", verify)
        for node in self._cluster.nodes:
            try:
                check_is_clean(node)
            except AssertionError as error:
                self._outcome.wrong.append(str(error))
            for unit in UNITS:
                since = (
                    f"sudo journalctl --quiet --no-pager -o cat -u {unit} --since @{self._began}"
                )
                found = unforeseen(node.run(since))
                self._outcome.wrong += [f"{node.name} {unit}: {each}" for each in found]

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._cluster.nodes[0].flocker("status")
        return status

    def _purge(self) -> list[str]:
        """Purge what was removed or put aside; what there was."""
        trash = self._cluster.nodes[0].flocker("trash")
        ours = {*self._volumes, RESCUED}
        removed = {each["name"] for each in trash["removed"]} & ours
        asides = {each["reference"] for each in trash["asides"] if each["volume"] in ours}
        for each in sorted(removed | asides):
            with suppress(FlockerError):
                self._keyboards.type(self._names[0], f"sudo flocker purge {each}")
        return sorted(removed | asides)


def _unwell(node: Node) -> list[str]:
    return unwell(node.flocker("status"))


def _folders(node: Node, ids: list[str]) -> list[str]:
    """The volumes' folders in the pool of a node."""
    names = node.run(f"sudo ls {POOL}/volumes {POOL}/trash").split()
    return [name for name in names if name.startswith(tuple(ids))]


def _things(node: Node) -> list[str]:
    return sorted(str(thing) for thing in node.things() if thing.kind != "network")
