"""The operator notes for later the state of a volume that was named last."""

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


def test_a_state_is_noted_by_volume_and_label(operator: Operator) -> None:
    operator.note("good", said("wiki@3 is taken: `flocker restore wiki@3` goes back."), "wiki")
    operator.note("good", said("shop@1 is taken: `flocker restore shop@1` goes back."), "shop")
    assert operator.noted("wiki", "good") == "wiki@3"
    assert operator.noted("shop", "good") == "shop@1"


def test_what_was_noted_before_is_not_new(operator: Operator) -> None:
    operator.note("good", said("wiki@3 is taken"), "wiki")
    operator.note("bad", said("wiki is what wiki@3 was; before it was wiki@7."), "wiki")
    assert operator.noted("wiki", "bad") == "wiki@7"


def test_a_state_of_a_volume_with_a_longer_name_is_another_one(operator: Operator) -> None:
    with pytest.raises(AssertionError, match="no new state of 'wiki'"):
        operator.note("good", said("my-wiki@3"), "wiki")


def test_the_copy_that_was_set_aside_last_is_noted(operator: Operator) -> None:
    listed = "ledger@node1-20261122T190000Z ...\nledger@node1-20261122T193000Z ..."
    operator.note("lost", said(listed), "ledger")
    assert operator.noted("ledger", "lost") == "ledger@node1-20261122T193000Z"
