"""The layers of the repository, of the driver and of the suite, as imports draw them.

`.venv/bin/python -m tests.rooms` brings the pictures in docs/architecture.md up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
END = "<!-- end of rooms -->\n"


@dataclass(frozen=True)
class Rooms:
    """A package whose folders are layers, or the repository, whose packages are.

    Attributes:
        package: its name; empty for the repository.
        order: its rooms from the bottom up: a room imports only from those before it.
        top: the name of the modules beside the rooms, which may import from all of them.
    """

    package: str
    order: tuple[str, ...]
    top: str = ""

    def folders(self) -> set[str]:
        """The folders of the package that hold modules."""
        return {path.parent.name for path in (ROOT / self.package).glob("*/__init__.py")}

    def room_of(self, module: str) -> str:
        """The room of a module, by its dotted name."""
        inside = module.removeprefix(f"{self.package}.") if self.package else module
        folder = inside.split(".")[0]
        return folder if folder in self.order else self.top

    def imports(self) -> dict[str, set[str]]:
        """Module -> the modules of the same package that it imports, at whatever place in it."""
        return _imports((self.package,) if self.package else self.order)

    def room_imports(self) -> dict[str, set[str]]:
        """Room -> the other rooms that it imports from."""
        found: dict[str, set[str]] = {room: set() for room in (*self.order, self.top)}
        for module, imported in self.imports().items():
            if module != self.package:  # what is there is every room's
                found[self.room_of(module)] |= {
                    self.room_of(each) for each in imported if each != self.package
                }
        return {room: rooms - {room} for room, rooms in found.items()}

    def upward(self) -> set[str]:
        """Every import of a room by one that is below it."""
        ranks = {room: rank for rank, room in enumerate((*self.order, self.top))}
        return {
            f"{module} imports {each}"
            for module, imported in self.imports().items()
            for each in imported
            if self.package not in (module, each)
            and ranks[self.room_of(module)] < ranks[self.room_of(each)]
        }

    def picture(self) -> str:
        """The rooms and their imports; an import that follows from others is left out."""
        edges = self.room_imports()
        lines = ["```mermaid", "flowchart TD"]
        for room in (self.top, *reversed(self.order)):
            direct = edges[room]
            implied = {each for other in direct for each in _reachable(edges, other)}
            lines += [f"    {room} --> {each}" for each in sorted(direct - implied)]
        return "\n".join([*lines, "```", ""])

    def written(self) -> str:
        """The picture that the page has."""
        return PAGE.read_text().partition(self._begin)[2].partition(END)[0]

    def write(self) -> None:
        """Give the page the picture that imports draw now."""
        before, _, rest = PAGE.read_text().partition(self._begin)
        PAGE.write_text(before + self._begin + self.picture() + END + rest.partition(END)[2])

    @property
    def _begin(self) -> str:
        return f"<!-- rooms of {self.package}: written by python -m tests.rooms -->\n"


REPOSITORY = Rooms(
    "",
    (
        *("flocker", "host", "box", "report", "acceptance", "bench", "judge"),
        *("features", "environment"),
    ),
)
DRIVER = Rooms(
    "flocker",
    (
        *(
            "base",
            "certificates",
            "ceph",
            "btrfs",
            "streams",
            "pool",
            "consensus",
            "engine",
            "node",
        ),
        *("fence", "membership", "moving", "care", "volumes", "api", "cli"),
    ),
    top="daemon",
)
SUITE = Rooms(
    "acceptance", ("base", "nodes", "machines", "app", "cluster", "words"), top="operator"
)


def circles(edges: dict[str, set[str]]) -> set[str]:
    """The packages from which imports lead back to them."""
    return {each for each in edges if each in _reachable(edges, each)}


@cache
def _imports(packages: tuple[str, ...]) -> dict[str, set[str]]:
    names = {
        _dotted(path): path
        for package in packages
        for path in (ROOT / f"{package}.py", *(ROOT / package).rglob("*.py"))
        if path.exists()
    }
    return {
        module: {each for each in _imported(path) if each in names} - {module}
        for module, path in names.items()
    }


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
    for rooms in (DRIVER, SUITE):
        rooms.write()
