"""Nothing thrown away: in the end each acknowledged line is in a volume or in something kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from judge.history import (
    Action,
    Answered,
    Asked,
    Begin,
    Effect,
    FaultBegan,
    Outcome,
    Place,
    Read,
    Settled,
    WriterStarted,
    Wrote,
)
from judge.oracles.oracle import Handlers, Oracle


@dataclass
class Account:
    """The lines of a writer.

    Attributes:
        last, synced: the numbers of the last line that was acknowledged, and with fsync.
        given_up: lines up to this one may be gone: they were purged or pruned, or their disk is.
        found: first and last numbers of lines that somebody saw in the end.
    """

    volume: str
    node: str
    last: int = 0
    synced: int = 0
    given_up: int = 0
    found: list[tuple[int, int]] = field(default_factory=list)


class NothingThrownAway(Oracle):
    """Adds up what is found in volumes, snapshots, copies and removed volumes."""

    name = "nothing thrown away"

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._accounts: dict[str, Account] = {}
        self._of_node: defaultdict[str, set[str]] = defaultdict(set)  # with lines without fsync
        self._asked_for: dict[int, Asked] = {}  # snapshots and deletions
        self._snapshots: dict[str, dict[str, int]] = {}  # reference: run: its last line
        self._is_settled = False
        self._seen: set[str] = set()  # volumes
        self._at = 0.0

    def handlers(self) -> Handlers:
        return {
            WriterStarted: self._started,
            Wrote: self._wrote,
            FaultBegan: self._fault_began,
            Asked: self._asked,
            Answered: self._answered,
            Settled: self._settled,
            Read: self._read,
        }

    def finish(self) -> None:
        for run, account in self._accounts.items():
            if account.volume not in self._seen:
                continue  # nobody could look, which is said elsewhere
            missing = _first_missing([(1, account.given_up), *account.found], account.last)
            if missing is not None:
                self.found(
                    self._at,
                    f"it was acknowledged, as were all up to line {account.last}, and is in no "
                    "volume, snapshot, copy or removed volume",
                    volume=account.volume, node=account.node, run=run, sequence=missing,
                )  # fmt: skip

    def _started(self, event: WriterStarted) -> None:
        self._accounts[event.run] = Account(event.volume, event.node)

    def _wrote(self, event: Wrote) -> None:
        if event.run not in self._accounts:
            self._accounts[event.run] = Account(event.volume, event.node)
        account = self._accounts[event.run]
        account.last = event.sequence
        if event.fsynced:
            account.synced = event.sequence
            self._of_node[event.node].discard(event.run)
        else:
            self._of_node[event.node].add(event.run)

    def _fault_began(self, event: FaultBegan) -> None:
        for node in event.nodes:
            if Effect.MEMORY_LOST in event.effects:
                for run in self._of_node.pop(node, ()):
                    self._accounts[run].last = self._accounts[run].synced
        if Effect.DISK_LOST in event.effects:
            self._give_up(self._accounts.values())

    def _asked(self, event: Asked) -> None:
        if event.action in (Action.SNAPSHOT, Action.PRUNE, Action.PURGE):
            self._asked_for[event.call] = event

    def _answered(self, event: Answered) -> None:
        asked = self._asked_for.pop(event.call, None)
        if asked is None or event.outcome is Outcome.REFUSED:
            return
        if asked.action is Action.SNAPSHOT and event.outcome is Outcome.DONE:
            self._snapshots[event.reference] = {
                run: each.last
                for run, each in self._accounts.items()
                if each.volume == asked.volume
            }
        elif asked.action is Action.PRUNE:  # a restore may have left these lines there only
            for run, last in self._snapshots.pop(asked.detail, {}).items():
                self._accounts[run].given_up = max(last, self._accounts[run].given_up)
        elif asked.action is Action.PURGE:
            self._give_up(each for each in self._accounts.values() if each.volume == asked.volume)

    def _give_up(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            account.given_up = account.last

    def _settled(self, _: Settled) -> None:
        self._is_settled = True

    def _read(self, event: Read) -> None:
        if not self._is_settled:
            return
        self._at = event.at
        if event.place in (Place.VOLUME, Place.REMOVED):
            self._seen.add(event.volume)
        for segment in event.seen:
            if segment.run in self._accounts:
                self._accounts[segment.run].found.append((segment.first, segment.last))


def _first_missing(found: list[tuple[int, int]], last: int) -> int | None:
    """The first number from 1 to `last` that is in none of the ranges."""
    expected = 1
    for first, end in sorted(found):
        if first > expected:
            break
        expected = max(expected, end + 1)
    return expected if expected <= last else None
