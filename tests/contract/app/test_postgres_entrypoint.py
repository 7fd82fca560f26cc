"""The entry point of Postgres' image: what the first start makes, and what it leaves alone."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.app.app_processes import (
    POSTGRES_ENTRYPOINT,
    PostgresServer,
    postgres_environment,
)

pytestmark = pytest.mark.contract

FILE = "POSTGRES_PASSWORD_FILE"
VERSION = ("postgres", "--version")  # whatever comes first is done, and the server is not started


@pytest.fixture
def data(entrypoint: Path) -> Iterator[Path]:
    """The volume: there, empty and root's, beside the entry point."""
    volume = entrypoint.parent / "data"
    volume.mkdir()
    try:
        yield volume
    finally:
        subprocess.run(["rm", "-r", volume], check=True)


@pytest.fixture
def made(data: Path, new_cluster: Path) -> str:
    """A volume that had its first start; what is noted in it."""
    subprocess.run(["cp", "-a", f"{new_cluster}/.", data], check=True)
    return control_data(data)


def run(data: Path, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [data.parent / POSTGRES_ENTRYPOINT.name, *command],
        cwd=data.parent,
        env=os.environ | postgres_environment(data) | changed,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_first_start_makes_a_database_that_is_postgres_own(data: Path) -> None:
    done = run(data, *VERSION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("postgres (PostgreSQL) ")
    assert (data.owner(), stat.S_IMODE(data.stat().st_mode)) == ("postgres", 0o700)
    assert "page checksum version:           1" in control_data(data)
    assert not (data / ".unfinished").exists()


def test_a_second_start_changes_nothing_and_needs_no_password(data: Path, made: str) -> None:
    again = run(data, *VERSION, POSTGRES_PASSWORD="", POSTGRES_USER="other")
    assert (again.returncode, again.stderr) == (0, "")
    assert control_data(data) == made


def test_a_first_start_without_a_password_is_refused(data: Path) -> None:
    done = run(data, *VERSION, POSTGRES_PASSWORD="")
    assert done.returncode == 1
    assert done.stderr == f"set POSTGRES_PASSWORD: {data} holds no database yet\n"
    assert list(data.iterdir()) == []


def test_the_password_may_be_in_a_file(entrypoint: Path, data: Path) -> None:
    file = entrypoint.parent / "password"
    file.write_text("secret\n")
    done = run(data, *VERSION, POSTGRES_PASSWORD="", **{FILE: str(file)})
    assert done.returncode == 0, done.stderr
    server = PostgresServer(entrypoint, entrypoint.parent)
    try:
        server.start()  # is ready when it lets somebody in who knows the password
    finally:
        server.end()


def test_two_passwords_are_refused(data: Path) -> None:
    done = run(data, *VERSION, **{FILE: "/dev/null"})
    assert done.returncode == 1
    assert done.stderr == "POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set: choose one\n"


def test_a_file_that_is_not_there_is_named(data: Path) -> None:
    done = run(data, *VERSION, POSTGRES_PASSWORD="", **{FILE: "/nowhere"})
    assert done.returncode == 1
    assert "/nowhere" in done.stderr
    assert list(data.iterdir()) == []


def test_a_volume_with_something_else_is_refused_and_kept(data: Path) -> None:
    (data / "dump.rdb").write_text("whales")
    done = run(data, *VERSION)
    assert done.returncode == 1
    assert done.stderr == f"{data} holds something else than a database; nothing was changed\n"
    assert (data / "dump.rdb").read_text() == "whales"


@pytest.mark.usefixtures("made")
def test_a_first_start_that_was_cut_short_is_begun_anew(data: Path) -> None:
    """What is there when the power goes while the new cluster is copied: the mark and a half."""
    (data / ".unfinished").touch()
    (data / "base" / "1" / "PG_VERSION").unlink()
    (data / "global" / "pg_control").unlink()
    done = run(data, *VERSION)
    assert done.returncode == 0, done.stderr
    assert "Database cluster state:               shut down" in control_data(data)
    assert (data / "base" / "1" / "PG_VERSION").exists()
    assert not (data / ".unfinished").exists()


def test_a_first_start_that_fails_leaves_nothing_that_looks_made(data: Path) -> None:
    done = run(data, *VERSION, POSTGRES_USER="pg_reserved")
    assert done.returncode == 1
    assert 'superuser name "pg_reserved" is disallowed' in done.stderr
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("database", ["postgres", '-a "sea" of; whales'])
def test_the_database_is_named_as_asked(entrypoint: Path, data: Path, database: str) -> None:
    assert run(data, *VERSION, POSTGRES_DB=database).returncode == 0
    server = PostgresServer(entrypoint, entrypoint.parent, database)
    assert server.data == data
    try:
        server.start()
    finally:
        server.end()


def test_any_other_command_is_just_run(data: Path) -> None:
    done = run(data, "echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert data.owner() == "root"


@pytest.mark.usefixtures("made")
def test_options_alone_are_for_postgres(data: Path) -> None:
    assert run(data, "--version").stdout.splitlines()[-1].startswith("postgres (PostgreSQL) ")


def control_data(data: Path) -> str:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    return subprocess.run(
        [programs / "pg_controldata", data], check=True, capture_output=True, text=True
    ).stdout
