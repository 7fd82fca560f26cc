"""A refusal counts only if the command failed, and for the reason that the scenario says."""

from __future__ import annotations

import pytest

from acceptance.base.command import Typed
from acceptance.words import refusals

REASON = 'the container on "node1" uses it'
ANSWER = "volume 'ledger' is in use by container 'writer' on node1; stop what uses it there"


def typed(output: str, exit_status: int = 1) -> Typed:
    return Typed("admin", "node2", "docker run", output, exit_status, 0.1)


def test_a_refusal_for_the_reason_said_passes() -> None:
    refusals.check(typed(ANSWER), REASON, "ledger")


@pytest.mark.parametrize(
    ("reason", "volume"),
    [
        (REASON, "orders"),
        ('the container on "node3" uses it', "ledger"),
        ("etcd has no majority", "ledger"),
    ],
)
def test_a_refusal_for_another_reason_fails(reason: str, volume: str) -> None:
    with pytest.raises(AssertionError, match="it does not say"):
        refusals.check(typed(ANSWER), reason, volume)


def test_what_succeeded_was_not_refused() -> None:
    with pytest.raises(AssertionError, match="it was not refused"):
        refusals.check(typed(ANSWER, 0), REASON, "ledger")


def test_every_part_of_an_answer_is_needed() -> None:
    reason = 'nobody answers for "node1", which owns it'
    parts = refusals.expected(reason, "ledger")
    assert parts == [
        "volume 'ledger' is owned by node1, which is away since",
        "complete up to",
        "flocker promote ledger",
    ]
    refusals.check(typed("; ".join(parts)), reason, "ledger")
    for part in parts:
        others = "; ".join(each for each in parts if each != part)
        with pytest.raises(AssertionError, match="it does not say"):
            refusals.check(typed(others), reason, "ledger")


def test_a_reason_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(LookupError, match="no phrase fits"):
        refusals.expected("the moon is full", "ledger")


def test_a_full_volume_says_so() -> None:
    refusals.check_full(typed("dd: error writing '/data/x': Disk quota exceeded"))
    with pytest.raises(AssertionError, match="it said"):
        refusals.check_full(typed("no such container"))
    with pytest.raises(AssertionError, match="it was not refused"):
        refusals.check_full(typed("No space left", 0))
