"""The watch notes samples until the run is over, and does not end unseen."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from acceptance.base.waiting import eventually
from judge.history import Sample
from judge.nodes import watch
from judge.nodes.promotions import History
from judge.nodes.watch import Watch
from judge.recorder import Recorder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SAMPLE_SECONDS", 0.001)


def test_samples_of_each_node_are_noted() -> None:
    recorder = Recorder(lambda: 0.0)
    nodes = SimpleNamespace(
        nodes=("node1", "node2"),
        sample=lambda node: [
            Sample(at=0, node=node, volume="a", identity="1", owner=node, epoch=1)
        ],
        ask=lambda *_: {"events": []},
    )
    with Watch(nodes, recorder, History()).watching():  # type: ignore[arg-type]
        eventually(
            lambda: {each.node for each in recorder.history() if isinstance(each, Sample)},
            is_={"node1", "node2"},
            within=10,
        )


def test_a_watch_that_ends_early_is_an_error_of_the_run() -> None:
    asked = threading.Event()

    def sample(_: str) -> list[Sample]:
        asked.set()
        raise KeyError("epoch")

    nodes = SimpleNamespace(nodes=("node1",), sample=sample)
    watching = Watch(nodes, Recorder(lambda: 0.0), History())  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="to its end") as raised, watching.watching():
        assert asked.wait(10)
    assert isinstance(raised.value.__cause__, KeyError)
