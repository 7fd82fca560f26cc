"""What the environment may say, and in which words it is told what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from moby_counter.settings import (
    BadSettings,
    PostgresServer,
    RedisServer,
    Settings,
    from_environment,
)

WEB = Path(__file__).parents[3] / "app" / "web"
POSTGRES = {
    "USE_POSTGRES_HOST": "db",
    "POSTGRES_USER": "whales",
    "POSTGRES_PASSWORD": "secret",
}


def test_without_any_setting_a_host_named_redis_keeps_the_whales() -> None:
    assert from_environment({}) == Settings(RedisServer("redis", 6379), 80, Path("/etc/node"))


def test_every_setting_is_heard() -> None:
    given = {"REDIS_HOST": "here", "REDIS_PORT": "1", "PORT": "65535", "NODE_FILE": "/name"}
    assert from_environment(given) == Settings(RedisServer("here", 1), 65535, Path("/name"))


def test_postgres_is_chosen_by_its_host_and_its_database_is_named_as_the_user() -> None:
    server = PostgresServer("db", 5432, "whales", "secret", "whales")
    assert from_environment(POSTGRES).storage == server


def test_postgres_may_be_on_another_port_and_in_another_database() -> None:
    given = POSTGRES | {"USE_POSTGRES_PORT": "5433", "POSTGRES_DB": "sea"}
    server = PostgresServer("db", 5433, "whales", "secret", "sea")
    assert from_environment(given).storage == server


@pytest.mark.parametrize(
    ("storage", "name"), [({}, "REDIS_PASSWORD"), (POSTGRES, "POSTGRES_PASSWORD")]
)
def test_a_password_may_be_in_a_file(tmp_path: Path, storage: dict[str, str], name: str) -> None:
    file = tmp_path / "password"
    file.write_text("whispered\n")
    others = {key: value for key, value in storage.items() if key != name}
    settings = from_environment(others | {f"{name}_FILE": str(file)})
    assert settings.storage.password == file.read_text().strip()
    assert "whispered" not in repr(settings)

    with pytest.raises(BadSettings, match=f"^{name} and {name}_FILE are both set: choose one$"):
        from_environment(others | {f"{name}_FILE": str(file), name: "typed"})


def test_a_password_file_that_cannot_be_read_or_is_empty_is_named(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff")
    reasons = {
        tmp_path: "which cannot be read: Is a directory",
        tmp_path / "none": "which cannot be read: No such file or directory",
        binary: "which cannot be read: it is not text",
        empty: "which is empty",
    }
    for path, reason in reasons.items():
        with pytest.raises(BadSettings, match=f"^REDIS_PASSWORD_FILE is '{path}', {reason}$"):
            from_environment({"REDIS_PASSWORD_FILE": str(path)})


def test_what_is_empty_is_not_set() -> None:
    """Compose passes a variable it does not know on as an empty one."""
    empty = dict.fromkeys([*POSTGRES, "USE_POSTGRES_PORT", "POSTGRES_DB", "REDIS_HOST", "PORT"], "")
    assert from_environment(empty) == from_environment({})
    assert from_environment(empty | POSTGRES) == from_environment(POSTGRES)


@pytest.mark.parametrize("name", ["REDIS_HOST", "REDIS_PORT"])
def test_both_storages_at_once_are_refused(name: str) -> None:
    with pytest.raises(BadSettings, match=f"^USE_POSTGRES_HOST and {name} are both set: "):
        from_environment(POSTGRES | {name: "1"})


@pytest.mark.parametrize("name", ["POSTGRES_USER", "POSTGRES_PASSWORD"])
def test_a_postgres_nobody_can_enter_is_refused(name: str) -> None:
    given = {other: text for other, text in POSTGRES.items() if other != name}
    with pytest.raises(BadSettings, match=f"^USE_POSTGRES_HOST is set and {name} is not: "):
        from_environment(given)


@pytest.mark.parametrize(
    "name", ["USE_POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"]
)
def test_a_postgres_without_a_host_is_refused(name: str) -> None:
    with pytest.raises(BadSettings, match=f"^{name} is set and USE_POSTGRES_HOST is not: "):
        from_environment({name: "1"})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "tcp://172.17.0.2:6379", " 80", "²"])
@pytest.mark.parametrize("name", ["PORT", "REDIS_PORT", "USE_POSTGRES_PORT"])
def test_what_is_no_port_is_refused(name: str, port: str) -> None:
    given = POSTGRES if name == "USE_POSTGRES_PORT" else {}
    with pytest.raises(BadSettings, match="a port is a number from 1 to 65535") as refused:
        from_environment(given | {name: port})
    assert str(refused.value).startswith(f"{name} is '{port}': ")


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(from_environment(POSTGRES))
    assert "secret" not in str(from_environment(POSTGRES).storage)


def test_the_program_ends_with_one_line_and_status_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moby_counter"],
        cwd=WEB,
        env={"PATH": os.environ["PATH"], "POSTGRES_USER": "whales"},
        check=False,
        capture_output=True,
        text=True,
    )
    said = "POSTGRES_USER is set and USE_POSTGRES_HOST is not: set both or neither"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"moby-counter: {said}\n")
