"""The engine's side of the driver, with a real dockerd; what it should not do, with a poor one."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import EngineAway, Refused
from flocker.engine.client import Engine, Stopped
from judge.machine.engine import IMAGE, OwnEngine, own_engine

pytestmark = pytest.mark.contract

FAILS_AT_ONCE = "exit 1"


@pytest.fixture(scope="module")
def module_dockerd() -> Iterator[OwnEngine]:
    with own_engine() as running:
        yield running


@pytest.fixture
def dockerd(module_dockerd: OwnEngine) -> Iterator[OwnEngine]:
    """A running dockerd without containers."""
    yield module_dockerd
    module_dockerd.remove_all()


@pytest.fixture
def engine(dockerd: OwnEngine, tmp_path: Path) -> Engine:
    return Engine(dockerd.socket, tmp_path)


@contextmanager
def hanging(dockerd: OwnEngine) -> Iterator[None]:
    dockerd.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        dockerd.signal(signal.SIGCONT)


def stop_using(engine: Engine, volume: str, within: float = 5) -> list[str]:
    return sorted(stopped.container for stopped in engine.stop_using([volume], within))


def test_running_containers_that_use_a_volume_are_named(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("db", volume="demo")
    dockerd.run("alone", volume="demo2")
    dockerd.run("ended", volume="demo")
    dockerd.docker("kill", "ended")
    assert engine.containers_using("demo") == ["db", "web"]
    assert engine.containers_using("unknown") == []


def test_all_containers_that_were_made_with_a_volume_are_named(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("ended", volume="demo")
    dockerd.docker("kill", "ended")
    dockerd.docker("create", "--name", "never-started", "--volume", "demo:/data", IMAGE, "true")
    dockerd.run("alone", volume="demo2")
    assert engine.containers_with("demo") == ["ended", "never-started", "web"]
    assert engine.containers_with("unknown") == []


def test_local_volumes_are_listed(dockerd: OwnEngine, engine: Engine) -> None:
    assert engine.local_volumes() == set()
    for name in ("demo", "notes"):
        dockerd.docker("volume", "create", name)
    assert engine.local_volumes() == {"demo", "notes"}


def test_stopping_ends_those_that_use_the_volume_and_no_others(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("deaf", volume="demo", program="trap '' TERM INT; while :; do sleep 1; done")
    dockerd.run("alone", volume="demo2")
    assert stop_using(engine, "demo") == ["deaf", "web"]
    assert [dockerd.state(name) for name in ("web", "deaf")] == ["exited", "exited"]
    assert dockerd.state("alone") == "running"
    assert stop_using(engine, "demo") == []


def test_the_containers_of_several_volumes_are_stopped_at_once(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("web", "--volume", "other:/other", volume="demo")
    dockerd.run("db", volume="demo2")
    dockerd.run("alone", volume="demo3")
    stopped = set(engine.stop_using(["demo", "demo2", "unknown"], within=5))
    assert stopped == {Stopped("web", frozenset(["demo"])), Stopped("db", frozenset(["demo2"]))}
    assert [dockerd.state(name) for name in ("web", "db")] == ["exited", "exited"]
    assert dockerd.state("alone") == "running"


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_no_restart_policy_starts_a_stopped_container_again(
    dockerd: OwnEngine, engine: Engine, policy: str
) -> None:
    dockerd.run("db", "--restart", policy, volume="demo")
    stop_using(engine, "demo")
    assert dockerd.docker("wait", "db") == "137"
    assert dockerd.state("db") == "exited"


def test_a_container_between_two_starts_is_not_started_again(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("loop", "--restart", "always", volume="demo", program=FAILS_AT_ONCE)
    eventually(lambda: dockerd.state("loop"), is_="restarting", within=20)
    assert stop_using(engine, "demo") == ["loop"]
    starts = dockerd.docker("inspect", "--format", "{{.RestartCount}}", "loop")
    eventually(lambda: dockerd.state("loop"), is_="exited", within=5)
    assert dockerd.docker("inspect", "--format", "{{.RestartCount}}", "loop") == starts


def test_a_paused_container_is_stopped_too(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("db", volume="demo")
    dockerd.docker("pause", "db")
    assert stop_using(engine, "demo") == ["db"]
    assert dockerd.state("db") == "exited"


def test_stopping_waits_for_a_hung_engine_no_longer_than_told(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("db", volume="demo")
    before = time.monotonic()
    with hanging(dockerd), pytest.raises(EngineAway, match="does not answer"):
        stop_using(engine, "demo", within=0.3)
    assert time.monotonic() - before < 1


def test_containers_are_paused_while_the_block_lasts(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("db", volume="demo2")
    dockerd.run("alone", volume="demo3")
    with engine.paused(["demo", "demo2", "unknown"]):
        assert [dockerd.state(name) for name in ("web", "db")] == ["paused", "paused"]
        assert dockerd.state("alone") == "running"
        engine.resume()  # not meant for a block that still lasts
        assert dockerd.state("web") == "paused"
    assert [dockerd.state(name) for name in ("web", "db")] == ["running", "running"]


def test_no_volumes_pause_no_container(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    with engine.paused([]):
        assert dockerd.state("web") == "running"


def test_containers_go_on_when_the_block_fails(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    with pytest.raises(ZeroDivisionError), engine.paused(["demo"]):
        _ = 1 / 0
    assert dockerd.state("web") == "running"


def test_what_somebody_paused_stays_paused(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("db", volume="demo")
    dockerd.docker("pause", "db")
    with engine.paused(["demo"]):
        assert dockerd.state("web") == "paused"
    assert dockerd.state("web") == "running"
    assert dockerd.state("db") == "paused"


def test_containers_that_end_while_paused_are_no_obstacle(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("db", volume="demo")
    with engine.paused(["demo"]):
        dockerd.docker("rm", "--force", "web")
        dockerd.docker("kill", "db")
    assert dockerd.state("db") == "exited"


def test_a_container_that_cannot_be_paused_refuses_and_the_others_go_on(
    dockerd: OwnEngine, engine: Engine
) -> None:
    dockerd.run("web", volume="demo")
    dockerd.run("loop", "--restart", "always", volume="demo", program=FAILS_AT_ONCE)
    # The engine waits longer from restart to restart, so this one lasts.
    eventually(
        lambda: int(dockerd.docker("inspect", "--format", "{{.RestartCount}}", "loop")) > 3,
        is_=True, within=30,
    )  # fmt: skip
    eventually(lambda: dockerd.state("loop"), is_="restarting", within=20)
    with pytest.raises(Refused, match="'loop' cannot be paused"), engine.paused(["demo"]):
        pytest.fail("entered")
    assert dockerd.state("web") == "running"


def test_two_pauses_of_one_container_take_turns(dockerd: OwnEngine, engine: Engine) -> None:
    dockerd.run("web", volume="demo")
    seen = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with engine.paused(["demo"]):
            seen.append(dockerd.state("web"))

    thread = threading.Thread(target=second)
    with engine.paused(["demo"]):
        thread.start()
        started.wait()
        seen.append(dockerd.state("web"))
    thread.join()
    assert seen == ["paused", "paused"]
    assert dockerd.state("web") == "running"


def test_a_daemon_that_died_in_a_pause_has_its_containers_go_on_later(
    dockerd: OwnEngine, engine: Engine, tmp_path: Path
) -> None:
    dockerd.run("web", volume="demo")
    died = engine.paused(["demo"])
    died.__enter__()
    assert dockerd.state("web") == "paused"
    after = Engine(dockerd.socket, tmp_path)
    after.resume()
    assert dockerd.state("web") == "running"
    after.resume()
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_hangs_after_a_pause_is_asked_again_later(
    dockerd: OwnEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flocker.engine.client.ANSWER_SECONDS", 0.5)
    dockerd.run("web", volume="demo")
    try:
        with engine.paused(["demo"]):
            dockerd.signal(signal.SIGSTOP)
    finally:
        dockerd.signal(signal.SIGCONT)
    # The call that was given up may be carried out late; either way the container goes on.
    engine.resume()
    assert dockerd.state("web") == "running"


def test_a_volume_tells_what_it_was_created_with(
    dockerd: OwnEngine, engine: Engine, tmp_path: Path
) -> None:
    options = {"type": "none", "o": "bind", "device": str(tmp_path)}
    given = [word for key, value in options.items() for word in ("--opt", f"{key}={value}")]
    dockerd.docker("volume", "create", *given, "sized")
    dockerd.docker("volume", "create", "plain")
    assert engine.volume_options("sized") == options
    assert engine.volume_options("plain") == {}
    assert engine.volume_options("unknown") is None


CALLS: dict[str, Callable[[Engine], object]] = {
    "containers_using": lambda engine: engine.containers_using("demo"),
    "stop_using": lambda engine: stop_using(engine, "demo", within=0.5),
    "paused": lambda engine: engine.paused(["demo"]).__enter__(),
    "volume_options": lambda engine: engine.volume_options("demo"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_engine_that_is_not_there_is_away(
    tmp_path: Path, call: Callable[[Engine], object]
) -> None:
    with pytest.raises(EngineAway, match="does not answer"):
        call(Engine(tmp_path / "none.sock", tmp_path))


Answer = Callable[[str], bytes]  # to a request's first line


@pytest.fixture
def poor_engine(tmp_path: Path) -> Iterator[Callable[[Answer], Engine]]:
    """Makes an engine that answers as told."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "poor.sock"))
    listening.listen()
    answers: list[Answer] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                line = connection.recv(65536).decode().splitlines()[0]
                connection.sendall(answers[0](line))

    thread = threading.Thread(target=serve)
    thread.start()

    def make(answer: Answer) -> Engine:
        answers.append(answer)
        return Engine(tmp_path / "poor.sock", tmp_path)

    yield make
    listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    listening.close()


def http(status: int, body: object) -> bytes:
    text = json.dumps(body)
    return f"HTTP/1.1 {status} Said\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        http(500, {"message": "no space left on device"}),
    ],
    ids=["nothing", "not-http", "cut-off", "not-json", "error"],
)
def test_an_engine_that_does_not_answer_rightly_is_away(
    poor_engine: Callable[[Answer], Engine], call: Callable[[Engine], object], answer: bytes
) -> None:
    with pytest.raises(EngineAway, match="the Docker engine"):
        call(poor_engine(lambda _: answer))


def test_a_container_that_is_just_being_removed_has_no_name(
    poor_engine: Callable[[Answer], Engine],
) -> None:
    nameless = {"Id": "0123456789abcdef", "Names": [], "State": "removing"}
    engine = poor_engine(lambda _: http(200, [nameless]))
    assert engine.containers_using("demo") == ["0123456789ab"]


TWO = [{"Id": name, "Names": [f"/{name}"], "State": "running"} for name in ("db", "web")]


def test_what_has_stopped_is_told_from_what_has_not(
    poor_engine: Callable[[Answer], Engine],
) -> None:
    answers = {
        "GET /containers/json": http(200, TWO),
        "POST /containers/db/kill": http(409, {"message": "it is not running"}),
        "POST /containers/web/kill": http(500, {"message": "the shim does not answer"}),
    }
    engine = poor_engine(lambda line: answers[line.split("?")[0].removesuffix(" HTTP/1.1")])
    stopping = engine.stop_using(["demo"], within=2)
    assert next(stopping).container == "db"
    with pytest.raises(EngineAway, match="has not stopped container 'web' within 2 s"):
        next(stopping)


def test_a_container_that_stays_paused_is_told_of_and_tried_again(
    poor_engine: Callable[[Answer], Engine], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "paused.json").write_text('["db"]')
    state = {"Paused": True}

    def answer(line: str) -> bytes:
        if line.startswith("POST /containers/db/unpause"):
            return http(500, {"message": "the shim does not answer"})
        return http(200, {"State": state})

    engine = poor_engine(answer)
    engine.resume()
    assert "container db stays paused for now" in caplog.text
    assert (tmp_path / "paused.json").exists()
    state["Paused"] = False
    engine.resume()
    assert not (tmp_path / "paused.json").exists()
