"""docs/benchmark.md: what was measured, what was promised, and on what machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.figures import Moved, Results, median, ratio
from bench.plan import CELLS, LEFT_OUT, MB, METHODS, REPETITIONS
from bench.promises import REASONS, Verdict

INTRODUCTION = f"""\
# Benchmark

`make bench` writes this page; nothing here is written by hand. All figures are from one run on one
machine, whose nodes share its processors and its disk, so the ratios say more than the seconds.
Each figure is the median of {REPETITIONS} or more. The methods take turns, so a slow moment of
the machine slows all of them.
"""

HOW = """\
## How it is measured

- **Gap**: from typing `docker stop` on the source until a container on the target has read what the
  app wrote last. By then, all methods have the copy on the target's disk: a method that does not
  flush is followed by a flush.
- **Before every stop** 1 % of the data is rewritten in place and synced: 100 KiB of each 10 MB, or
  one small file in a hundred. In the first repetition, all names, modes and sizes, and all
  rewritten content, are compared with the expected ones.
- **Bytes**: IP packets between the two nodes in both directions, from the rewriting of the 1 % to
  the end of the gap. The target's packet filter counts them, including headers and etcd's traffic
  between the two nodes. In brackets are the bytes that rsync's first pass sent before, while the
  app ran.
- **CPU**: user and system seconds of everything in both nodes (their cgroups), over the same time.
  The kernel's own threads, which write the pools to disk, belong to no node and do not count.
- **Memory**: the larger peak of the two daemons (VmHWM, reset before each move). `btrfs` runs
  in a separate process and does not count.
- **Busy volumes**: a line with the time is appended to a file of each volume twice a second, on
  one node. Replicas on the other nodes are read twice a second. The **age** of a replica is the
  time since its last line was written; half a second of it is the pause between two lines.
  The CPU of a daemon includes the programs it runs. A write is a revision of etcd.
- **Data**: incompressible files of 10 MB, unless stated otherwise. gzip reduces "compressible" data
  to a fourth. A volume is filled by sharing blocks with a template, so each move starts with none
  of its files in memory.
"""


def write(results: Results, verdicts: Sequence[Verdict], facts: Mapping[str, str]) -> str:
    """The whole document.

    Args:
        facts: of the machine and the versions, shown as given and in this order.
    """
    parts = [
        INTRODUCTION,
        "![Gap of the app by size of the volume and method](benchmark.svg)\n",
        "## Promises\n",
        table(("promise", "measured", "limit", "kept?"), map(_promise_row, verdicts)),
        *_reasons(verdicts),
        "## Moves\n",
        "\n".join(f"- **{method}**: {what}." for method, what in METHODS.items()) + "\n",
        table(
            (
                "data",
                "method",
                "gap, s",
                "flush, s",
                "MB sent",
                "sent/changed",
                "CPU, s",
                "memory, MB",
            ),
            _move_rows(results),
        ),
        "## Busy volumes, and volumes that do not move\n",
        table(
            ("", "variant", "median", "relative to the first", "smallest", "largest"),
            _series_rows(results),
        ),
        HOW,
        "## Left out\n",
        "\n".join(f"- {sentence}" for sentence in LEFT_OUT) + "\n",
        *_failures(results),
        "## The machine\n",
        table(("what", "value"), facts.items()),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _promise_row(verdict: Verdict) -> tuple[str, ...]:
    limit = verdict.limit
    kept = {True: "yes", False: "**missed**", None: "**not measured**"}[verdict.is_kept]
    measured = "-" if verdict.measured is None else f"{verdict.measured:.2f} {limit.unit}"
    return limit.promise, measured, f"{limit.sign} {limit.bound:g} {limit.unit}", kept


def _reasons(verdicts: Sequence[Verdict]) -> list[str]:
    missed = [verdict.limit.promise for verdict in verdicts if verdict.is_kept is False]
    lines = [f"- {promise}: {REASONS.get(promise, 'the reason is unknown')}." for promise in missed]
    return ["Reasons for missed limits:\n", "\n".join(lines) + "\n"] if lines else []


def _move_rows(results: Results) -> Iterable[tuple[str, ...]]:
    for data, methods in CELLS.items():
        for method in METHODS:
            if method in methods and (found := _found(results, method, data)):
                yield data.title, method, *_move_figures(found)


def _found(results: Results, method: str, data: object) -> list[Moved]:
    return [moved for moved in results.moves if (moved.method, moved.data) == (method, data)]


def _move_figures(found: Sequence[Moved]) -> tuple[str, ...]:
    sent = median(moved.wire_bytes for moved in found)
    ahead = median(moved.wire_bytes_ahead for moved in found)
    flushes = [moved.flush_seconds for moved in found if moved.flush_seconds is not None]
    peaks = [moved.daemon_peak_bytes for moved in found if moved.daemon_peak_bytes is not None]
    return (
        f"{median(moved.gap_seconds for moved in found):.2f}",
        f"{median(flushes):.2f}" if flushes else "",
        f"{sent / MB:.1f}" + (f" ({ahead / MB:.1f})" if ahead > MB else ""),
        f"{median(moved.wire_bytes / moved.changed_bytes for moved in found):.2f}",
        f"{median(moved.cpu_seconds for moved in found):.1f}",
        f"{median(peaks) / MB:.0f}" if peaks else "",
    )


def _series_rows(results: Results) -> Iterable[tuple[str, ...]]:
    for title, variants in results.series.items():
        first = median(next(iter(variants.values())))
        for variant, figures in variants.items():
            yield (
                title, variant, f"{median(figures):.4g}", f"{ratio(median(figures), first):.2f} x",
                f"{min(figures):.4g}", f"{max(figures):.4g}",
            )  # fmt: skip


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return []
    lines = [f"- {failure}" for failure in results.failures]
    return ["## Could not be measured\n", "\n".join(lines) + "\n"]
