"""The checker agrees with a slow, obviously correct one on random histories, right and wrong."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judge.chance import seeded
from judge.checker import judge
from judge.history import (
    Action,
    Answered,
    AnyEvent,
    Asked,
    Effect,
    Outcome,
    Read,
    Segment,
)
from tests.unit.judge import slow_checker
from tests.unit.judge.stories import NODES, Story


class RandomStory:
    """A history of one volume: anything may happen, and readers mostly see what they should."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.story = Story()
        self.running: list[str] = []
        self.runs = 0
        self.snapshots: list[str] = []
        self.open: list[Asked] = []  # restores that were not answered yet
        self.moments: list[float] = [0.0]

    def step(self) -> None:
        self.random.choice(
            [
                *[self.write] * 6, *[self.read] * 4, *[self.start] * 2, self.stop, self.promote,
                self.lose_memory, self.snapshot, self.ask_to_restore, self.answer,
            ]
        )()  # fmt: skip
        self.moments.append(self.story.now)

    def start(self) -> None:
        self.runs += 1
        self.running.append(f"r{self.runs}")
        self.story.start(self.running[-1], self.random.choice(NODES))

    def stop(self) -> None:
        if self.running:
            self.running.pop(self.random.randrange(len(self.running)))

    def write(self) -> None:
        if self.running:
            run = self.random.choice(self.running)
            self.story.write(run, self.random.randint(1, 3), fsynced=self.random.random() < 0.7)

    def read(self) -> None:
        """See what has to be there, sometimes a line less or more."""
        state = dict(sorted(slow_checker.replay(self.story.events).now))
        if state and self.random.random() < 0.3:
            run = self.random.choice(list(state))
            state[run] += self.random.choice((-1, 1))
        at = self.story.tick(0.5)
        began = self.random.choice([at - 0.25, *self.moments[-4:]])
        seen = [Segment(run=run, first=1, last=last) for run, last in state.items() if last]
        node = self.random.choice(NODES)
        self.story.add(Read(at=at, began=began, node=node, volume="a", seen=tuple(seen)))

    def promote(self) -> None:
        until = self.story.now - self.random.choice([-1, 0, 1, 3, 10])
        self.story.promote(self.random.choice(NODES), until)

    def lose_memory(self) -> None:
        self.story.fault(self.random.choice(NODES), Effect.MEMORY_LOST)

    def snapshot(self) -> None:
        self.snapshots.append(f"a@{len(self.snapshots)}")
        self.story.ask(Action.SNAPSHOT, reference=self.snapshots[-1])

    def ask_to_restore(self) -> None:
        if self.snapshots:
            reference = self.random.choice(self.snapshots)
            self.story.ask(Action.RESTORE, detail=reference, outcome=None)
            asked = self.story.events[-1]
            assert isinstance(asked, Asked)
            self.open.append(asked)

    def answer(self) -> None:
        if self.open:
            asked = self.open.pop(0)
            outcome = self.random.choice(list(Outcome))
            self.story.add(Answered(at=self.story.tick(), call=asked.call, outcome=outcome))


def told(random: Random, steps: int) -> list[AnyEvent]:
    story = RandomStory(random)
    for _ in range(steps):
        story.step()
    return story.story.events


def quick_overlapping(events: list[AnyEvent]) -> set[str]:
    return {each.run for each in judge(events).findings if each.oracle == "one writer"}


def quick_first_loss(events: list[AnyEvent]) -> tuple[float, set[slow_checker.Line]] | None:
    lost = [
        (each.at, (each.run, each.sequence))
        for each in judge(events).findings
        if each.oracle == "nothing lost" and "is lost" in each.reason and each.sequence is not None
    ]
    if not lost:
        return None
    first = min(at for at, _ in lost)
    return first, {line for at, line in lost if at == first}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(5, 35))
def test_both_checkers_find_the_same(random: Random, steps: int) -> None:
    events = told(random, steps)
    assert quick_overlapping(events) == slow_checker.overlapping(events)
    assert quick_first_loss(events) == slow_checker.first_loss(events)


def test_the_random_histories_are_worth_comparing() -> None:
    """Many are wrong, and many are not, in both respects."""
    seen: Counter[tuple[bool, bool]] = Counter()
    for seed in range(150):
        events = told(seeded(seed), 35)
        lost = slow_checker.first_loss(events) is not None
        seen[lost, bool(slow_checker.overlapping(events))] += 1
    assert min(seen[lost, met] for lost in (False, True) for met in (False, True)) >= 3, seen
