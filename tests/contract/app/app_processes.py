"""Real storages, as processes that a test may stop, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, Protocol, cast

import psycopg
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from acceptance.base.waiting import eventually
from judge.machine import signals
from judge.machine.ports import free_port

ROOT = Path(__file__).parents[3]
WEB = ROOT / "app" / "web"
APP_PASSWORD = ROOT / "provision" / "app-password"
POSTGRES_ENTRYPOINT = ROOT / "box" / "files" / "postgres-entrypoint"
LOGIN = {"POSTGRES_USER": "whales", "POSTGRES_PASSWORD": "secret"}
READY_SECONDS = 20.0
STOP_SECONDS = 5.0  # half of what Docker grants before it kills


class Process:
    """One process with a log file; starting again appends to it."""

    stop_signal = signal.SIGTERM  # what Docker sends
    crash_signal = signal.SIGKILL
    folder = WEB  # where it runs

    def __init__(self, directory: Path) -> None:
        self.log = directory / f"{type(self).__name__}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._is_ready_or_dead, is_=True, within=READY_SECONDS)
        assert self._process.poll() is None, f"ended at once:\n{self.log.read_text()}"

    def environment(self) -> dict[str, str]:
        return {}

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        signals.send(self._process, number)

    def stop(self) -> float:
        """End it as Docker does; the seconds that took."""
        return self._end(self.stop_signal)

    def crash(self) -> None:
        """End it without giving it the time to save anything."""
        self._end(self.crash_signal)

    def end(self) -> None:
        """End it whatever state a test left it in."""
        if self._process is not None and self._process.poll() is None:
            self.send(signal.SIGCONT)
            self.crash()

    def _end(self, number: signal.Signals) -> float:
        assert self._process is not None
        started = time.monotonic()
        self.send(number)
        self._process.wait(STOP_SECONDS)
        return time.monotonic() - started

    def _is_ready_or_dead(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self.is_ready()


class StorageServer(Protocol):
    """What a test may do with the server behind a storage, whichever it is."""

    name: str

    def settings(self) -> dict[str, str]:
        """What to tell the web app."""

    def whales(self) -> list[str]: ...

    def put(self, *whales: str) -> None:
        """Add whales behind the web app's back."""

    def forget(self) -> None:
        """Lose everything, as when other data is restored."""

    def refuse(self) -> None:
        """Take no more whales, and go on answering."""

    def accept(self) -> None: ...

    def start(self) -> None: ...

    def send(self, number: signal.Signals) -> None: ...

    def stop(self) -> float: ...

    def crash(self) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None:
        """Let go of the test's own connection."""


class RedisServer(Process):
    """Debian's redis-server with the arguments and the password of app/docker-compose.yml."""

    name = "Redis"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory / "data"
        self.directory.mkdir()
        self.port = free_port()
        self.secrets = directory / "secrets"
        subprocess.run([APP_PASSWORD, self.secrets], check=True)
        password = (self.secrets / "password").read_text().strip()
        self.client = Redis(port=self.port, password=password, decode_responses=True)

    def command(self) -> list[str]:
        settings = [str(self.secrets / "redis.conf"), "--dir", str(self.directory)]
        return ["redis-server", *settings, "--port", str(self.port), "--bind", "127.0.0.1"]

    def is_ready(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisConnectionError:
            return False

    def settings(self) -> dict[str, str]:
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_PASSWORD_FILE": str(self.secrets / "password"),
        }

    def persistence(self) -> str:
        """What Redis says about its saving, as lines of `name:value`."""
        info = cast(dict[str, object], self.client.info("persistence"))
        return "\n".join(f"{name}:{value}" for name, value in info.items())

    def whales(self) -> list[str]:
        return cast(list[str], self.client.lrange("whales", 0, -1))

    def put(self, *whales: str) -> None:
        self.client.rpush("whales", *whales)

    def forget(self) -> None:
        self.client.delete("whales")

    def refuse(self) -> None:
        # Root may write anywhere, so let the file's place be taken by a directory.
        dump = self.directory / "dump.rdb"
        dump.unlink(missing_ok=True)
        dump.mkdir()
        (dump / "not-empty").touch()

    def accept(self) -> None:
        shutil.rmtree(self.directory / "dump.rdb")

    def close(self) -> None:
        self.client.close()


class PostgresServer(Process):
    """Debian's Postgres, started by the entry point of the image that box/ makes.

    Its folder must be open to the user postgres, and all folders above it.
    """

    name = "Postgres"
    stop_signal = signal.SIGINT
    crash_signal = signal.SIGQUIT  # its processes end at once; the next start recovers

    def __init__(self, entrypoint: Path, directory: Path, database: str = "whales") -> None:
        super().__init__(directory)
        self.data = directory / "data"
        self.folder = directory
        self.port = free_port()
        self._entrypoint = entrypoint
        self._database = database

    def command(self) -> list[str]:
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        options = [word for setting in settings for word in ("-c", setting)]
        return [str(self._entrypoint), "postgres", *options]

    def environment(self) -> dict[str, str]:
        return postgres_environment(self.data)

    def is_ready(self) -> bool:
        try:
            self.ask("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def settings(self) -> dict[str, str]:
        return {
            "USE_POSTGRES_HOST": "127.0.0.1",
            "USE_POSTGRES_PORT": str(self.port),
            **LOGIN,
        }

    def connect(self) -> psycopg.Connection:
        user, password = LOGIN.values()
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            dbname=self._database,
            autocommit=True,
        )

    def ask(self, question: LiteralString) -> list[tuple[object, ...]]:
        """The rows that answer it, or none where there can be no rows."""
        with self.connect() as connection:
            cursor = connection.execute(question)
            return cursor.fetchall() if cursor.description else []

    def whales(self) -> list[str]:
        return [f"{x}:{y}" for x, y in self.ask("SELECT x, y FROM whales ORDER BY number")]

    def put(self, *whales: str) -> None:
        places = [whale.split(":") for whale in whales]
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO whales (x, y) VALUES (%s, %s)", places)

    def forget(self) -> None:
        self.ask("DROP TABLE whales")

    def refuse(self) -> None:
        self._set_read_only("on")

    def accept(self) -> None:
        self._set_read_only("off")

    def close(self) -> None:
        pass  # each question has a connection of its own

    def _set_read_only(self, value: str) -> None:
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"default_transaction_read_only = {value}\n")
        self.send(signal.SIGHUP)
        eventually(lambda: self.ask("SHOW transaction_read_only"), is_=[(value,)], within=5)


def postgres_environment(data: Path) -> dict[str, str]:
    """What the image of Postgres has in its environment, with what a compose file adds."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGDATA": str(data),
        **LOGIN,
    }


@contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """A Redis with nothing in it."""
    server = RedisServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.end()
        server.close()
