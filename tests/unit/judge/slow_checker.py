"""A slow, obviously correct checker: it keeps every line of every moment, in sets.

It judges one volume by the definitions of the promises, and does nothing clever.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import inf

from judge.history import (
    Action,
    Answered,
    AnyEvent,
    Asked,
    Effect,
    FaultBegan,
    Outcome,
    Promoted,
    Read,
    WriterStarted,
    Wrote,
)

SLACK = 1.0
CHANGES = (Action.RESTORE, Action.REMOVE, Action.UNDELETE)

Line = tuple[str, int]  # run, number
Lines = frozenset[Line]
Events = Sequence[AnyEvent]


def overlapping(events: Events) -> set[str]:
    """The runs during which an earlier one of another node went on writing."""
    writes: dict[str, list[Wrote]] = {}
    for event in events:
        if isinstance(event, Wrote):
            writes.setdefault(event.run, []).append(event)
    found = set()
    for pair in combinations(writes.values(), 2):
        first, second = sorted(pair, key=lambda each: each[0].began)
        if first[0].node != second[0].node and second[0].began <= first[-1].began:
            found.add(second[0].run)
    return found


def first_loss(events: Events) -> tuple[float, set[Line]] | None:
    """When somebody first saw too little, and the first line of each run that was missing."""
    for index, event in enumerate(events):
        if isinstance(event, Read) and is_certain(event, events[:index]):
            moments = replay(events[:index])
            if lost := (moments.now & moments.at(event.began)) - seen_by(event):
                return event.at, {min(line for line in lost if line[0] == run) for run, _ in lost}
    return None


class Moments:
    """The lines that the volume has to have, from each moment on."""

    def __init__(self) -> None:
        self.states: list[tuple[float, Lines]] = [(-inf, frozenset())]

    @property
    def now(self) -> Lines:
        return self.states[-1][1]

    def at(self, moment: float) -> Lines:
        return [lines for since, lines in self.states if since <= moment][-1]

    def add(self, at: float, lines: Lines) -> None:
        self.states.append((at, lines))


def replay(events: Events) -> Moments:
    moments = Moments()
    for index, event in enumerate(events):
        earlier = events[:index]
        if isinstance(event, Wrote) and counts(event, earlier):
            moments.add(event.at, moments.now | {(event.run, event.sequence)})
        elif isinstance(event, Read) and is_certain(event, earlier):
            moments.add(event.at, moments.now | seen_by(event))
        elif isinstance(event, FaultBegan) and Effect.MEMORY_LOST in event.effects:
            moments.add(event.at, moments.now - in_memory(event, earlier, moments.now))
        elif isinstance(event, Promoted):
            go_back(moments, event)
        elif isinstance(event, Answered) and event.outcome is not Outcome.REFUSED:
            asked = question(event, earlier)
            if asked.action is Action.RESTORE:
                restore(moments, asked, event, earlier)
    return moments


def go_back(moments: Moments, event: Promoted) -> None:
    assert event.complete_until is not None
    until = event.complete_until - SLACK
    lines = moments.at(until)
    moments.states = [state for state in moments.states if state[0] <= until]
    moments.add(event.at, lines)


def restore(moments: Moments, asked: Asked, answered: Answered, earlier: Events) -> None:
    """Nobody knows when it happens between question and answer: both contents may be there.

    Also after a done one, if a promotion came between: that may have left the restore behind.
    """
    noted = lines_of_snapshot(asked.detail, earlier)
    meanwhile = earlier[earlier.index(asked) :]
    is_promoted = any(isinstance(each, Promoted) for each in meanwhile)
    is_sure = answered.outcome is Outcome.DONE and not is_promoted
    now = noted if is_sure else noted & moments.now
    before = [state for state in moments.states if state[0] < asked.at]
    since = [(at, lines & now) for at, lines in moments.states if at >= asked.at]
    moments.states = [*before, (asked.at, before[-1][1] & now), *since, (answered.at, now)]


def lines_of_snapshot(reference: str, events: Events) -> Lines:
    """A snapshot has the lines from before it was asked for, but for those lost meanwhile."""
    [answered] = [
        index
        for index, each in enumerate(events)
        if isinstance(each, Answered) and each.reference == reference
    ]
    answer = events[answered]
    assert isinstance(answer, Answered)
    asked = events.index(question(answer, events))
    return replay(events[:asked]).now & replay(events[:answered]).now


def counts(event: Wrote, earlier: Events) -> bool:
    """True unless a promotion left the writer behind."""
    [start] = [
        index
        for index, each in enumerate(earlier)
        if isinstance(each, WriterStarted) and each.run == event.run
    ]
    return not any(
        isinstance(each, Promoted)
        and (each.node != event.node or wrote(event.run, earlier[: start + index]))
        for index, each in enumerate(earlier[start:])
    )


def wrote(run: str, events: Events) -> bool:
    return any(isinstance(each, Wrote) and each.run == run for each in events)


def in_memory(event: FaultBegan, earlier: Events, lines: Lines) -> Lines:
    """The lines that go with a node's memory: those of its writers after their last fsync.

    A line that was seen and never acknowledged may go with any node's.
    """
    acknowledged, synced, nodes = {}, {}, {}
    for each in earlier:
        if isinstance(each, Wrote):
            nodes[each.run] = each.node
            acknowledged[each.run] = each.sequence
            if each.fsynced:
                synced[each.run] = each.sequence
    return frozenset(
        (run, number)
        for run, number in lines
        if number > acknowledged.get(run, 0)
        or (nodes[run] in event.nodes and number > synced.get(run, 0))
    )


def is_certain(event: Read, earlier: Events) -> bool:
    """True if nothing replaced the content while somebody read."""
    for each in earlier:
        if isinstance(each, Promoted) and each.at > event.began:
            return False
        if isinstance(each, Asked) and each.action in CHANGES:
            answer = answer_to(each, earlier)
            if answer is None or (
                answer.at > event.began and answer.outcome is not Outcome.REFUSED
            ):
                return False
    return True


def question(event: Answered, events: Events) -> Asked:
    [asked] = [each for each in events if isinstance(each, Asked) and each.call == event.call]
    return asked


def answer_to(event: Asked, events: Events) -> Answered | None:
    answers = [each for each in events if isinstance(each, Answered) and each.call == event.call]
    return answers[0] if answers else None


def seen_by(event: Read) -> Lines:
    return frozenset(
        (segment.run, number)
        for segment in event.seen
        for number in range(segment.first, segment.last + 1)
    )
