"""The daemon's own threads on twin nodes under random work and faults; `python -m tests.soak` does
the same for longer."""

from __future__ import annotations

from tests.soak.run import soak

SECONDS = 20


def test_nothing_is_lost_or_stuck_after_random_work_and_faults() -> None:
    outcome = soak(SECONDS, seed=1)

    assert not outcome.wrong, "\n".join(outcome.wrong)
    assert outcome.lines, outcome
    assert outcome.faults, outcome
