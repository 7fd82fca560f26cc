"""The rows of the matrix."""

from __future__ import annotations

from judge.drivers.behaviours import BEHAVIOURS, BY_NUMBER


def test_there_are_35_behaviours_numbered_from_1() -> None:
    assert [behaviour.number for behaviour in BEHAVIOURS] == list(range(1, 36))
    assert list(BY_NUMBER.values()) == list(BEHAVIOURS)


def test_every_behaviour_has_a_sentence_that_fits_on_a_phone() -> None:
    sentences = [behaviour.sentence for behaviour in BEHAVIOURS]
    assert len(set(sentences)) == len(sentences)
    assert [each for each in sentences if len(each) > 65] == []
