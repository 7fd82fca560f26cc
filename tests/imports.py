"""The imports of this repository's modules, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from host import ROOT

Edge = tuple[str, str]
"""A module, and one that it imports, both with dots."""


def edges(*packages: str) -> list[Edge]:
    """All imports in these top-level packages or modules of other modules of this repository."""
    files = [
        file
        for package in packages
        for file in (ROOT / f"{package}.py", *sorted((ROOT / package).rglob("*.py")))
        if file.exists()
    ]
    return [(_name(file), imported) for file in files for imported in _imported(file)]


def upward(found: Sequence[Edge], rooms: Sequence[str]) -> list[str]:
    """Name the imports of a room by one below it; modules outside of all rooms do not count.

    Args:
        rooms: the lowest first. A module belongs to the longest name that its own begins with.
    """
    ranks = {room: rank for rank, room in enumerate(rooms)}
    named = [(edge, _room(edge[0], rooms), _room(edge[1], rooms)) for edge in found]
    return [
        f"{importing} imports {imported}"
        for (importing, imported), low, high in named
        if low is not None and high is not None and ranks[low] < ranks[high]
    ]


def circle(found: Sequence[Edge]) -> list[str]:
    """Name the modules of a circle of imports; empty if there is none."""
    graph: dict[str, set[str]] = {}
    for importing, imported in found:
        graph.setdefault(importing, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _room(module: str, rooms: Sequence[str]) -> str | None:
    fitting = [room for room in rooms if f"{module}.".startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def _name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if _is_ours(submodule) else node.module


def _is_ours(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
