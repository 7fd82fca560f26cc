"""The gap of the app against the size of its volume, one line per method."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.figures import Results
from bench.plan import CELLS, MB, METHODS, size_title

WIDTH, HEIGHT = 9, 5.5  # inches
MARKERS = "osD^vPX*"


def draw(results: Results, path: Path) -> None:
    """Write the plot as SVG; methods and sizes that were not measured are left out."""
    # Neither random ids nor a date: the same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 10})
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    sizes = [data for data in CELLS if data.content == "random"]
    for method, marker in zip(METHODS, MARKERS, strict=True):
        measured = {moved.data for moved in results.moves if moved.method == method}
        points = [
            (data.size_bytes / MB, results.gap(method, data)) for data in sizes if data in measured
        ]
        if points:
            style = "-" if method.startswith("flocker") else "--"
            axes.plot(*zip(*points, strict=True), style, marker=marker, label=method)
    axes.set(xscale="log", yscale="log", ylabel="gap of the app, s", xlabel="size of the volume")
    axes.set_xticks(
        [data.size_bytes / MB for data in sizes], [size_title(data.size_bytes) for data in sizes]
    )
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    figure.savefig(path, metadata={"Date": None})
