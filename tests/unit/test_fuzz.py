"""Random streams are read or refused, and nothing else; `python -m tests.fuzz` does more of it."""

from tests.fuzz import run


def test_whatever_a_stream_holds_it_is_read_or_refused() -> None:
    outcomes = run.read(seconds=3, seed=1)
    assert set(outcomes) == {"read", "StreamRefused", "TransferFailed"}
