"""The README's figures are those of docs/benchmark.md: who measures again has to change both."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AWAY, AGE = "moby-counter away, s", "Age of replicas, p99, s"

# Words of the README -> the row of the benchmark that has the figure, by its first two cells.
FIGURES = {
    "App away for {} s with 10 MB of data": (AWAY, "moved, warm, 10 MB"),
    "of data, {} s with 4 GB": (AWAY, "moved, warm, 4 GB"),
    "A restart on the same node: {} s": (AWAY, "stopped and started on one node"),
    "Small container away for {} s with 10 MB": ("10 MB", "flocker, caught up"),
    "with 10 MB, {} s with 4 GB": ("4 GB", "flocker, caught up"),
    "With 41 MB of the 4 GB still to send: {} s": ("4 GB", "flocker, warm"),
    "99 % of samples below {} s with 10 volumes": (AGE, "10 busy volumes"),
    "below {} s with 50 (": (AGE, "50 busy volumes"),
    "With 50 volumes, 99 % of samples were below {} s": (AGE, "50 busy volumes"),
    "with 150 below {} s": (AGE, "150 busy volumes"),
    "with 300 below {} s": (AGE, "300 busy volumes"),
    "a small container was away for {} s with `flocker`": ("100 MB", "flocker, warm"),
    "`flocker`, {} s with `rsync`": ("100 MB", "rsync twice"),
    "and {} s with `tar`": ("100 MB", "tar over ssh"),
}


def benchmark() -> dict[tuple[str, str], float]:
    """First two cells -> the third, of every row whose third cell is a number."""
    lines = (ROOT / "docs" / "benchmark.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return {(row[0], row[1]): float(row[2]) for row in rows if len(row) > 3 and is_number(row[2])}


def is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()


@pytest.mark.parametrize(("words", "row"), FIGURES.items())
def test_a_figure_is_the_measured_one(words: str, row: tuple[str, str]) -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert words.format(f"{benchmark()[row]:.1f}") in readme
