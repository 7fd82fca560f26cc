"""The rooms of `flocker/`, as its imports draw them.

`.venv/bin/python -m tests.rooms` brings the picture in docs/architecture.md up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flocker"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: written by python -m tests.rooms -->\n", "<!-- end of rooms -->\n"

# From the bottom up: a room imports only from those before it.
ROOMS = (
    *("base", "certificates", "btrfs", "streams", "pool", "consensus", "engine", "node"),
    *("fence", "membership", "moving", "care", "volumes", "api", "cli"),
)
TOP = "daemon"  # the modules beside the rooms: they put all parts together and run them


def room_of(module: str) -> str:
    """The room of a module, by its dotted name."""
    _, _, inside = module.partition(".")
    folder = inside.split(".")[0]
    return folder if folder in ROOMS else TOP


@cache
def imports() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, at whatever place in it."""
    names = {_dotted(path): path for path in PACKAGE.rglob("*.py")}
    return {
        module: {each for each in _imported(path) if each in names} - {module}
        for module, path in names.items()
    }


def room_imports() -> dict[str, set[str]]:
    """Room -> the other rooms that it imports from."""
    found: dict[str, set[str]] = {room: set() for room in (*ROOMS, TOP)}
    for module, imported in imports().items():
        if module != "flocker":  # what is there is every room's
            found[room_of(module)] |= {room_of(each) for each in imported if each != "flocker"}
    return {room: rooms - {room} for room, rooms in found.items()}


def circles(edges: dict[str, set[str]]) -> set[str]:
    """Whatever leads back to itself."""
    return {each for each in edges if each in _reachable(edges, each)}


def picture() -> str:
    """The rooms and their imports; an import that follows from others is left out."""
    edges = room_imports()
    lines = ["```mermaid", "flowchart TD"]
    for room in (TOP, *reversed(ROOMS)):
        direct = edges[room]
        implied = {each for other in direct for each in _reachable(edges, other)}
        lines += [f"    {room} --> {each}" for each in sorted(direct - implied)]
    return "\n".join([*lines, "```", ""])


def written() -> str:
    """The picture that the page has."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Give the page the picture that imports draw now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + picture() + END + rest.partition(END)[2])


def _reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = set(edges[start])
    while ahead:
        seen |= ahead
        ahead = {each for one in ahead for each in edges[one]} - seen
    return seen


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


if __name__ == "__main__":
    write()
