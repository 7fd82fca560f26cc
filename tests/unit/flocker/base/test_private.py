"""Nobody but root can read what the driver writes."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import flocker
from flocker.base import private

ROOM = Path(flocker.__file__).parent
MODULES = sorted(ROOM.rglob("*.py"))
MAKES_CONTENT = {"streams/applier.py"}  # each entry gets the mode that the stream says
OTHERWISE = {
    "path.parent.mkdir(mode=493, parents=True, exist_ok=True)",  # Docker's folder of sockets
    "folder.next.mkdir()",  # content, which gets its mode at once
    "snapshot(folder, name).mkdir()",  # Ceph's way to take a snapshot
    "self._door.open(self._welcome)",  # no file
}
# `private` stands for these; what `tempfile` makes is closed to others.
MAKING = {"write_text", "write_bytes", "makedirs", "mkfifo", "mknod", "creat", "FileHandler"}


@pytest.fixture(autouse=True)
def _no_mask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_closed_to_others(tmp_path: Path) -> None:
    private.write(tmp_path / "list.json", "{}")
    private.write(tmp_path / "flushed.json", "{}", is_flushed=True)
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {
        "list.json": 0o600,
        "flushed.json": 0o600,
    }


def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    for name in ("list.json", "list.new"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o666)
    private.write(tmp_path / "list.json", "new")
    assert mode(tmp_path / "list.json") == 0o600
    assert (tmp_path / "list.json").read_text() == "new"
    assert not (tmp_path / "list.new").exists()


def test_files_that_belong_together_are_closed_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("old")
    private.write_together(tmp_path, {"key.pem": "key", "cert.pem": "cert"})
    assert {path.name: (mode(path), path.read_text()) for path in tmp_path.iterdir()} == {
        "key.pem": (0o600, "key"),
        "cert.pem": (0o600, "cert"),
    }


def test_a_folder_is_closed_with_the_files_in_it_and_nothing_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "pool", tmp_path / "outside"
    (folder / "content").mkdir(parents=True)
    for file in (folder / "old.json", outside):
        file.touch()
        file.chmod(0o644)
    (folder / "link").symlink_to(outside)
    private.make_folder(folder)
    private.make_folder(tmp_path / "new")
    assert mode(folder) == mode(tmp_path / "new") == 0o700
    assert mode(folder / "old.json") == 0o600
    assert mode(folder / "content") == 0o777
    assert mode(outside) == 0o644


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_closed(mode: ast.expr | None) -> bool:
    """Tell whether a mode is one that gives others nothing, as it is written."""
    match mode:
        case ast.Constant(value=int(value)):
            return not value & private.OTHERS
        case (
            ast.Attribute(attr="FILE_MODE" | "FOLDER_MODE")
            | ast.Name(id="FILE_MODE" | "FOLDER_MODE")
        ):
            return True
    return False


def is_open_to_others(call: ast.Call) -> bool:
    """Tell whether a call may make a file or folder with rights for others, by some umask."""
    function, name = ast.unparse(call.func), name_of(call)
    named = {each.arg: each.value for each in call.keywords}

    def argument(at: int) -> ast.expr | None:
        return named.get("mode") or dict(enumerate(call.args)).get(at)

    if function == "os.open":
        return "O_CREAT" in ast.unparse(call) and not is_closed(argument(2))
    if name in ("mkdir", "touch"):
        return not is_closed(argument(1 if function == "os.mkdir" else 0))
    if name == "open":
        how = argument(1 if function == "open" else 0)
        return how is not None and not (
            isinstance(how, ast.Constant) and set(str(how.value)) <= set("rbt")
        )
    return name in MAKING or function.startswith("shutil.copy")


def open_to_others(source: str) -> list[str]:
    calls = (each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Call))
    return [ast.unparse(each) for each in calls if is_open_to_others(each)]


@pytest.mark.parametrize(
    "call",
    [
        *("p.write_text('x')", "p.open('w')", "p.open(mode='a')", "open(p, 'x')", "open(p, 'r+b')"),
        *("open(p, how)", "p.touch()", "p.touch(420)", "p.mkdir()", "p.mkdir(mode=493)"),
        *("os.open(p, os.O_WRONLY | os.O_CREAT)", "os.open(p, os.O_CREAT, 420)", "os.mkdir(p)"),
        *("os.mkdir(p, 488)", "os.makedirs(p)", "shutil.copy(p, q)", "shutil.copytree(p, q)"),
    ],
)
def test_each_way_to_make_one_that_others_may_read_is_noticed(call: str) -> None:
    assert open_to_others(call) == [call]


@pytest.mark.parametrize(
    "call", ["open(p)", "p.open('rb')", "os.open(p, os.O_RDONLY)", "os.open(p, os.O_CREAT, 0o600)"]
)
def test_what_makes_none_is_passed_over(call: str) -> None:
    assert open_to_others(call) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOM)))
def test_no_module_makes_one_that_others_may_read(module: Path) -> None:
    if str(module.relative_to(ROOM)) not in MAKES_CONTENT:
        assert set(open_to_others(module.read_text())) <= OTHERWISE
