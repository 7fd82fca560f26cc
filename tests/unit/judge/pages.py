"""A run with something of everything, for tests of its page."""

from __future__ import annotations

from judge.history import AnyEvent, Effect, Volume, Writing
from tests.unit.judge.stories import MANUAL, Story, aside

BUSY = Volume(name="a", options={"failover": "auto", "size": "1GiB"}, writing=Writing.NEVER_TWO)


def busy() -> list[AnyEvent]:
    """Three owners of one volume, a promotion that loses lines, and two that write at once."""
    story = Story(BUSY, MANUAL)
    story.run("m1", "node3", 5, "m")
    story.start("r1", "node1")
    for number in range(8):
        story.say("node1", "node1", 1, mounted_on=("node1",))
        told = story.write("r1", 4 if number < 7 else 6)
    story.begin_fault("node1", Effect.UNREACHABLE)
    story.write("r1", 5)
    story.promote("node2", told + 1)
    story.start("r2", "node2")
    for _ in range(6):
        story.say("node2", "node2", 2, mounted_on=("node2",))
        story.write("r2", 4)
    story.end_fault()
    story.stop("r2")
    story.start("r3", "node3")
    for _ in range(6):
        story.say("node3", "node3", 3, mounted_on=("node3",))
        story.write("r3", 4)
        story.write("r2", 1)  # it was not stopped after all
    story.stop("r3")
    story.say("node3", "node3", 3)
    story.settle()
    aside(story, "node1", r1=39)
    story.see("node2", [("r2", 1, 30)], place="copy", reference="a@node2")
    story.all_see("node3", 3, r1=35, r2=24, r3=24)
    story.all_see("node3", 1, "m", m1=5)
    return story.end()
