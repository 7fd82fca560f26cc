"""A history is the same, byte for byte, however often it is written and read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from judge import history
from judge.history import (
    Action,
    Answered,
    AnyEvent,
    Asked,
    Begin,
    CopyClaim,
    Effect,
    End,
    FaultBegan,
    Malformed,
    Outcome,
    Promises,
    Promoted,
    Read,
    Sample,
    Segment,
    Volume,
    Writing,
    Wrote,
)

EVENTS: list[AnyEvent] = [
    Begin(
        at=0, seed=7, driver="flocker", machine="twins", nodes=("node1", "node2"),
        volumes=(Volume(name="a", options={"failover": "auto"}, writing=Writing.NEVER_TWO),),
        promises=Promises(slack=2),
    ),
    Asked(
        at=1, call=1, client="one", action=Action.RESTORE, node="node1", volume="a", detail="a@3"
    ),
    Wrote(at=1.5, began=1.25, run="r", node="node1", volume="a", sequence=1, fsynced=True),
    Answered(at=2, call=1, outcome=Outcome.REFUSED, message="volume 'a' is used by \u201cb\u201d"),
    FaultBegan(at=2, fault=1, name="pause", nodes=("node1",), effects=(Effect.SUSPENDED,)),
    Promoted(at=3, volume="a", node="node2", former="node1", epoch=2, complete_until=None),
    Read(
        at=4, began=3.5, node="node2", volume="a",
        seen=(Segment(run="r", first=1, last=1),), damaged=("?",),
    ),
    Sample(
        at=5, node="node1", volume="a", identity="1", owner="node2", epoch=2,
        copies=(CopyClaim(node="node1", is_current=True, complete_until=4.5),),
    ),
    End(at=6),
]  # fmt: skip

times = st.floats(min_value=0, max_value=1e7, allow_nan=False)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    history.write(EVENTS, file)
    assert history.read(file) == EVENTS
    first = file.read_bytes()
    history.write(history.read(file), file)
    assert file.read_bytes() == first


def test_a_line_says_its_kind_first_and_nothing_twice() -> None:
    line = history.to_line(EVENTS[2])
    assert line == (
        '{"kind":"wrote","at":1.5,"began":1.25,"run":"r","node":"node1","volume":"a",'
        '"sequence":1,"fsynced":true}'
    )


def test_events_are_written_in_the_order_of_time(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    history.write(reversed(EVENTS), file)
    written = [json.loads(line)["at"] for line in file.read_text().splitlines()]
    assert written == sorted(written)


@settings(deadline=None)
@given(times)
def test_a_time_is_the_same_after_any_number_of_turns(at: float) -> None:
    once = history.from_line(history.to_line(End(at=at)))
    assert history.from_line(history.to_line(once)) == once == End(at=at)
    assert abs(once.at - at) < 1e-6


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        '{"kind":"never heard of","at":1}',
        '{"kind":"end"}',
        '{"kind":"end","at":"soon"}',
        '{"kind":"end","at":1,"besides":1}',
    ],
)
def test_a_line_that_is_no_event_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(f"{history.to_line(End(at=0))}\n{line}\n")
    with pytest.raises(Malformed, match=r"history\.jsonl, line 2: "):
        history.read(file)


def test_an_earlier_line_after_a_later_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text("".join(f"{history.to_line(End(at=at))}\n" for at in (1, 3, 2)))
    with pytest.raises(Malformed, match="line 3: it is of an earlier time"):
        history.read(file)


def test_an_event_never_changes() -> None:
    with pytest.raises(ValidationError):
        End(at=1).at = 2  # type: ignore[misc]
