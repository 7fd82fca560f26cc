"""Settings from the environment, read and checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The names of the app of 2015: what belongs to Postgres' image is called as that image calls it.
POSTGRES_NAMES = (
    "USE_POSTGRES_HOST",
    "USE_POSTGRES_PORT",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_DB",
)
REDIS_NAMES = ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE")
MAX_PORT = 65535


class BadSettings(ValueError):
    """The environment cannot be meant so; the message says what to change."""


@dataclass(frozen=True)
class RedisServer:
    """Where a Redis listens, and the password of its default user if that has one."""

    host: str
    port: int
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"Redis at {self.host}:{self.port}"


@dataclass(frozen=True)
class PostgresServer:
    """Where a Postgres listens, and as whom to enter which of its databases."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    def __str__(self) -> str:
        return f"Postgres at {self.host}:{self.port}, in the database '{self.database}'"


@dataclass(frozen=True)
class Settings:
    """Settings of the server.

    Attributes:
        storage: what keeps the whales.
        port: where the page is, on every address of this machine.
        node_file: holds the node's name.
    """

    storage: RedisServer | PostgresServer
    port: int
    node_file: Path


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; a variable that is empty counts as not set.

    Raises:
        BadSettings: a port is none, a password's file cannot be read, or it is not clear what
            keeps the whales.
    """
    given = {name: text for name, text in environment.items() if text}
    return Settings(
        storage=_postgres(given) if "USE_POSTGRES_HOST" in given else _redis(given),
        port=_port(given, "PORT", 80),
        node_file=Path(given.get("NODE_FILE", "/etc/node")),
    )


def _redis(given: Mapping[str, str]) -> RedisServer:
    for name in POSTGRES_NAMES:
        if name in given:
            raise BadSettings(f"{name} is set and USE_POSTGRES_HOST is not: set both or neither")
    return RedisServer(
        host=given.get("REDIS_HOST", "redis"),
        port=_port(given, "REDIS_PORT", 6379),
        password=_password(given, "REDIS_PASSWORD"),
    )


def _postgres(given: Mapping[str, str]) -> PostgresServer:
    for name in REDIS_NAMES:
        if name in given:
            raise BadSettings(f"USE_POSTGRES_HOST and {name} are both set: choose one storage")
    user = _needed(given.get("POSTGRES_USER"), "POSTGRES_USER")
    password = _needed(_password(given, "POSTGRES_PASSWORD"), "POSTGRES_PASSWORD")
    return PostgresServer(
        host=given["USE_POSTGRES_HOST"],
        port=_port(given, "USE_POSTGRES_PORT", 5432),
        user=user,
        password=password,
        database=given.get("POSTGRES_DB", user),
    )


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise BadSettings(f"USE_POSTGRES_HOST is set and {name} is not: set both or neither")
    return value


def _password(given: Mapping[str, str], name: str) -> str | None:
    """The password itself, or what is in the file that NAME_FILE names, as Docker's secrets are."""
    file = f"{name}_FILE"
    if file not in given:
        return given.get(name)
    if name in given:
        raise BadSettings(f"{name} and {file} are both set: choose one")
    try:
        password = Path(given[file]).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadSettings(f"{file} is '{given[file]}', which cannot be read: {reason}") from None
    if not password:
        raise BadSettings(f"{file} is '{given[file]}', which is empty")
    return password


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_PORT):
        raise BadSettings(f"{name} is '{text}': a port is a number from 1 to {MAX_PORT}")
    return int(text)
