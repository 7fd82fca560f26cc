"""What the environment asks for, read and checked before anything starts."""

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
    "POSTGRES_DB",
)
REDIS_NAMES = ("REDIS_HOST", "REDIS_PORT")
MAX_PORT = 65535


class BadSettings(ValueError):
    """The environment cannot be meant so; the message says what to change."""


@dataclass(frozen=True)
class RedisServer:
    """Where a Redis listens."""

    host: str
    port: int

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
    """How to serve.

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
        BadSettings: a port is none, or it is not clear what keeps the whales.
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
    return RedisServer(given.get("REDIS_HOST", "redis"), _port(given, "REDIS_PORT", 6379))


def _postgres(given: Mapping[str, str]) -> PostgresServer:
    for name in REDIS_NAMES:
        if name in given:
            raise BadSettings(f"USE_POSTGRES_HOST and {name} are both set: choose one storage")
    for name in ("POSTGRES_USER", "POSTGRES_PASSWORD"):
        if name not in given:
            raise BadSettings(f"USE_POSTGRES_HOST is set and {name} is not: set both or neither")
    user = given["POSTGRES_USER"]
    return PostgresServer(
        host=given["USE_POSTGRES_HOST"],
        port=_port(given, "USE_POSTGRES_PORT", 5432),
        user=user,
        password=given["POSTGRES_PASSWORD"],
        database=given.get("POSTGRES_DB", user),
    )


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_PORT):
        raise BadSettings(f"{name} is '{text}': a port is a number from 1 to {MAX_PORT}")
    return int(text)
