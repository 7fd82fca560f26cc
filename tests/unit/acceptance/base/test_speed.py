"""What the speed of the nodes makes of a time limit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from acceptance.base import speed
from acceptance.base.speed import Limit, Speed
from acceptance.base.waiting import NeverCame, eventually, eventually_true


@pytest.fixture
def slow_nodes() -> Iterator[None]:
    """Nodes that take three times as long as this machine."""
    speed.NODES.factor = 3
    yield
    speed.NODES.factor = 1


def test_the_slowest_node_counts() -> None:
    assert speed.factor_of(0.2, [1.0, 3.0]) == pytest.approx(15)


@pytest.mark.parametrize("there", [[0.1, 0.05], [0.2], [0.39]])
def test_nodes_about_as_quick_as_this_machine_count_as_that(there: list[float]) -> None:
    assert speed.factor_of(0.2, there) == 1


def test_limits_grow_by_the_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limit(5).seconds == 5
    monkeypatch.setattr(speed.NODES, "factor", 7.25)
    assert Limit(4).seconds == 29


def test_the_report_says_how_quick_the_nodes_are() -> None:
    assert str(Speed()) == "as quick as this machine"
    assert "7.2 times slower" in str(Speed(7.25))


def test_the_work_says_how_long_it_took_and_that_is_compared() -> None:
    done = subprocess.run(
        ["sh", "-c", speed.COMMAND.replace("python3", sys.executable, 1)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds = float(done.stdout)
    assert 0 < seconds < 60
    nodes = Speed()
    nodes.measure([seconds * 1000])
    assert nodes.factor > 2


@pytest.mark.usefixtures("slow_nodes")
def test_waiting_is_as_much_more_patient() -> None:
    started = time.monotonic()
    with pytest.raises(NeverCame, match=r"waited 0\.3 s"):
        eventually(lambda: False, is_=True, within=0.1)
    assert time.monotonic() - started >= 0.3


@pytest.mark.usefixtures("slow_nodes")
def test_a_limit_that_began_earlier_ends_earlier() -> None:
    began = time.monotonic() - 0.2
    with pytest.raises(NeverCame, match=r"waited 0\.[01]\d* s"):
        eventually_true(lambda: 0, bool, what="one", within=0.1, since=began)
    assert time.monotonic() - began >= 0.3
