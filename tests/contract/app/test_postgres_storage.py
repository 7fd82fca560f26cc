"""What only Postgres does: tables, locks, and a server of many processes that stop one by one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from moby_counter import postgres_storage
from moby_counter.postgres_storage import PostgresStorage
from moby_counter.settings import PostgresServer as Server
from moby_counter.storage import StorageAway
from moby_counter.whales import Whale

from acceptance.base.waiting import eventually, eventually_true
from tests.contract.app.app_processes import READY_SECONDS, PostgresServer, StorageServer
from tests.contract.app.web_app import WebApp

pytestmark = pytest.mark.contract

WAITING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND wait_event = 'relation'"


@pytest.fixture
def storage(postgres: PostgresServer) -> StorageServer:
    return postgres


@pytest.fixture
def apps(tmp_path: Path, postgres: PostgresServer) -> Iterator[list[WebApp]]:
    """Several web apps on one Postgres that has no table yet."""
    with ExitStack() as cleanup:
        webs = []
        for number in range(3):
            (tmp_path / str(number)).mkdir()
            web = WebApp(tmp_path / str(number), postgres.settings())
            cleanup.callback(web.http.close)
            cleanup.callback(web.end)
            web.start()
            webs.append(web)
        yield webs


def test_web_apps_that_start_at_once_make_one_table(apps: list[WebApp]) -> None:
    places = [f"{number}:{number}" for number in range(30)]
    with ThreadPoolExecutor(len(places)) as visitors:
        answers = list(visitors.map(WebApp.post, apps * 10, places))
    assert [answer.text for answer in answers] == ["ok"] * len(places)
    listed = [web.whales() for web in apps]
    assert listed[0] == listed[1] == listed[2]
    assert sorted(listed[0]) == sorted(places)


def test_a_database_that_was_emptied_is_filled_again(app: WebApp, postgres: PostgresServer) -> None:
    assert app.post("1:2").text == "ok"
    postgres.forget()
    assert app.whales() == []
    assert app.post("3:4").text == "ok"
    assert app.whales() == ["3:4"]


def test_a_wrong_password_is_told_and_not_printed(tmp_path: Path, postgres: PostgresServer) -> None:
    app = WebApp(tmp_path, postgres.settings() | {"POSTGRES_PASSWORD": "guessed"})
    try:
        app.start()
        assert not app.is_connected()
        refused = app.post("1:2")
        assert refused.status_code == 503
        assert "password authentication failed" in refused.text
        assert "guessed" not in refused.text + app.log.read_text()
    finally:
        app.end()
        app.http.close()


@pytest.fixture
def hurried(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresStorage:
    """A storage that waits seconds where the web app's waits ten."""
    monkeypatch.setattr(postgres_storage, "STATEMENT_SECONDS", 1.0)
    monkeypatch.setattr(postgres_storage, "ANSWER_SECONDS", 2.0)
    storage = PostgresStorage(Server("127.0.0.1", postgres.port, "whales", "secret", "whales"))
    asyncio.run(storage.add(Whale(1, 2)))
    return storage


def test_a_whale_that_waits_too_long_is_refused_and_does_not_turn_up_later(
    hurried: PostgresStorage, postgres: PostgresServer
) -> None:
    with postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE whales")
        with pytest.raises(StorageAway, match="canceling statement due to statement timeout"):
            asyncio.run(hurried.add(Whale(3, 4)))
    assert postgres.whales() == ["1:2"]


def test_a_postgres_that_freezes_half_way_keeps_nobody_waiting(
    hurried: PostgresStorage, postgres: PostgresServer
) -> None:
    with ThreadPoolExecutor(1) as visitor, postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE whales")
        answer = visitor.submit(asyncio.run, hurried.add(Whale(3, 4)))
        [(pid,)] = eventually_true(
            lambda: postgres.ask(WAITING),
            lambda rows: len(rows) == 1,
            what="a whale that waits for the table",
            within=READY_SECONDS,
        )
        os.kill(int(str(pid)), signal.SIGSTOP)
        postgres.send(signal.SIGSTOP)
        try:
            with pytest.raises(StorageAway, match="server closed the connection"):
                answer.result(READY_SECONDS)
            assert not asyncio.run(hurried.is_connected())
        finally:
            postgres.send(signal.SIGCONT)
            os.kill(int(str(pid)), signal.SIGCONT)
    eventually(lambda: postgres.ask(WAITING), is_=[], within=READY_SECONDS)
    assert postgres.whales() == ["1:2"], "Postgres gave the refused one up, too"
