"""A run on stand-ins for nodes that cannot even create a volume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.base.command import Typed
from judge.nodes import run
from judge.verdict import Verdict


class Cluster:
    """One node that refuses everything."""

    def __init__(self) -> None:
        self.cleaned = 0
        self.nodes: list[Any] = [
            SimpleNamespace(
                name="node1",
                run=lambda _: Path(run.BOOT_ID).read_text(),
                type=lambda command: Typed(None, "node1", command, "no room", 1, 0.1),
            )
        ]

    def node(self, _: str) -> Any:
        return self.nodes[0]

    def clean(self) -> None:
        self.cleaned += 1

    def lose_sight(self) -> None:
        pass

    def logs(self) -> dict[str, str]:
        return {"node1 journal": "what happened"}


def test_a_run_that_is_cut_short_has_a_verdict_and_is_cleaned_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster()

    @contextmanager
    def nodes() -> Iterator[Cluster]:
        yield cluster

    monkeypatch.setattr(run, "_nodes", nodes)
    monkeypatch.setattr(run, "_connected", lambda *_: cluster)
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(run, "LOG", tmp_path / "soak.log")
    judgement, folder = run.soak(1, 7, tmp_path)
    assert judgement.verdict is Verdict.UNKNOWN
    assert "no room" in capsys.readouterr().err
    assert folder == tmp_path / "judge" / "nodes-7"
    assert (folder / "index.html").exists()
    assert (folder / "node1 journal.log").read_text() == "what happened"
    assert cluster.cleaned == 2
