from pathlib import Path

from bench import document, plot
from bench.figures import Moved, Results
from bench.plan import CELLS, METHODS, RSYNC, SMALLEST, WARM
from bench.promises import judge

FACTS = {"Date": "2026-11-22", "Processors": "2 x Some"}


def results() -> Results:
    moves = [
        Moved(
            WARM, SMALLEST, gap_seconds=gap, wire_bytes=110_000, cpu_seconds=0.5,
            changed_bytes=100_000, daemon_peak_bytes=80_000_000,
        )
        for gap in (3.0, 1.0, 2.0)
    ]  # fmt: skip
    moves.append(
        Moved(
            RSYNC, SMALLEST, gap_seconds=1.5, wire_bytes=150_000, cpu_seconds=1,
            changed_bytes=100_000, wire_bytes_ahead=10_000_000, flush_seconds=0.25,
        )
    )  # fmt: skip
    return Results(moves, {"docker run, s": {"local": [2.0], "flocker": [3.0, 3.0]}})


def text(found: Results) -> str:
    return document.write(found, judge(found), FACTS)


def test_cell_shows_medians() -> None:
    assert "| 10 MB | flocker, warm | 2.00 |  | 0.1 | 1.10 | 0.5 | 80 |\n" in text(results())


def test_what_was_sent_ahead_is_in_brackets() -> None:
    assert "| 10 MB | rsync twice | 1.50 | 0.25 | 0.1 (10.0) | 1.50 | 1.0 |  |\n" in text(results())


def test_variants_are_told_against_the_first() -> None:
    assert "| docker run, s | flocker | 3 | 1.50 x | 3 | 3 |\n" in text(results())


def test_what_could_not_be_measured_is_said() -> None:
    found = results()
    found.failures.append("flocker, cold, 1 GB: no room")
    assert "- flocker, cold, 1 GB: no room\n" in text(found)
    assert "Could not be measured" not in text(results())


def test_missed_promise_is_said_with_its_reason_or_without_one() -> None:
    found = results()
    found.series["docker run, s"] = {"local": [0.3], "flocker, no replicas": [0.5]}
    assert "| 200.00 ms | ≤ 100 ms | **missed** |" in text(found)
    assert "the reason is unknown" in text(found)


def test_table_has_a_row_below_its_head() -> None:
    assert document.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_methods_of_all_cells_are_explained() -> None:
    assert {method for methods in CELLS.values() for method in methods} == set(METHODS)


def test_same_figures_make_the_same_plot(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        plot.draw(results(), tmp_path / name)
    one = (tmp_path / "one.svg").read_text()
    assert one == (tmp_path / "two.svg").read_text()
    assert "flocker, warm" in one
