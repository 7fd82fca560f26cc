"""`python -m judge` says the verdict on kept histories, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from judge import history
from judge.__main__ import main
from judge.history import AnyEvent
from tests.unit.judge.test_verdicts import (
    Wrong,
    cut_short,
    lost_in_a_move,
    quiet,
    refused_for_ever,
    traceback,
)


def kept(folder: Path, events: list[AnyEvent]) -> str:
    file = folder / f"{len(list(folder.iterdir()))}.jsonl"
    history.write(events, file)
    return str(file)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [(lost_in_a_move, 1), (refused_for_ever, 3), (traceback, 4), (cut_short, 5)],
)
def test_each_verdict_has_its_exit_status(
    wrong: Callable[[], Wrong], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = wrong()
    assert main([kept(tmp_path, told.events)]) == status
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].endswith(f": {told.verdict}")
    for name in told.names:
        assert name in printed


def test_the_worst_of_several_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid, broken = kept(tmp_path, quiet()), kept(tmp_path, lost_in_a_move().events)
    assert main([valid]) == 0
    assert "10 lines, 0 faults, 0 promotions" in capsys.readouterr().out
    assert main([broken, valid]) == 1


def test_scripts_get_one_object_on_each_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--json", kept(tmp_path, quiet()), kept(tmp_path, lost_in_a_move().events)])
    valid, broken = map(json.loads, capsys.readouterr().out.splitlines())
    assert (valid["verdict"], valid["findings"]) == ("valid", [])
    assert broken["verdict"] == "violation"
    [first, *_] = broken["findings"]
    assert (first["volume"], first["run"], first["sequence"]) == ("a", "r1", 5)


def test_the_same_history_has_the_same_verdict_from_its_file(tmp_path: Path) -> None:
    events = lost_in_a_move().events
    file = Path(kept(tmp_path, events))
    assert history.read(file) == events


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"no JSON\n", "other.jsonl, line 1: Invalid JSON"),
        (b'{"kind":"end"}\n', "other.jsonl, line 1: Field required"),
        (b"{}\n", "other.jsonl, line 1: it is no event: it has no 'kind'"),
        (b"\xff\n", "other.jsonl: it is no text"),
        (None, "other.jsonl: No such file or directory"),
    ],
)
def test_a_file_that_is_no_history_is_named(
    content: bytes | None, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.jsonl"
    if content is not None:
        file.write_bytes(content)
    assert main([str(file)]) == 2
    told = capsys.readouterr().err
    assert wrong in told
    assert "build/judge/*/history.jsonl" in told


def test_a_name_in_a_history_does_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = lost_in_a_move().events
    text = "".join(f"{each.model_dump_json()}\n" for each in events)
    file = tmp_path / "forged.jsonl"
    file.write_text(text.replace('"node1"', '"node1\\u001b[2J\\nvalid\\u202e"'))
    assert main([str(file)]) == 1
    printed = capsys.readouterr().out
    assert "node1\\x1b[2J\\nvalid\\u202e" in printed
    assert printed.replace("\n", "").isprintable()
