"""How the age of replicas is looked at, here on folders of this machine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import busy, on_node, promises
from bench.figures import Results

IDS = ["one", "other"]
NOW = 1_800_000_000.0


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    for volume_id in IDS:
        (tmp_path / "volumes" / volume_id / "live").mkdir(parents=True)
    return tmp_path


def snapshot(pool: Path, volume_id: str, number: int, *seconds_ago: float) -> Path:
    """A replica's snapshot with lines that were written so long ago."""
    folder = pool / "volumes" / volume_id / "snapshots" / str(number)
    folder.mkdir(parents=True)
    lines = [f"{NOW - each}\n" for each in seconds_ago]
    (folder / on_node.LOG).write_text("".join(lines))
    return folder


def test_each_volume_is_written_to_twice_a_second(pool: Path) -> None:
    began = time.time()
    rounds = on_node.append(pool, 1.2, *IDS)
    assert rounds >= 1
    for volume_id in IDS:
        log = pool / "volumes" / volume_id / "live" / on_node.LOG
        times = [float(line) for line in log.read_text().splitlines()]
        assert len(times) == rounds
        assert times == sorted(times)
        assert times[0] >= began


def test_a_replica_is_as_old_as_its_last_line(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.on_node.time.time", lambda: NOW)
    snapshot(pool, "one", 9, 100, 50)
    snapshot(pool, "one", 10, 50, 3)
    snapshot(pool, "one", 11, 1)
    (pool / "volumes" / "one" / "snapshots" / "11.arriving").touch()
    snapshot(pool, "other", 1, 7)
    found = on_node.ages(pool, 0.1, *IDS)
    assert found == [3.0, 7.0] * (len(found) // 2)
    assert found


def test_a_replica_without_a_line_has_no_age(pool: Path) -> None:
    (pool / "volumes" / "one" / "snapshots" / "1").mkdir(parents=True)
    assert on_node.ages(pool, 0.1, *IDS) == []


def test_percentiles_are_figures_that_were_measured() -> None:
    figures = [float(number) for number in range(200, 0, -1)]
    assert busy.percentile(figures, 50) == 100
    assert busy.percentile(figures, 99) == 198
    assert busy.percentile([4.0], 99) == 4.0
    with pytest.raises(ValueError, match="no replica"):
        busy.percentile([], 50)


@pytest.mark.parametrize(("age", "expected"), [(3.9, True), (4.1, False), (None, None)])
def test_the_age_that_is_promised_is_judged(age: float | None, expected: bool | None) -> None:
    results = Results()
    if age is not None:
        results.add(busy.AGE_P99, busy.variant(150), age)
    [verdict] = [each for each in promises.judge(results) if "150 busy" in each.limit.promise]
    assert verdict.is_kept is expected
