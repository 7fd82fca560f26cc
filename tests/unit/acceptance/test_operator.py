"""What the operator notes for later is what was named last."""

from __future__ import annotations

import pytest

from acceptance.base.command import Typed
from acceptance.operator import Operator


class Cluster:
    """Every node repeats what is typed."""

    def owners(self) -> dict[str, str]:
        return {}

    def type(self, name: str, command: str, **_: bool) -> Typed:
        return Typed("admin", name, command, command, 0, 0.1)


@pytest.fixture
def operator() -> Operator:
    return Operator(Cluster())  # type: ignore[arg-type]


def said(output: str) -> Typed:
    return Typed("admin", "node1", "flocker", output, 0, 0.1)


def test_a_noted_state_is_filled_in(operator: Operator) -> None:
    operator.note("GOOD", said("wiki@3 is taken: `flocker restore wiki@3` goes back."), "wiki")
    assert operator.type("node1", "flocker restore GOOD").output == "flocker restore wiki@3"


def test_what_was_noted_before_is_not_new(operator: Operator) -> None:
    operator.note("GOOD", said("wiki@3 is taken"), "wiki")
    operator.note("BAD", said("wiki is what wiki@3 was; before it was wiki@7."), "wiki")
    assert operator.type("node1", "GOOD BAD").output == "wiki@3 wiki@7"


def test_a_state_of_a_volume_with_a_longer_name_is_another_one(operator: Operator) -> None:
    with pytest.raises(AssertionError, match="no new state of 'wiki'"):
        operator.note("GOOD", said("my-wiki@3"), "wiki")


def test_the_copy_that_was_set_aside_last_is_noted(operator: Operator) -> None:
    listed = "ledger@node1-20261122T190000Z ...\nledger@node1-20261122T193000Z ..."
    operator.note("LOST", said(listed), "ledger")
    assert operator.type("node1", "LOST").output == "ledger@node1-20261122T193000Z"


def test_the_last_two_outputs_are_remembered(operator: Operator) -> None:
    for command in ("one", "two", "three"):
        operator.type("node1", command)
    assert operator.last_outputs() == ("two", "three")
