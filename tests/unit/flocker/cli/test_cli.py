"""What a person types after `flocker`, and what is printed: against a daemon's routes on a socket.

Only the operations behind the routes are played; socket, HTTP and terminal are real.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.main import get_command
from typer.testing import CliRunner, Result

from acceptance.base.waiting import eventually
from flocker.base.errors import BadRequest, ControlPlaneAway, OwnerAway, VolumeNotFound
from flocker.base.options import about
from flocker.cli import client, wording
from flocker.cli.client import DaemonClient
from flocker.cli.commands import app
from tests.unit.flocker.operator import Operator, serve
from tests.unit.flocker.statuses import volume_status

ROOT = Path(__file__).parents[4]
GIB = 1 << 30
NOW = datetime(2026, 2, 3, 16, 0, tzinfo=UTC)
LONG_AGO = "2020-02-03T14:03:22.250+00:00"
LONG_AGO_TEXT = "2020-02-03 14:03:22 UTC"
POLL_SECONDS = 0.05  # half a second for people

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make anything look older."""
    monkeypatch.setattr(wording, "now", lambda: NOW)


@pytest.fixture(autouse=True, scope="module")
def _commands_are_made_once() -> Iterator[None]:
    """Making all of them takes longer than typing one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@contextmanager
def serving(application: Any, path: Path) -> Iterator[None]:
    """An application on a unix socket."""
    config = uvicorn.Config(application, uds=str(path), log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, is_=True, within=10)
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operator, Path]]:
    """One for all tests: starting one takes longer than asking it."""
    operator = Operator()
    path = tmp_path_factory.mktemp("daemon") / "flocker.sock"
    with serving(serve(operator), path):
        yield operator, path


@pytest.fixture
def operator(daemon: tuple[Operator, Path]) -> Operator:
    daemon[0].calls, daemon[0].answers = [], {}
    return daemon[0]


@pytest.fixture
def socket_path(daemon: tuple[Operator, Path]) -> Path:
    return daemon[1]


@pytest.fixture
def run(socket_path: Path) -> Run:
    return lambda *typed: type_in(socket_path, *typed)


def type_in(socket_path: Path, *typed: str) -> Result:
    return CliRunner().invoke(app, typed, obj=DaemonClient(socket_path))


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "172.16.78.250",
        "version": "0.1.0",
        "pool_used_bytes": 1288490189,
        "pool_total_bytes": 20 * GIB,
        "pool_free_bytes": 15 * GIB,
        "is_alive": True,
        "seen": ago(1),
        "problems": [],
        **changes,
    }


def volume(name: str, **changes: Any) -> dict[str, Any]:
    return volume_status(name, **{"created_at": LONG_AGO, "replicas": 0, **changes})


def copy(node: str, holds_until: str | None) -> dict[str, Any]:
    is_current = holds_until is None
    return {
        "node": node,
        "number": 3,
        "taken_at": LONG_AGO,
        "is_current": is_current,
        "complete_until": holds_until or ago(1),
    }


def move(
    percent: int | None, done: int = 0, total: int | None = None, waits_for: str = ""
) -> dict[str, Any]:
    return {
        "source": "node1",
        "target": "node2",
        "percent": percent,
        "bytes_done": done,
        "bytes_total": total,
        "waits_for": waits_for,
    }


def status(*volumes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    nodes = [node("node1"), node("node2")]
    return {
        "node": "node1",
        "is_connected": True,
        "pool_problem": None,
        "problems": [],
        "certificates": [],
        "nodes": nodes,
        "volumes": list(volumes),
        **changes,
    }


MOVED = {"volume": volume("demo", owner="node2", epoch=4)}
TAKEN = {"volume": "demo", "number": 4, "taken_at": LONG_AGO, "label": "before"}
ASIDE = {
    "reference": "demo@node1-20200203T140322Z",
    "node": "node1",
    "volume": "demo",
    "why": "conflict",
    "at": LONG_AGO,
}
REMOVED = {"name": "old", "owner": "node2", "removed_at": LONG_AGO, "until": LONG_AGO}
EVENT = {
    "volume": "demo",
    "at": LONG_AGO,
    "node": "node2",
    "what": "moved",
    "why": "mounted",
    "by": "engine on node2",
}

PURGED: dict[str, Any] = {
    "nodes": [
        {
            "node": "node1",
            "purged": ["old@node1-20261122T190000Z"],
            "failed": ["demo@node1-20261122T190000Z: Directory not empty"],
            "freed_bytes": GIB,
            "free_bytes": 3 * GIB,
        },
        {"node": "node2", "purged": [], "failed": [], "freed_bytes": 0, "free_bytes": GIB},
    ],
    "kept": ["demo@node2-20261122T190000Z"],
    "silent": ["node3"],
}
# Nothing failed, and every node answered.
WHOLLY_PURGED = {**PURGED, "nodes": [{**PURGED["nodes"][0], "failed": []}], "silent": []}

# The typed words -> the operation that is asked for, and an answer to it.
COMMANDS: list[tuple[list[str], tuple[Any, ...], dict[str, Any]]] = [
    (["status"], ("status",), status(volume("demo"))),
    (["move", "demo"], ("move", "demo", None), MOVED),
    (["move", "demo", "--to", "node2"], ("move", "demo", "node2"), MOVED),
    (["move", "demo", "--cancel"], ("cancel", "demo"), {**MOVED, "target": "node3"}),
    (["promote", "demo", "--here"], ("promote", "demo", True), {**MOVED, "lost_after": LONG_AGO}),
    (["conflicts"], ("conflicts",), {"asides": [ASIDE], "silent": []}),
    (["trash"], ("trash",), {"removed": [REMOVED], "asides": [ASIDE], "silent": []}),
    (["snapshot", "demo"], ("snapshot", ["demo"], ""), {"snapshots": [TAKEN]}),
    (
        ["snapshot", "a", "b", "--label", "größer"],
        ("snapshot", ["a", "b"], "größer"),
        {"snapshots": [TAKEN, TAKEN]},
    ),
    (["snapshots"], ("snapshots", None), {"snapshots": [{**TAKEN, "nodes": ["node1"]}]}),
    (["snapshots", "demo"], ("snapshots", "demo"), {"snapshots": []}),
    (["purge", "old"], ("purge", "old"), WHOLLY_PURGED),
    (["purge", "--all"], ("purge", None), WHOLLY_PURGED),
    (["verify", "demo"], ("verify", "demo"), {"volume": "demo", "copies": []}),
    (["forget", "old"], ("forget", "old"), {"volume": "old", "node": None}),
    (["forget", "node3"], ("forget", "node3"), {"volume": None, "node": "node3"}),
    (["import", "demo"], ("import", "demo", None), {**MOVED, "silent": ["node3"]}),
    (["import", "demo", "--as", "new"], ("import", "demo", "new"), {**MOVED, "silent": []}),
    (["prune", "demo@4"], ("prune", "demo@4"), {"reference": "demo@4"}),
    (["restore", "demo@4"], ("restore", "demo@4"), {**MOVED, "kept_as": "demo@7"}),
    (["clone", "demo@4", "new"], ("clone", "demo@4", "new"), {"volume": volume("new")}),
    (["undelete", "old"], ("undelete", "old"), {"volume": volume("old")}),
    (
        ["resize", "demo", "2g"],
        ("resize", "demo", 2 * GIB),
        {"volume": volume("demo", size_bytes=2 * GIB)},
    ),
    (["resize", "demo", "none"], ("resize", "demo", None), {"volume": volume("demo")}),
    (["history"], ("history", None), {"events": [EVENT]}),
    (["history", "demo"], ("history", "demo"), {"events": []}),
]
ROUTES = sorted({call[0] for _, call, _ in COMMANDS} - {"cancel"})  # `flocker move --cancel`


@pytest.mark.parametrize(("typed", "call", "answer"), COMMANDS)
def test_each_command_asks_for_its_operation(
    operator: Operator,
    run: Run,
    typed: list[str],
    call: tuple[Any, ...],
    answer: dict[str, Any],
) -> None:
    operator.answers = {"status": status(), call[0]: answer}
    result = run(*typed)
    assert result.exit_code == 0, result.stderr
    assert operator.calls[-1] == call
    assert result.stdout.strip()


@pytest.mark.parametrize(("typed", "call", "answer"), COMMANDS)
def test_json_is_the_answer_and_nothing_else(
    operator: Operator,
    run: Run,
    typed: list[str],
    call: tuple[Any, ...],
    answer: dict[str, Any],
) -> None:
    operator.answers = {"status": status(), call[0]: {**answer, "more": "größer"}}
    result = run(*typed, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"format": 1, **answer, "more": "größer"}
    assert result.stderr == ""


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(("typed", "call"), [(typed, call) for typed, call, _ in COMMANDS])
def test_a_refusal_is_one_line_on_stderr_and_status_1(
    operator: Operator, run: Run, typed: list[str], call: tuple[Any, ...], as_json: list[str]
) -> None:
    refusal = OwnerAway("demo", "node1", "not heard of since 14:03:22")
    operator.answers = {"status": status(), call[0]: refusal}
    result = run(*typed, *as_json)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == f"flocker: {refusal}"


def test_what_the_daemon_calls_wrongly_typed_is_status_2(operator: Operator, run: Run) -> None:
    operator.answers["move"] = BadRequest("no node 'node9'; there are node1, node2")
    result = run("move", "demo", "--to", "node9")
    assert result.exit_code == 2
    assert "flocker: no node 'node9'; there are node1, node2" in result.stderr


@pytest.mark.parametrize(
    "typed",
    [
        ["mov", "demo"],
        ["move"],
        ["move", "demo", "node2"],
        ["move", "demo", "--to"],
        ["status", "--jsn"],
        ["snapshot"],
        ["clone", "demo@3"],
        ["resize", "demo"],
    ],
)
def test_what_is_no_command_is_status_2_and_asks_nobody(
    operator: Operator, run: Run, typed: list[str]
) -> None:
    result = run(*typed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert operator.calls == []


@pytest.mark.parametrize("size", ["1e9", "0", "-1g", "None", ""])
def test_a_size_that_is_none_is_status_2_and_asks_nobody(
    operator: Operator, run: Run, size: str
) -> None:
    result = run("resize", "demo", "--", size)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "size" in result.stderr
    assert operator.calls == []


@pytest.mark.parametrize("command", ROUTES)
def test_help_of_each_command_has_an_example(command: str, tmp_path: Path) -> None:
    result = type_in(tmp_path / "nobody.sock", command, "--help")
    assert result.exit_code == 0
    assert f"Example: sudo flocker {command}" in result.stdout
    assert "\\[" not in result.stdout


def test_help_lists_every_command_with_a_whole_sentence(tmp_path: Path) -> None:
    result = type_in(tmp_path / "nobody.sock", "--help")
    listed = result.stdout.split("Commands:")[1]
    assert sorted(line.split()[0] for line in listed.strip().splitlines()) == ROUTES
    assert "..." not in listed


# The daemon does not answer


def test_a_daemon_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    result = type_in(tmp_path / "nobody.sock", "status")
    assert result.exit_code == 1
    assert "the daemon does not answer" in result.stderr
    assert "systemctl status flocker" in result.stderr


def test_a_daemon_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "hanging.sock"))
        hanging.listen()
        result = type_in(tmp_path / "hanging.sock", "status")
    assert result.exit_code == 1
    assert "the daemon does not answer (timed out)" in result.stderr


def test_a_daemon_that_dies_meanwhile_is_said_to_be_gone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(tmp_path / "dying.sock"))
        dying.listen()

        def die() -> None:
            connection, _ = dying.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=die)
        thread.start()
        result = type_in(tmp_path / "dying.sock", "restore", "demo@3")
        thread.join()
    assert result.exit_code == 1
    assert "the daemon does not answer" in result.stderr


def test_who_may_not_ask_is_told_to_use_sudo(socket_path: Path) -> None:
    socket_path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may do it whatever the mode says
        os.seteuid(65534)
    try:
        result = type_in(socket_path, "status")
    finally:
        os.seteuid(user)
        socket_path.chmod(0o600)
    assert result.exit_code == 1
    assert result.stderr == "flocker: only root may ask the daemon; run it with sudo\n"


@pytest.mark.parametrize("body", [b"Not Found", b'{"detail": "Not Found"}', b'["no"]'])
def test_an_answer_of_another_version_is_shown_as_it_is(tmp_path: Path, body: bytes) -> None:
    async def other(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with serving(other, tmp_path / "other.sock"):
        result = type_in(tmp_path / "other.sock", "trash")
    assert result.exit_code == 1
    assert "answered 404" in result.stderr
    assert "another version" in result.stderr


def test_a_proxy_of_the_environment_is_not_used(
    operator: Operator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    operator.answers["status"] = status()
    assert run("status").exit_code == 0


def test_the_command_of_a_node_asks_the_plugin_socket() -> None:
    entry = [sys.executable, "-m", "flocker.cli"]
    helped = subprocess.run(
        [*entry, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert helped.stdout.startswith("Usage: flocker [OPTIONS] COMMAND")


# What is printed


def test_status_begins_with_what_is_wrong_with_the_pool(operator: Operator, run: Run) -> None:
    operator.answers["status"] = status(pool_problem="the disk refused writes")
    assert run("status").stdout.startswith("The pool of node1: the disk refused writes.\n\n")


def test_status_ends_with_the_day_on_which_the_first_certificate_does(
    operator: Operator, run: Run
) -> None:
    days = ("2027-02-25", "2036-11-25")
    ends = [
        {"certificate": "driver", "ends": f"{day}T00:42:51+00:00"} for day in days
    ]  # soonest first
    operator.answers["status"] = status(certificates=ends)
    assert run("status").stdout.endswith(
        "\n\nThe certificates of node1 are good until 2027-02-25.\n"
    )


def test_status_shows_each_node_and_each_volume_in_one_line(operator: Operator, run: Run) -> None:
    away = node(
        "node3",
        is_alive=False,
        seen=LONG_AGO,
        address=None,
        version=None,
        pool_used_bytes=None,
        pool_total_bytes=None,
    )
    operator.answers["status"] = status(
        volume(
            "demo",
            epoch=3,
            size_bytes=2 * GIB,
            used_bytes=GIB // 2,
            replicas=2,
            mounted_on="node1",
            copies=[copy("node2", None), copy("node3", ago(4))],
            stuck={"node3": "its pool is full"},
        ),
        volume("moving", move=move(34, 34, 100), used_bytes=0),
        volume("starting", move=move(None), size_bytes=GIB),
        volume("next", move=move(8, 8, 100, waits_for="node3")),
        volume("few", replicas=2, copies=[copy("node2", None)]),
        volume("lost", owner="node3", replicas=1, copies=[copy("node2", LONG_AGO)]),
        volume("broken", mounted_on="node1", problem="node2 has no room for a replica"),
        nodes=[node("node1"), node("node2"), away],
    )
    shown = run("status").stdout.splitlines()
    assert [" ".join(line.split()) for line in shown] == [
        "NODE STATE ADDRESS POOL VERSION",
        "node1 alive 172.16.78.250 1.2 GiB of 20 GiB 0.1.0",
        "node2 alive 172.16.78.250 1.2 GiB of 20 GiB 0.1.0",
        f"node3 away since {LONG_AGO_TEXT} - - -",
        "",
        "VOLUME OWNER EPOCH SIZE REPLICAS STATE",
        "demo node1 3 512 MiB of 2 GiB node2 current, node3 4 s behind (stuck) mounted on node1",
        "moving node1 1 0 B none on its way to node2 34 %",
        "starting node1 1 ? of 1 GiB none on its way to node2",
        "next node1 1 - none on its way to node2 8 %, after the copy from node3 that is under way",
        "few node1 1 - node2 current, 1 missing not mounted",
        f"lost node3 (away) 1 - node2 up to {LONG_AGO_TEXT} not mounted",
        "broken node1 1 - none mounted on node1; node2 has no room for a replica",
    ]


def test_status_never_cuts_a_name_off(operator: Operator, run: Run) -> None:
    name = "v" * 255
    operator.answers["status"] = status(volume(name), volume("[bold]not markup[/]"))
    shown = run("status").stdout
    assert name in shown
    assert "[bold]not markup[/]" in shown
    assert not [line for line in shown.splitlines() if line != line.rstrip()]


def test_status_without_etcd_says_how_old_it_is(operator: Operator, run: Run) -> None:
    operator.answers["status"] = status(is_connected=False)
    shown = run("status").stdout.splitlines()
    assert shown[0] == "etcd does not answer: this is the last state that node1 knew."


@pytest.mark.parametrize(
    ("typed", "answer", "said"),
    [
        (["status"], status(), "No volumes yet; `docker volume create -d flocker demo`"),
        (["conflicts"], {"asides": [], "silent": []}, "No conflicts"),
        (["trash"], {"removed": [], "asides": [], "silent": []}, "The trash is empty."),
        (["snapshots"], {"snapshots": []}, "No snapshots yet; `flocker snapshot VOLUME`"),
        (["history"], {"events": []}, "Nothing has happened yet."),
    ],
)
def test_nothing_is_said_in_a_sentence(
    operator: Operator, run: Run, typed: list[str], answer: dict[str, Any], said: str
) -> None:
    operator.answers[typed[0]] = answer
    assert said in run(*typed).stdout


def test_a_move_says_where_the_volume_is_now(operator: Operator, run: Run) -> None:
    operator.answers["move"] = MOVED
    result = run("move", "demo")
    assert result.stdout == "demo is on node2 now (epoch 4).\n"
    assert result.stderr == "moving demo to this node ...\n"


def test_a_promotion_says_what_may_be_lost_and_where_it_would_be(
    operator: Operator, run: Run
) -> None:
    operator.answers["status"] = status(volume("demo"))
    operator.answers["promote"] = {**MOVED, "lost_after": LONG_AGO}
    result = run("promote", "demo")
    assert result.stderr == "taking demo over from node1 ...\n"
    assert result.stdout.splitlines() == [
        "demo is on node2 now (epoch 4); it continues from node2's copy.",
        f"Writes of node1 after {LONG_AGO_TEXT} are not in it; "
        "if node1 comes back, its copy is kept: `flocker conflicts` lists it.",
    ]


def test_promoting_what_nobody_knows_is_refused_by_the_daemon(operator: Operator, run: Run) -> None:
    operator.answers["status"] = status()
    operator.answers["promote"] = VolumeNotFound("demo")
    result = run("promote", "demo")
    assert result.exit_code == 1
    assert "no volume 'demo'" in result.stderr


def test_conflicts_say_how_to_get_each_copy_and_who_was_silent(
    operator: Operator, run: Run
) -> None:
    operator.answers["conflicts"] = {"asides": [ASIDE], "silent": ["node2", "node3"]}
    shown = run("conflicts").stdout
    assert "flocker clone demo@node1-20200203T140322Z demo-rescued" in shown
    assert LONG_AGO_TEXT in shown
    assert "node2, node3 did not answer; their copies are not listed." in shown


def test_no_conflicts_found_does_not_hide_who_was_silent(operator: Operator, run: Run) -> None:
    operator.answers["conflicts"] = {"asides": [], "silent": ["node3"]}
    assert "node3 did not answer" in run("conflicts").stdout


def test_trash_says_how_to_get_each_back(operator: Operator, run: Run) -> None:
    replaced = {**ASIDE, "why": "restored", "reference": "web@node2-20200203T140322Z"}
    operator.answers["trash"] = {
        "removed": [REMOVED],
        "asides": [ASIDE, replaced, {**ASIDE, "why": "removed"}],
        "silent": ["node3"],
    }
    shown = run("trash").stdout
    assert "left of a volume that was removed" in shown
    assert "flocker undelete old" in shown
    assert "flocker clone demo@node1-20200203T140322Z demo-rescued" in shown
    assert "written by an owner that was replaced" in shown
    assert "replaced by a restore" in shown
    assert "node3 did not answer" in shown


def test_a_snapshot_says_how_to_go_back_to_it(operator: Operator, run: Run) -> None:
    operator.answers["snapshot"] = {"snapshots": [TAKEN, {**TAKEN, "volume": "web"}]}
    assert run("snapshot", "demo", "web").stdout.splitlines() == [
        "demo@4 is taken: `flocker restore demo@4` goes back to it.",
        "web@4 is taken: `flocker restore web@4` goes back to it.",
    ]


def test_snapshots_are_listed_with_when_where_and_what_for(operator: Operator, run: Run) -> None:
    held = {**TAKEN, "nodes": ["node1", "node2"]}
    operator.answers["snapshots"] = {"snapshots": [held, {**held, "number": 5, "nodes": []}]}
    shown = run("snapshots").stdout.splitlines()
    assert [" ".join(line.split()) for line in shown[1:]] == [
        f"demo@4 {LONG_AGO_TEXT} node1, node2 before",
        f"demo@5 {LONG_AGO_TEXT} - before",
    ]


def test_what_was_pruned_is_named(operator: Operator, run: Run) -> None:
    operator.answers["prune"] = {"reference": "demo@4"}
    assert run("prune", "demo@4").stdout == "demo@4 is deleted.\n"


def test_a_restore_says_what_was_there_before(operator: Operator, run: Run) -> None:
    operator.answers["restore"] = {**MOVED, "kept_as": "demo@7"}
    assert run("restore", "demo@4").stdout.splitlines() == [
        "demo restored to demo@4.",
        "Its state before that is kept as demo@7: `flocker restore demo@7` brings it back.",
    ]


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(2 * GIB, "demo may hold 2GiB now."), (None, "demo may hold as much as the pool has now.")],
)
def test_a_resize_says_the_new_limit(
    operator: Operator, run: Run, size_bytes: int | None, said: str
) -> None:
    operator.answers["resize"] = {"volume": volume("demo", size_bytes=size_bytes)}
    assert run("resize", "demo", "none").stdout == f"{said}\n"


def test_history_tells_when_where_what_and_why(operator: Operator, run: Run) -> None:
    operator.answers["history"] = {"events": [EVENT]}
    shown = run("history").stdout.splitlines()[1]
    assert " ".join(shown.split()) == f"{LONG_AGO_TEXT} node2 demo moved engine on node2 mounted"


FORGED = "before\n2026-11-22 node3 demo removed\x1b[2J\u202e"


def test_what_others_wrote_cannot_forge_what_is_printed(operator: Operator, run: Run) -> None:
    operator.answers["history"] = {"events": [{**EVENT, "why": FORGED, "by": FORGED}]}
    shown = run("history").stdout
    assert len(shown.splitlines()) == 2
    assert shown.replace("\n", "").isprintable()
    as_json = run("history", "--json").stdout
    assert as_json.replace("\n", "").isprintable()
    assert json.loads(as_json)["events"][0]["why"] == FORGED


def forged(answer: Any) -> Any:
    """The answer with all its text forged that is neither a time nor one of few words."""
    if isinstance(answer, list):
        return [forged(each) for each in answer]
    if isinstance(answer, dict):
        return {
            key: each if key in ("why", "pool") or each in (LONG_AGO, ago(1)) else forged(each)
            for key, each in answer.items()
        }
    return FORGED if isinstance(answer, str) else answer


@pytest.mark.parametrize(("typed", "call", "answer"), COMMANDS, ids=lambda each: str(each)[:30])
def test_no_command_prints_what_others_forge(
    operator: Operator, run: Run, typed: list[str], call: tuple[Any, ...], answer: dict[str, Any]
) -> None:
    full = volume("demo", copies=[copy("node2", None)], move=move(5), problem="full")
    plain_status = status(full, problems=["away"], pool_problem="full", is_connected=False)
    operator.answers |= {call[0]: answer, "status": plain_status}
    plain = run(*typed).output
    forged_status = forged(plain_status)
    forged_status["volumes"][0]["name"] = "demo"  # or nobody would look for its owner
    operator.answers |= {call[0]: forged(answer), "status": forged_status}
    shown = run(*typed).output
    assert shown.replace("\n", "").isprintable()
    assert len(shown.splitlines()) == len(plain.splitlines())


def test_a_refusal_cannot_forge_what_is_printed(operator: Operator, run: Run) -> None:
    operator.answers["history"] = BadRequest(FORGED)
    [line] = run("history").stderr.splitlines()
    assert line.isprintable()


def test_history_names_the_node_for_what_nobody_asked_for(operator: Operator, run: Run) -> None:
    operator.answers["history"] = {"events": [{**EVENT, "by": ""}]}
    assert "moved   node2 itself   mounted" in run("history").stdout


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "1 s"),
        (0.2, "1 s"),
        (4.4, "4 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599, "59 min"),
        (7300, "2 h"),
        (172799, "47 h"),
        (172800, "2 d"),
    ],
)
def test_ages_are_told_in_one_unit(seconds: float, text: str) -> None:
    assert wording.age(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (812 << 20, "812 MiB"),
        (GIB, "1 GiB"),
        (5000 << 50, "5000 PiB"),
    ],
)
def test_amounts_are_told_in_two_digits_or_more(size_bytes: int, text: str) -> None:
    assert about(size_bytes) == text


def test_a_time_of_today_is_told_without_the_day() -> None:
    assert wording.clock("2026-02-03T14:03:22+00:00") == "14:03:22 UTC"


def test_times_of_other_zones_are_told_in_utc() -> None:
    assert wording.clock("2020-02-03T16:03:22+02:00") == LONG_AGO_TEXT


# At a terminal


class Terminal:
    """The command in a process of its own, whose stderr is a terminal.

    Args:
        shown: gets all that is shown on the terminal, as it comes.
    """

    def __init__(self, socket_path: Path, *typed: str, shown: bytearray | None = None) -> None:
        self._shown = bytearray() if shown is None else shown
        start = (
            # A run in the background ignores Ctrl-C, and all it starts inherits that.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "import sys; from pathlib import Path; from flocker.cli.client import DaemonClient; "
            "from flocker.cli.commands import app; from flocker.cli import progress; "
            f"progress.POLL_SECONDS = {POLL_SECONDS}; app(obj=DaemonClient(Path(sys.argv.pop(1))))"
        )
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, str(socket_path), *typed],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)

    def end(self) -> tuple[int, str, str]:
        """Exit status, stdout, and all that was shown on the terminal."""
        try:
            while piece := os.read(self._ours, 1 << 16):
                self._shown += piece
        except OSError:  # how Linux says that nobody has the other side open any more
            pass
        os.close(self._ours)
        stdout, _ = self.process.communicate(timeout=30)
        return self.process.returncode, stdout, self._shown.decode()


def test_a_move_draws_a_bar_that_follows_the_bytes(operator: Operator, socket_path: Path) -> None:
    all_told, shown_so_far = threading.Event(), bytearray()
    moves = [move(None), *(move(25, done * GIB, 4 * GIB) for done in (1, 2, 3, 5))]
    shows = (b"moving demo", b"1 GiB of 4 GiB", b"/s", b"3 GiB of 4 GiB", b"4 GiB of 4 GiB")

    def tell() -> dict[str, Any]:
        is_shown = [text in shown_so_far for text in shows]
        if all(is_shown):
            all_told.set()
        now = moves[min([*is_shown, False].index(False), len(moves) - 1)]
        return status(volume("other"), volume("demo", move=now))

    def arrive() -> dict[str, Any]:
        assert all_told.wait(30)
        return MOVED

    operator.answers = {"status": tell, "move": arrive}
    terminal = Terminal(socket_path, "move", "demo", "--to", "node2", shown=shown_so_far)
    exit_code, stdout, shown = terminal.end()
    assert (exit_code, stdout) == (0, "demo is on node2 now (epoch 4).\n")
    assert "moving demo to node2" in shown
    assert " 25%" in shown
    assert "1 GiB of 4 GiB" in shown
    assert "GiB of 4 GiB, " in shown
    assert "/s" in shown
    assert "4 GiB of 4 GiB" in shown, "an estimate that was too low"


def test_a_bar_outlives_a_status_that_is_refused(operator: Operator, socket_path: Path) -> None:
    asked = threading.Event()

    def refuse() -> dict[str, Any]:
        asked.set()
        raise ControlPlaneAway("etcd does not answer")

    def arrive() -> dict[str, Any]:
        assert asked.wait(30)
        return MOVED

    operator.answers = {"status": refuse, "move": arrive}
    exit_code, stdout, shown = Terminal(socket_path, "move", "demo").end()
    assert (exit_code, stdout) == (0, "demo is on node2 now (epoch 4).\n")
    assert "100%" in shown


def test_a_move_that_is_refused_never_looks_done(operator: Operator, socket_path: Path) -> None:
    operator.answers = {"status": status(), "move": OwnerAway("demo", "node1", "timed out")}
    exit_code, stdout, shown = Terminal(socket_path, "move", "demo").end()
    assert (exit_code, stdout) == (1, "")
    assert "100%" not in shown
    assert "flocker: volume 'demo' is owned by node1, which does not answer" in shown


def test_what_may_take_long_shows_what_it_is_doing(operator: Operator, socket_path: Path) -> None:
    operator.answers["restore"] = {**MOVED, "kept_as": "demo@7"}
    exit_code, stdout, shown = Terminal(socket_path, "restore", "[/demo]@4").end()
    assert exit_code == 0
    assert stdout.startswith("demo restored to [/demo]@4.")
    assert "restoring [/demo]@4" in shown


@pytest.mark.parametrize("typed", [["move", "demo"], ["restore", "demo@3"], ["trash"]])
def test_json_is_quiet_at_a_terminal_too(
    operator: Operator, socket_path: Path, typed: list[str]
) -> None:
    operator.answers[typed[0]] = {"any": "thing"}
    exit_code, stdout, shown = Terminal(socket_path, *typed, "--json").end()
    assert (exit_code, json.loads(stdout), shown) == (0, {"format": 1, "any": "thing"}, "")


@pytest.mark.parametrize("typed", [["move", "demo"], ["restore", "demo@3"]])
def test_who_stops_waiting_is_told_that_the_daemon_goes_on(
    operator: Operator, socket_path: Path, typed: list[str]
) -> None:
    interrupted = threading.Event()

    def arrive() -> dict[str, Any]:
        assert interrupted.wait(30)
        return {**MOVED, "kept_as": "demo@7"}

    operator.answers = {"status": status(), typed[0]: arrive}
    terminal = Terminal(socket_path, *typed)
    eventually(lambda: typed[0] in [call[0] for call in operator.calls], is_=True, within=30)
    terminal.process.send_signal(signal.SIGINT)
    try:
        exit_code, stdout, shown = terminal.end()
    finally:
        interrupted.set()
    assert (exit_code, stdout) == (1, "")
    assert "no longer waiting; the daemon continues: see `flocker status`" in shown


def test_a_purge_tells_what_it_freed_what_it_kept_and_who_did_not_answer() -> None:
    assert wording.purged(PURGED) == (
        "node1: purged old@node1-20261122T190000Z; 1 GiB freed, 3 GiB free now.\n"
        "node1: demo@node1-20261122T190000Z: Directory not empty\n"
        "Kept, because only a replaced owner had it: demo@node2-20261122T190000Z; "
        "`flocker purge REF` deletes one.\n"
        "node3 did not answer; nothing was purged there. Repeat the command when all nodes answer."
    )
    nothing = {"nodes": [], "kept": [], "silent": []}
    assert wording.purged(nothing) == "There was nothing to purge."


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize(
    ("left", "exit_code"),
    [({}, 0), ({"silent": ["node3"]}, 1), ({"nodes": PURGED["nodes"]}, 1)],
    ids=["all of it", "a node did not answer", "a copy could not be deleted"],
)
def test_a_purge_that_left_something_is_an_exit_status(
    operator: Operator, run: Run, left: dict[str, Any], exit_code: int, options: list[str]
) -> None:
    operator.answers["purge"] = {**WHOLLY_PURGED, **left}
    done = run("purge", "old", *options)
    assert done.exit_code == exit_code
    assert "old@node1-20261122T190000Z" in done.stdout


@pytest.mark.parametrize(
    ("result", "exit_code"), [("same", 0), ("not compared", 1), ("differs", 1), ("unreadable", 1)]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_bad_copy_is_an_exit_status(
    operator: Operator, run: Run, result: str, exit_code: int, options: list[str]
) -> None:
    copy = {"node": "node2", "snapshot": 5, "size_bytes": GIB, "result": result, "why": "reasons"}
    operator.answers["verify"] = {"volume": "demo", "copies": [copy]}
    done = run("verify", "demo", *options)
    assert done.exit_code == exit_code
    if not options:
        assert done.stdout.splitlines()[1].split()[:3] == ["node2", "demo@5", "1"]
        line = " ".join(done.stdout.splitlines()[1].split())
        assert line == f"node2 demo@5 1 GiB {result} reasons"


@pytest.mark.parametrize("typed", [["purge"], ["purge", "demo", "--all"]])
def test_a_purge_is_of_one_thing_or_of_all(operator: Operator, run: Run, typed: list[str]) -> None:
    result = run(*typed)
    assert result.exit_code == 2
    assert "`flocker purge --all`" in result.stderr
    assert operator.calls == []


def test_problems_of_nodes_are_shown() -> None:
    nodes = [node("node1"), node("node2", problems=["volume 'demo': stuck"])]
    text = wording.status({**status(), "nodes": nodes})
    assert "PROBLEMS\nnode2: volume 'demo': stuck" in text
    assert "PROBLEMS" not in wording.status(status())


def test_problems_that_a_node_could_not_announce_are_shown_by_itself() -> None:
    text = wording.status({**status(), "problems": ["this machine is not node1"]})
    assert "PROBLEMS\nnode1: this machine is not node1" in text


def test_a_move_is_either_made_or_ended(operator: Operator, run: Run) -> None:
    result = run("move", "demo", "--cancel", "--to", "node2")
    assert result.exit_code == 2
    assert operator.calls == []
