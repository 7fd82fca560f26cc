"""The rows of the matrix."""

from __future__ import annotations

import re
from pathlib import Path

from judge.drivers.behaviours import BEHAVIOURS, BY_NUMBER
from judge.drivers.engine_trials import ENGINE_TRIALS
from judge.drivers.node_trials import NODE_TRIALS
from judge.drivers.socket_trials import SOCKET_TRIALS

PAGE = Path(__file__).parents[4] / "docs" / "any-driver.md"


def test_there_are_35_behaviours_numbered_from_1() -> None:
    assert [behaviour.number for behaviour in BEHAVIOURS] == list(range(1, 36))
    assert list(BY_NUMBER.values()) == list(BEHAVIOURS)


def test_every_behaviour_has_a_sentence_that_fits_on_a_phone() -> None:
    sentences = [behaviour.sentence for behaviour in BEHAVIOURS]
    assert len(set(sentences)) == len(sentences)
    assert [each for each in sentences if len(each) > 65] == []


def test_the_page_names_the_behaviours_that_have_no_trial() -> None:
    tried = {trial.behaviour for trial in (*SOCKET_TRIALS, *ENGINE_TRIALS, *NODE_TRIALS)}
    [sentence] = re.findall(r"behaviours have no trial: ([^.]*)", PAGE.read_text())
    assert {int(number) for number in re.findall(r"\d+", sentence)} == set(BY_NUMBER) - tried
