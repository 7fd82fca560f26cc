"""Every kind of wrong history gets its verdict, with a reason that names where and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from judge.checker import judge
from judge.history import (
    Action,
    AnyEvent,
    Checked,
    Defect,
    Digest,
    Effect,
    End,
    Leaked,
    Outcome,
    Place,
    Volume,
    Writing,
)
from judge.verdict import Verdict
from tests.unit.judge.stories import MANUAL, NODES, Story, aside

STUCK_SECONDS = 70


class Wrong(NamedTuple):
    """A history, its verdict, and what one of the findings names."""

    events: list[AnyEvent]
    verdict: Verdict
    oracle: str
    names: tuple[str, ...]


# Histories in which everything is right


def quiet() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 5)
    story.run("r2", "node2", 5)
    story.read("node3", r1=5, r2=5)
    return story.finish("node3", 3, r1=5, r2=5)


def promoted_with_what_it_said() -> list[AnyEvent]:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 5)
    story.claim("node2", told)
    story.begin_fault("node1", Effect.UNREACHABLE, Effect.MEMORY_LOST)
    story.write("r1", 3)  # they reach the disk of the lost node only
    story.promote("node2", told + 1)
    story.stop("r1")
    story.read("node2", r1=6)
    story.end_fault()
    story.run("r2", "node2", 2)
    story.settle()
    aside(story, "node1", r1=8)
    story.all_see("node2", 2, r1=6, r2=2)
    return story.end()


def line_that_nobody_was_told_of() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 5)
    return story.finish("node1", 1, r1=6)


def lost_without_fsync() -> list[AnyEvent]:
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 3)
    story.write("r1", 4, fsynced=False)
    story.fault("node1", Effect.MEMORY_LOST)
    return story.finish("node1", 1, r1=4)


def written_around_a_snapshot() -> tuple[Story, float]:
    """Three lines, a snapshot, three more, and no writer; with the time of the last write."""
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    written_at = story.write("r1", 3)
    story.stop("r1")
    return story, written_at


def restored_and_promoted_before_a_replica_had_it() -> list[AnyEvent]:
    story, before = written_around_a_snapshot()
    story.ask(Action.RESTORE, detail="a@1")
    story.read("node1", r1=3)
    story.promote("node2", before + 1)
    story.read("node2", r1=6)
    return story.finish("node2", 2, r1=6)


def restored_and_promoted_at_once() -> list[AnyEvent]:
    """The client hears of its restore only after the promotion, whose copy is older than both."""
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 3)
    story.write("r1", 2)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.stop("r1")
    story.ask(Action.RESTORE, detail="a@1", outcome=None)
    story.promote("node2", told + 1)
    story.answer()
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 2, r1=3)
    return story.end()


def restored_or_not() -> list[AnyEvent]:
    story, _ = written_around_a_snapshot()
    story.ask(Action.RESTORE, detail="a@1", outcome=Outcome.UNKNOWN)
    return story.finish("node1", 1, r1=6)


def pruned_after_a_restore() -> list[AnyEvent]:
    """The snapshot that was pruned was the only one with the lines from before the restore."""
    story = Story()
    restored_with_a_snapshot_before(story)
    story.ask(Action.PRUNE, detail="a@2")
    return story.finish("node1", 1, r1=3)


def restored_with_a_snapshot_before(story: Story) -> None:
    story.start("r1", "node1")
    story.write("r1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.write("r1", 3)
    story.stop("r1")
    story.ask(Action.SNAPSHOT, reference="a@2")
    story.ask(Action.RESTORE, detail="a@1")


def removed_and_had_back() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.REMOVE)
    story.ask(Action.UNDELETE)
    return story.finish("node1", 1, r1=3)


def had_back_and_promoted_at_once() -> list[AnyEvent]:
    """The client hears of its undelete only after the promotion."""
    story = removed_and_promoted_while_it_is_had_back()
    story.answer()
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 3, r1=3)
    return story.end()


def removed_and_promoted_while_it_is_had_back() -> Story:
    """Five lines, of which the promotion promises three; the undelete is not answered yet."""
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 3)
    story.write("r1", 2)
    story.stop("r1")
    story.ask(Action.REMOVE)
    story.ask(Action.UNDELETE, outcome=None)
    story.promote("node2", told + 1, epoch=3)
    return story


def purged() -> list[AnyEvent]:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 3)
    story.write("r1", 3)
    story.promote("node2", told)
    story.stop("r1")
    story.ask(Action.PURGE)
    return story.finish("node2", 2, r1=3)


def disk_replaced() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 3)
    story.fault("node1", Effect.DISK_LOST, Effect.UNREACHABLE)
    story.run("r2", "node2", 3)
    return story.finish("node2", 2, r2=3)


def cloned() -> list[AnyEvent]:
    story, _ = written_around_a_snapshot()
    story.ask(Action.CLONE, volume="b", detail="a@1")
    story.run("r2", "node2", 2, volume="b")
    story.see("node3", [("r1", 1, 3), ("r2", 1, 2)], volume="b")
    story.settle()
    story.see("node3", [("r1", 1, 3)], place=Place.SNAPSHOT, reference="a@1")
    story.all_see("node1", 1, r1=6)
    story.all_see("node3", 1, "b", r1=3, r2=2)
    return story.end()


def cloned_or_not() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.ask(Action.CLONE, volume="b", detail="a@1", outcome=Outcome.UNKNOWN)
    story.read("node3", "b", r1=3)
    story.ask(Action.CLONE, volume="c", detail="a@1", outcome=Outcome.REFUSED)
    return story.finish("node1", 1, r1=3)


def name_that_comes_again() -> list[AnyEvent]:
    """Two volumes of a name were removed, and the last one came back for a moment."""
    story = Story()
    story.run("r1", "node1", 3)
    for run, lines in (("r2", 2), ("r3", 4)):
        story.ask(Action.CREATE, volume="b")
        story.run(run, "node2", lines, volume="b")
        story.ask(Action.REMOVE, volume="b")
    story.ask(Action.UNDELETE, volume="b")
    story.read("node1", "b", r3=4)
    story.ask(Action.REMOVE, volume="b")
    story.settle()
    for removed in (("r2", 1, 2), ("r3", 1, 4)):
        story.see("node2", [removed], volume="b", place=Place.REMOVED, reference=removed[0])
    story.all_see("node1", 1, r1=3)
    return story.end()


def name_of_a_purged_volume() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.REMOVE)
    story.ask(Action.PURGE)
    story.ask(Action.CREATE)
    story.run("r2", "node2", 2)
    return story.finish("node1", 1, r2=2)


def manual_owner_that_could_not_hear() -> list[AnyEvent]:
    story = Story(MANUAL)
    story.start("r1", "node1", "m")
    told = story.write("r1", 3)
    story.begin_fault("node1", Effect.UNREACHABLE)
    story.promote("node2", told, volume="m")
    story.start("r2", "node2", "m")
    for _ in range(60):
        story.write("r1")
        story.write("r2")
    story.end_fault()
    story.write("r1", 10)
    story.stop("r1")
    story.stop("r2")
    story.settle()
    story.see("node1", [("r1", 1, 73)], volume="m", place=Place.COPY, reference="m@node1")
    story.all_see("node2", 2, "m", r1=3, r2=60)
    return story.end()


def wrote_while_waking_up() -> list[AnyEvent]:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 3)
    story.begin_fault("node1", Effect.SUSPENDED)
    story.promote("node2", told)
    story.start("r2", "node2")
    story.write("r2", 3)
    story.end_fault()
    story.write("r1", 2)  # the fence has not looked yet
    story.write("r2", 3)
    story.stop("r1")
    story.stop("r2")
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 2, r1=3, r2=6)
    return story.end()


def data_that_stays() -> list[AnyEvent]:
    story = Story(Volume(name="a", writing=Writing.ANY, moves=False))
    story.start("r1", "node1")
    story.start("r2", "node2")
    story.write("r1", 3)
    story.write("r2", 3)
    story.write("r1", 3)
    story.settle()
    for node, runs in (("node1", {"r1": 6}), ("node2", {"r2": 3}), ("node3", {})):
        story.say(node, "", 0)
        story.read(node, "a", **runs)
    return story.end()


def refused_for_a_while() -> list[AnyEvent]:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    for _ in range(3):
        story.ask(Action.READ, outcome=Outcome.REFUSED, message="wait")
    story.ask(Action.READ)
    story.all_see("node1", 1, r1=3)
    return story.end()


@pytest.mark.parametrize(
    "history",
    [
        quiet, promoted_with_what_it_said, line_that_nobody_was_told_of, lost_without_fsync,
        restored_and_promoted_before_a_replica_had_it, restored_and_promoted_at_once,
        restored_or_not, removed_and_had_back,
        had_back_and_promoted_at_once, pruned_after_a_restore,
        purged, disk_replaced, cloned, cloned_or_not, name_that_comes_again,
        name_of_a_purged_volume, manual_owner_that_could_not_hear, wrote_while_waking_up,
        data_that_stays, refused_for_a_while,
    ],
)  # fmt: skip
def test_a_right_history_is_valid(history: Callable[[], list[AnyEvent]]) -> None:
    judgement = judge(history())
    assert [str(each) for each in judgement.findings] == []
    assert judgement.verdict is Verdict.VALID


# One writer


def two_write_at_once() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    story.start("r2", "node2")
    story.write("r1", 2)
    story.write("r2", 2)
    story.write("r1", 2)
    events = story.finish("node1", 1, r1=4, r2=2)
    return Wrong(events, Verdict.VIOLATION, "one writer", ("'a'", "node2", "r2", "line 1", "r1"))


def two_write_at_once_after_a_promotion() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 2)
    story.begin_fault("node1", Effect.UNREACHABLE)
    story.promote("node2", told)
    story.start("r2", "node2")
    story.write("r2", 1)
    story.write("r1", 1)
    story.end_fault()
    story.settle()
    aside(story, "node1", r1=3)
    story.all_see("node2", 2, r1=2, r2=1)
    return Wrong(story.end(), Verdict.VIOLATION, "one writer", ("'a'", "node2", "r2", "r1"))


def manual_owner_does_not_hear() -> Wrong:
    story = Story(MANUAL)
    story.start("r1", "node1", "m")
    told = story.write("r1", 2)
    story.promote("node2", told, volume="m")
    story.write("r1", 40)
    story.settle()
    story.see("node1", [("r1", 1, 42)], volume="m", place=Place.COPY, reference="m@node1")
    story.all_see("node2", 2, "m", r1=2)
    return Wrong(
        story.end(), Verdict.VIOLATION, "one writer", ("'m'", "node1", "r1", "line 33", "promoted")
    )


# Nothing lost


def lost_in_a_move() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.read("node2", r1=4)
    events = story.finish("node2", 2, r1=4)
    return Wrong(events, Verdict.VIOLATION, "nothing lost", ("'a'", "node2", "r1", "line 5"))


def lost_everything() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    events = story.finish("node2", 2)
    return Wrong(events, Verdict.VIOLATION, "nothing lost", ("node1", "r1", "line 1", "line 5"))


def lost_beyond_the_message() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 5)
    told = story.now
    story.write("r1", 5)
    story.promote("node2", told + 1)
    story.stop("r1")
    story.read("node2", r1=4)
    story.settle()
    aside(story, "node1", r1=10)
    story.all_see("node2", 2, r1=4)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("node2", "r1", "line 5"))


def lost_with_a_message_that_promises_all() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 5)
    story.promote("node2", None)
    story.stop("r1")
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 2, r1=4)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("r1", "line 5"))


def lost_later() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.read("node2", r1=5)
    story.read("node3", r1=3)
    return Wrong(story.finish("node3", 3, r1=3), Verdict.VIOLATION, "nothing lost", ("line 4",))


def seen_and_lost() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.read("node2", r1=6)  # nobody was told of line 6, but it was there
    return Wrong(story.finish("node3", 3, r1=5), Verdict.VIOLATION, "nothing lost", ("line 6",))


def fsynced_and_lost_with_the_power() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 5)
    story.fault("node1", Effect.MEMORY_LOST)
    return Wrong(story.finish("node1", 1, r1=4), Verdict.VIOLATION, "nothing lost", ("line 5",))


def without_fsync_and_lost_in_a_move() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    story.write("r1", 5, fsynced=False)
    story.stop("r1")
    return Wrong(story.finish("node2", 2, r1=4), Verdict.VIOLATION, "nothing lost", ("line 5",))


def came_back() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 5)
    story.write("r1", 3)
    story.promote("node2", told + 1)
    story.stop("r1")
    story.read("node2", r1=5)
    return Wrong(
        story.finish("node3", 3, r1=8), Verdict.VIOLATION, "nothing lost", ("line 6", "earlier")
    )


def gap() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.settle()
    story.all_see("node1", 1, r1=5)
    story.see("node1", [("r1", 1, 2), ("r1", 4, 5)])
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("line 3", "line 4 follows"))


def twice() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.see("node1", [("r1", 1, 4), ("r1", 3, 5)])
    return Wrong(
        story.finish("node1", 1, r1=5), Verdict.VIOLATION, "nothing lost", ("line 3", "again")
    )


def damaged() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    story.see("node2", [("r1", 1, 5)], damaged=("\0\0\0",))
    return Wrong(
        story.finish("node2", 2, r1=5), Verdict.VIOLATION, "nothing lost", ("node2", "nobody wrote")
    )


def unknown_writer() -> Wrong:
    story = Story()
    story.run("r1", "node1", 5)
    return Wrong(
        story.finish("node1", 1, r1=5, ghost=1), Verdict.VIOLATION, "nothing lost", ("ghost",)
    )


def another_volumes_line() -> Wrong:
    story = Story(*Story().volumes, MANUAL)
    story.run("r1", "node1", 5)
    story.run("r2", "node1", 5, volume="m")
    story.settle()
    story.all_see("node1", 1, r1=5, r2=5)
    story.all_see("node1", 1, "m", r2=5)
    return Wrong(
        story.end(), Verdict.VIOLATION, "nothing lost", ("'a'", "r2", "wrote to volume 'm'")
    )


def restored_to_something_else() -> Wrong:
    story, _ = written_around_a_snapshot()
    story.ask(Action.RESTORE, detail="a@1")
    story.settle()
    story.see("node1", [("r1", 1, 6)], place=Place.SNAPSHOT, reference="before")
    story.all_see("node1", 1, r1=2)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("line 3",))


def snapshot_lacks_lines() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.settle()
    story.see("node2", [("r1", 1, 2)], place=Place.SNAPSHOT, reference="a@1")
    story.all_see("node1", 1, r1=3)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("node2", "a@1", "line 3"))


def snapshot_changes() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.run("r2", "node1", 3)
    story.settle()
    story.see("node2", [("r1", 1, 3)], place=Place.SNAPSHOT, reference="a@1")
    story.see("node3", [("r1", 1, 3), ("r2", 1, 1)], place=Place.SNAPSHOT, reference="a@1")
    story.all_see("node1", 1, r1=3, r2=3)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("node3", "a@1", "other lines"))


def clone_lacks_lines() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.SNAPSHOT, reference="a@1")
    story.ask(Action.CLONE, volume="b", detail="a@1")
    story.read("node2", "b", r1=2)
    return Wrong(
        story.finish("node1", 1, r1=3), Verdict.VIOLATION, "nothing lost", ("'b'", "line 3")
    )


def undeleted_without_its_last_lines() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.REMOVE)
    story.ask(Action.UNDELETE)
    return Wrong(story.finish("node1", 1, r1=2), Verdict.VIOLATION, "nothing lost", ("line 3",))


def had_back_with_less_than_its_promotion_said() -> Wrong:
    story = removed_and_promoted_while_it_is_had_back()
    story.answer()
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 3, r1=2)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("r1", "up to line 3"))


def had_back_after_another_of_its_name_was_promoted() -> Wrong:
    story = removed_and_promoted_while_it_is_had_back()
    story.answer(Outcome.REFUSED)  # what was promoted had its name
    story.ask(Action.UNDELETE)
    return Wrong(story.finish("node1", 2, r1=3), Verdict.VIOLATION, "nothing lost", ("line 4",))


def removed_volume_lacks_lines() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.REMOVE)
    story.see("node1", [("r1", 1, 2)], place=Place.REMOVED, reference="a")
    story.ask(Action.UNDELETE)
    return Wrong(
        story.finish("node1", 1, r1=3), Verdict.VIOLATION, "nothing lost", ("removed", "line 3")
    )


def old_lines_in_a_new_volume() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.REMOVE)
    story.ask(Action.PURGE)
    story.ask(Action.CREATE)
    story.run("r2", "node1", 1)
    return Wrong(
        story.finish("node1", 1, r1=2, r2=1), Verdict.VIOLATION, "nothing lost", ("r1", "line 1")
    )


# Nothing thrown away


def thrown_away_with_a_removed_volume() -> Wrong:
    """Of two removed volumes of one name, only the last one can be had back."""
    story = Story()
    for run in ("r1", "r2"):
        story.ask(Action.CREATE)
        story.run(run, "node1", 3)
        story.ask(Action.REMOVE)
    story.ask(Action.CREATE)
    story.run("r3", "node1", 1)
    story.settle()
    story.see("node1", [("r2", 1, 3)], place=Place.REMOVED, reference="a")
    story.all_see("node1", 1, r3=1)
    return Wrong(
        story.end(), Verdict.VIOLATION, "nothing thrown away", ("'a'", "node1", "r1", "line 1")
    )


def thrown_away_after_a_promotion() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 5)
    story.write("r1", 5)
    story.promote("node2", told)
    story.stop("r1")
    story.settle()
    aside(story, "node1", r1=8)
    story.all_see("node2", 2, r1=5)
    return Wrong(
        story.end(), Verdict.VIOLATION, "nothing thrown away", ("'a'", "node1", "r1", "line 9")
    )


def thrown_away_by_pruning_another_snapshot() -> Wrong:
    story = Story()
    restored_with_a_snapshot_before(story)
    story.ask(Action.PRUNE, detail="a@1")
    return Wrong(
        story.finish("node1", 1, r1=3), Verdict.VIOLATION, "nothing thrown away", ("line 4",)
    )


def thrown_away_by_a_restore() -> Wrong:
    story, _ = written_around_a_snapshot()
    story.ask(Action.RESTORE, detail="a@1")
    return Wrong(
        story.finish("node1", 1, r1=3), Verdict.VIOLATION, "nothing thrown away", ("line 4",)
    )


# Truth


def claims_more_than_the_copy_had() -> Wrong:
    story = Story()
    story.start("r1", "node1")
    told = story.write("r1", 5)
    story.claim("node2", told + 1)
    story.promote("node2", told - 3)  # the message is modest, and the status was not
    story.stop("r1")
    story.settle()
    aside(story, "node1", r1=5)
    story.all_see("node2", 2, r1=2)
    return Wrong(story.end(), Verdict.VIOLATION, "nothing lost", ("node1", "r1", "line 3"))


def claims_the_future() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.claim("node2", story.now + 10)
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "truth", ("'a'", "node2 is complete"))


def promises_the_future() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.promote("node2", story.now + 10)
    return Wrong(story.finish("node2", 2, r1=3), Verdict.VIOLATION, "truth", ("node2", "promises"))


def calls_an_old_copy_current() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    told = story.now
    story.tick(30)
    story.claim("node2", told, is_current=True)
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "truth", ("node2 is current",))


def two_owners_of_an_epoch() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.say("node1", "node1", 2)
    story.say("node3", "node2", 2)
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "truth", ("node3", "node2 owns it"))


def two_mounts_of_an_epoch() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.say("node1", "node1", 2, mounted_on=("node1",))
    story.say("node1", "node1", 2, mounted_on=("node2",))
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "truth", ("mounted on node2",))


def epoch_goes_back() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.say("node1", "node1", 3)
    story.say("node1", "node2", 2)
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "truth", ("its epoch is 2, and was 3",))


# The end


def nodes_disagree() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    story.all_see("node1", 1, r1=3)
    story.say("node3", "node2", 2)
    return Wrong(story.end(), Verdict.VIOLATION, "the end", ("node3", "node2 owns it"))


def copies_differ() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    for node, digest in zip(NODES, ("x", "x", "y"), strict=True):
        story.add(Digest(at=story.tick(), node=node, volume="a", snapshot="a@3", digest=digest))
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "the end", ("node3", "a@3 differs"))


def put_aside_without_a_promotion() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    aside(story, "node2", r1=3)
    story.all_see("node1", 1, r1=3)
    return Wrong(story.end(), Verdict.VIOLATION, "the end", ("a@node2 was put aside",))


def disk_is_not_clean() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.add(
        Checked(at=story.tick(), node="node2", what="scrub", is_well=False, message="2 errors")
    )
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "the end", ("node2", "scrub: 2 errors"))


def something_is_left() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.add(Leaked(at=story.tick(), node="node2", what="a subvolume", message="x/live"))
    return Wrong(story.finish(r1=3), Verdict.VIOLATION, "leaks", ("node2", "a subvolume", "x/live"))


# Stuck, defect, unknown


def refused_for_ever() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    for _ in range(STUCK_SECONDS):
        story.ask(Action.READ, node="node3", outcome=Outcome.REFUSED, message="wait")
    story.all_see("node1", 1, r1=3)
    return Wrong(story.end(), Verdict.STUCK, "progress", ("'a'", "node3", "read: refused", "wait"))


def never_answered() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.ask(Action.MOVE, node="node2", outcome=None)
    return Wrong(story.finish(r1=3), Verdict.STUCK, "progress", ("node2", "move", "never answered"))


def traceback() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.add(Defect(at=story.tick(), node="node2", message="KeyError: 'x'"))
    return Wrong(story.finish(r1=3), Verdict.DEFECT, "defects", ("node2", "KeyError: 'x'"))


def cut_short() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    events = [each for each in story.finish(r1=3) if not isinstance(each, End)]
    return Wrong(events, Verdict.UNKNOWN, "completeness", ("no event 'end'",))


def without_a_begin() -> Wrong:
    return Wrong([End(at=1)], Verdict.UNKNOWN, "completeness", ("does not start",))


def nothing_was_written() -> Wrong:
    return Wrong(Story().finish(), Verdict.UNKNOWN, "completeness", ("'a'", "no line"))


def nobody_looked() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    story.read("node1", r1=3)
    story.read("node2", r1=3)
    for node in NODES:
        story.say(node, "node1", 1)
    return Wrong(story.end(), Verdict.UNKNOWN, "completeness", ("node3", "nobody read it"))


def driver_was_not_heard() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.settle()
    for node in NODES:
        story.read(node, r1=3)
    for node in NODES[:2]:
        story.say(node, "node1", 1)
    return Wrong(story.end(), Verdict.UNKNOWN, "completeness", ("node3", "nobody heard"))


def fault_without_an_end() -> Wrong:
    story = Story()
    story.run("r1", "node1", 3)
    story.begin_fault("node2", Effect.UNREACHABLE)
    return Wrong(story.finish(r1=3), Verdict.UNKNOWN, "completeness", ("never ended",))


WRONG = [
    two_write_at_once, two_write_at_once_after_a_promotion, manual_owner_does_not_hear,
    lost_in_a_move, lost_everything, lost_beyond_the_message, lost_with_a_message_that_promises_all,
    lost_later, seen_and_lost, fsynced_and_lost_with_the_power, without_fsync_and_lost_in_a_move,
    came_back, gap, twice, damaged, unknown_writer, another_volumes_line,
    restored_to_something_else, snapshot_lacks_lines, snapshot_changes, clone_lacks_lines,
    undeleted_without_its_last_lines, had_back_with_less_than_its_promotion_said,
    had_back_after_another_of_its_name_was_promoted, removed_volume_lacks_lines,
    old_lines_in_a_new_volume,
    thrown_away_with_a_removed_volume, thrown_away_after_a_promotion,
    thrown_away_by_a_restore, thrown_away_by_pruning_another_snapshot,
    claims_more_than_the_copy_had, claims_the_future,
    promises_the_future, calls_an_old_copy_current, two_owners_of_an_epoch, two_mounts_of_an_epoch,
    epoch_goes_back, nodes_disagree, copies_differ, put_aside_without_a_promotion,
    disk_is_not_clean, something_is_left,
    refused_for_ever, never_answered, traceback, cut_short, without_a_begin, nothing_was_written,
    nobody_looked, driver_was_not_heard, fault_without_an_end,
]  # fmt: skip


@pytest.mark.parametrize("history", WRONG)
def test_a_wrong_history_is_found(history: Callable[[], Wrong]) -> None:
    wrong = history()
    judgement = judge(wrong.events)
    assert judgement.verdict is wrong.verdict
    reasons = [str(each) for each in judgement.findings if each.oracle == wrong.oracle]
    assert [each for each in reasons if all(name in each for name in wrong.names)], reasons
    assert {each.oracle for each in judgement.findings} <= {wrong.oracle, *ALSO[wrong.oracle]}


ALSO = {  # oracles that may say the same in their way
    "nothing lost": {"nothing thrown away"},
    "nothing thrown away": set(),
    "one writer": set(),
    "truth": set(),
    "the end": set(),
    "leaks": set(),
    "progress": set(),
    "defects": set(),
    "completeness": set(),
}
