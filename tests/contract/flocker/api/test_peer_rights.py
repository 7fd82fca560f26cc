"""Each role and name asks a node over the network for what is theirs and what is not.

node1 owns the volumes; `mine` has a replica on node2, `other` is copied nowhere.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from flocker.api import permissions
from flocker.api.peer_route import PeerRoute
from flocker.base.records import Node, Removed, Volume
from flocker.moving.increments import Wanted
from tests.contract.flocker.peer_caller import Ask, asking, shown
from tests.contract.flocker.peer_certificates import Authority
from tests.contract.flocker.peer_server import peers_app, peers_of_node2, served
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

ROLES = ("node", "operator", "monitor")
NO_ROLE = {
    "no organization": "/OU=node/CN=node2",
    "another organization": "/O=others/OU=node/CN=node2",
    "no role": "/O=flocker/CN=node2",
    "an unknown role": "/O=flocker/OU=root/CN=node2",
    "a role more": "/O=flocker/OU=node/CN=node2/OU=operator",
    "a name more": "/O=flocker/OU=node/CN=node2/CN=node3",
    "no name": "/O=flocker/OU=node",
}


AT = "2026-11-22T19:00:00.000+00:00"
FORGED = Removed(
    Volume("a\x1b[2J", "0f8fad5b-d9cb-469f-a165-70867728950e", "node2", 1, AT), AT
).to_json()


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    made = MemoryCluster(tmp_path)
    for name, replicas in (("mine", "1"), ("other", "0")):
        made["node1"].driver.create(name, {"replicas": replicas})
        made["node1"].write(name, "text")
    room = made["node2"]
    room.ownership.announce(Node("node2", "127.0.0.1", "0", 0, 9, 9))
    made.replicate()
    made["node1"].operations.snapshots.snapshot(["other"], "")
    assert set(made.state.copies_of(made.volume("mine"))) == {"node1", "node2"}
    return made


@pytest.fixture
def port(cluster: MemoryCluster, authority: Authority) -> Iterator[int]:
    with served(peers_app(cluster["node1"], lambda _: None), authority) as port:
        yield port


@pytest.fixture
def node2(port: int, authority: Authority) -> Ask:
    return asking(port, authority.of("node", "node2"))


@pytest.fixture
def node3(port: int, authority: Authority) -> Ask:
    return asking(port, authority.of("node", "node3"))


def test_each_route_says_who_may_ask_it(cluster: MemoryCluster) -> None:
    app = peers_app(cluster["node1"], lambda _: None)
    assert all(isinstance(route, PeerRoute) for route in app.routes), "each is checked"
    routes = {(m, r.path) for r in app.routes if isinstance(r, Route) for m in r.methods or ()}
    assert routes == permissions.ROUTES.keys()


def test_a_route_that_says_nothing_is_nobodys(cluster: MemoryCluster, authority: Authority) -> None:
    app = peers_app(cluster["node1"], lambda _: None)
    app.add_api_route("/forgotten-here", lambda: None)
    with served(app, authority) as port:
        for role in ROLES:
            answer = asking(port, authority.of(role, "node2"))("GET", "/forgotten-here")
            assert answer.status_code == 403, role


# As decision 35 has them, and not as the code does.
PEOPLES = {
    "/volumes/{name}/create",
    "/volumes/{name}/remove",
    "/operations/{operation}",
    "/asides",
    "/maintenance/strays",
    "/maintenance/purge",
    "/verification/verify",
}
WATCHERS = {"/health", "/metrics"}
NODES = PEOPLES | {
    *("/volumes/{name}/check-unused", "/volumes/{name}/prepare", "/volumes/{name}/release"),
    *("/volumes/{name}/put-away", "/copies/{volume_id}/discard", "/copies/{volume_id}/snapshots"),
    "/copies/{volume_id}/snapshots/{number}",
    "/copies/{volume_id}/snapshots/{number}/bytes",
    *("/increments", "/standing", "/verification/digest"),
}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("node", NODES), ("operator", PEOPLES | WATCHERS), ("monitor", WATCHERS)],
)
def test_each_role_may_ask_its_routes_and_no_others(
    port: int, authority: Authority, role: str, allowed: set[str]
) -> None:
    ask = asking(port, authority.of(role, "node2"))
    for method, path in permissions.ROUTES:
        answer = ask(method, path.format(name="x", volume_id="x", number=1, operation="x"))
        is_refused_for_role = answer.status_code == 403 and "may not ask this" in answer.text
        assert is_refused_for_role == (path not in allowed), (method, path, answer.text)


def test_a_monitor_reads_health_and_metrics_and_nothing_else(
    port: int, authority: Authority
) -> None:
    ask = asking(port, authority.of("monitor", "prometheus"))
    allowed = [
        path
        for (method, path) in permissions.ROUTES
        if ask(method, path.format(name="x", volume_id="x", number=1, operation="x")).is_success
    ]
    assert allowed == ["/health", "/metrics"]
    assert "monitor 'prometheus' (127.0.0.1) may not ask" in shown(ask("GET", "/asides"))


@pytest.mark.parametrize("subject", NO_ROLE.values(), ids=NO_ROLE.keys())
def test_a_certificate_without_one_role_and_one_name_opens_nothing(
    port: int, authority: Authority, subject: str
) -> None:
    ask = asking(port, authority.with_subject(subject.replace("/", "_"), subject))
    for method, path in permissions.ROUTES:
        answer = ask(method, path.format(name="x", volume_id="x", number=1, operation="x"))
        assert answer.status_code == 403
        assert (
            "names no role: its subject must be O=flocker, OU=node|operator|monitor, CN"
            in shown(answer)
        )


def test_a_node_reads_what_it_copies(cluster: MemoryCluster, node2: Ask) -> None:
    volume_id = cluster.volume("mine").id
    for rest in ("", "/1", "/1/bytes"):
        assert node2("GET", f"/copies/{volume_id}/snapshots{rest}").is_success


def test_a_node_does_not_read_what_it_neither_copies_nor_receives(
    cluster: MemoryCluster, node2: Ask, node3: Ask
) -> None:
    for ask, who, name in ((node2, "node2", "other"), (node3, "node3", "mine")):
        volume_id = cluster.volume(name).id
        refusal = f"{who} neither copies nor receives volume {volume_id}"
        for rest in ("", "/1", "/1/bytes"):
            answer = ask("GET", f"/copies/{volume_id}/snapshots{rest}?to=node1")
            assert (answer.status_code, shown(answer)) == (403, refusal)
        [snapshot, *_] = cluster["node1"].pool.snapshots(volume_id)
        digest = {
            "volume_id": volume_id,
            "number": snapshot.number,
            "identity": snapshot.identity,
            "bytes_per_second": 1,
        }
        answer = ask("POST", "/verification/digest", json=digest)
        assert (answer.status_code, shown(answer)) == (403, refusal)
        wanted = {"volume_id": volume_id, "snapshot": snapshot.to_json(), "here": []}
        answer = ask("POST", "/increments", json={"wanted": [wanted]})
        assert refusal.encode() in answer.content
    assert cluster["node1"].retention.numbers(cluster.volume("other"), cluster.state) == {1}


def test_no_increment_of_what_a_node_may_not_read_is_in_the_stream_of_all_it_lacks(
    cluster: MemoryCluster, port: int, authority: Authority
) -> None:
    node1 = cluster["node1"]
    wanted = []
    for name in ("other", "mine"):
        node1.write(name, "secret")
        node1.operations.snapshots.snapshot([name], "")
        volume_id = cluster.volume(name).id
        *here, newest = node1.pool.snapshots(volume_id)
        wanted.append(Wanted(volume_id, newest, tuple(here)))
    node2 = peers_of_node2(cluster, port, authority)
    refused, sent = node2.increments("node1", wanted)
    assert refused.volume_id == cluster.volume("other").id
    assert (refused.stream, "neither copies nor receives" in refused.error) == (None, True)
    assert (sent.volume_id, sent.error) == (cluster.volume("mine").id, "")


def test_a_node_reads_what_is_on_its_way_to_it(cluster: MemoryCluster, node3: Ask) -> None:
    volume = cluster.volume("other")
    move = cluster.ownership.begin_move(volume, "node3")
    assert node3("GET", f"/copies/{volume.id}/snapshots/1").is_success
    cluster.ownership.abandon_move(move)
    assert node3("GET", f"/copies/{volume.id}/snapshots/1").status_code == 403


def test_a_move_is_its_targets(cluster: MemoryCluster, node2: Ask, node3: Ask) -> None:
    volume = cluster.volume("mine")
    refusal = "volume 'mine' is not on its way to node2"
    move = cluster.ownership.begin_move(volume, "node3")
    move = cluster.ownership.lock_move(volume, move)
    wanted = {"epoch": volume.epoch, "token": move.token}
    for verb, body in (("prepare", None), ("release", wanted)):
        answer = node2("POST", f"/volumes/mine/{verb}", json=body)
        assert (answer.status_code, shown(answer)) == (403, refusal)
        assert node3("POST", f"/volumes/mine/{verb}", json=body).is_success


def test_only_the_owner_has_another_copy_put_away(cluster: MemoryCluster, node3: Ask) -> None:
    cluster["node2"].operations.moves.move("mine", None)
    answer = node3("POST", "/volumes/mine/put-away")
    assert (answer.status_code, shown(answer)) == (403, "volume 'mine' is not owned by node3")


def test_a_removal_is_told_by_the_last_owner(
    cluster: MemoryCluster, node2: Ask, node3: Ask
) -> None:
    volume_id = cluster.volume("mine").id
    cluster["node2"].operations.moves.move("mine", None)
    cluster["node1"].is_up = False  # does not hear of it
    cluster["node2"].driver.remove("mine")
    cluster["node1"].is_up = True
    answer = node3("POST", f"/copies/{volume_id}/discard")
    assert (answer.status_code, shown(answer)) == (403, "volume 'mine' was not owned by node3")
    assert volume_id in cluster["node1"].pool.volume_ids()
    assert node2("POST", f"/copies/{volume_id}/discard").is_success
    assert volume_id not in cluster["node1"].pool.volume_ids()


def spellings(volume_id: str) -> dict[str, str]:
    return {
        "capitals": volume_id.upper(),
        "one capital": re.sub("[a-f]", lambda letter: letter[0].upper(), volume_id, count=1),
        "braces": f"{{{volume_id}}}",
        "urn": f"urn:uuid:{volume_id}",
        "no dashes": volume_id.replace("-", ""),
        "other dashes": f"{volume_id[:4]}-{volume_id[4:]}",
        "a line break": f"{volume_id}%0A",
        "a path": f"..%2F{volume_id}",
    }


def removed_as(volume: Volume, volume_id: str) -> dict[str, Any]:
    return {
        **Removed(volume, volume.created_at).to_json(),
        "volume": {**volume.to_json(), "id": volume_id},
    }


def test_a_purge_of_a_volume_that_is_there_takes_nothing(
    cluster: MemoryCluster, node2: Ask
) -> None:
    volume = cluster.volume("mine")
    purge = {"removed": [removed_as(volume, volume.id)], "references": []}
    answer = node2("POST", "/maintenance/purge", json=purge)
    assert "has not been removed" in answer.json()["failed"][0]
    assert cluster["node1"].pool.has_writable(volume.id)


@pytest.mark.parametrize("spelling", spellings("x"))
def test_an_id_has_one_spelling(cluster: MemoryCluster, node2: Ask, spelling: str) -> None:
    """In capitals it once took a mounted volume away."""
    cluster["node1"].run("mine")
    volume = cluster.volume("mine")
    spelled = spellings(volume.id)[spelling]
    answer = node2("POST", f"/copies/{spelled}/discard")
    assert answer.status_code in (400, 403, 404)
    for rest in ("", "/1", "/1/bytes"):
        assert node2("GET", f"/copies/{spelled}/snapshots{rest}").status_code in (400, 403, 404)
    purge = {"removed": [removed_as(volume, spelled)], "references": []}
    assert node2("POST", "/maintenance/purge", json=purge).status_code == 400
    assert cluster["node1"].pool.has_writable(volume.id)
    assert cluster["node1"].operations.recovery.trash()["removed"] == []
    assert cluster["node1"].pool.asides() == []


def test_a_volume_that_is_there_is_not_discarded(cluster: MemoryCluster, node2: Ask) -> None:
    volume_id = cluster.volume("mine").id
    answer = node2("POST", f"/copies/{volume_id}/discard")
    assert shown(answer) == f"volume {volume_id} is not recorded as removed"
    assert cluster["node1"].pool.has_writable(volume_id)


def test_a_retired_node_is_refused_everywhere_and_its_successor_is_not(
    cluster: MemoryCluster, port: int, authority: Authority, node3: Ask
) -> None:
    assert node3("GET", "/asides").is_success
    cluster.lose("node3")
    cluster.ownership.forget_node("node3")
    for method, path in permissions.ROUTES:
        answer = node3(method, path.format(name="mine", volume_id="x", number=1, operation="move"))
        assert answer.status_code == (200 if path == "/standing" else 403), path
    assert "node3 was retired with `flocker forget node3`" in shown(node3("GET", "/asides"))
    assert asking(port, authority.of("node", "node4"))("GET", "/asides").is_success


def test_a_node_hears_whether_it_was_retired(
    cluster: MemoryCluster, node2: Ask, node3: Ask
) -> None:
    cluster.lose("node3")
    cluster.ownership.forget_node("node3")
    retired_at = cluster.state.retired["node3"]
    assert node3("GET", "/standing").json() == {"retired_at": retired_at}
    assert node2("GET", "/standing").json() == {"retired_at": None}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/volumes/mine/release", {"epoch": "1", "token": "x"}),
        ("/volumes/mine/release", {"epoch": -1, "token": "x"}),
        ("/volumes/mine/release", {"epoch": 1, "token": "x" * 300}),
        ("/volumes/mine/release", {"epoch": 1, "token": "x", "more": 1}),
        ("/volumes/new/create", {"options": {"size": 5}}),
        ("/volumes/new/create", {"options": {str(number): "x" for number in range(100)}}),
        ("/operations/snapshot", {"volumes": "mine", "label": ""}),
        ("/operations/snapshot", {"volumes": ["mine"], "label": "a\x1b[2Jb"}),
        ("/operations/resize", {"volume": "mine"}),
        ("/operations/resize", {"volume": "mine", "size_bytes": -1}),
        ("/operations/driver", {}),
        ("/increments", {"wanted": [{"volume_id": "x", "snapshot": {}, "here": []}]}),
        ("/increments", {"wanted": {}}),
        ("/increments", []),
        ("/verification/digest", {"volume_id": "../../x", "number": "../../x", "identity": ""}),
        ("/maintenance/purge", {"removed": [{"volume": "mine"}], "references": []}),
        ("/maintenance/purge", {"removed": [], "references": [1]}),
        ("/maintenance/purge", {"removed": [FORGED], "references": []}),
        ("/maintenance/purge", {"removed": [{**FORGED, "removed_at": "soon"}], "references": []}),
    ],
)
def test_what_cannot_be_a_request_is_refused_in_one_line(
    cluster: MemoryCluster,
    node2: Ask,
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: Any,
) -> None:
    cluster.ownership.begin_move(cluster.volume("mine"), "node2")
    before = cluster.state
    answer = node2("POST", path, json=body)
    assert answer.status_code in (400, 409), answer.text
    assert len(shown(answer)) < 1000
    assert cluster.state == before
    assert "Traceback" not in caplog.text
    assert not [each for each in caplog.records if each.exc_info]


def test_numbers_in_a_path_are_numbers(cluster: MemoryCluster, node2: Ask) -> None:
    volume_id = cluster.volume("mine").id
    for number in ("..%2F..%2Fx", "-1", "1.5", str(1 << 64)):
        assert node2("GET", f"/copies/{volume_id}/snapshots/{number}").status_code in (400, 404)
        asked = node2("GET", f"/copies/{volume_id}/snapshots/1?parent={number}")
        assert asked.status_code == 400


def test_each_change_is_in_the_journal_with_its_caller(
    port: int, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flocker.audit")
    ask = asking(port, authority.of("node", "node2"))
    snapshot = {"volumes": ["mine"], "label": "secret text"}
    ask("POST", "/operations/snapshot", json=snapshot, headers={"flocker-asked-by": "operator"})
    ask("POST", "/volumes/mine/prepare")
    ask("POST", "/operations/resize", json={"volume": "nothing", "size_bytes": None})
    asking(port, authority.of("operator", "ann"))("POST", "/volumes/mine/remove")
    said = [record.getMessage() for record in caplog.records if record.name == "flocker.audit"]
    assert said == [
        "operator on node2 (127.0.0.1) asked: snapshot mine: done",
        "node 'node2' (127.0.0.1) asked: prepare mine: refused: "
        "volume 'mine' is not on its way to node2",
        "node2 (127.0.0.1) asked: resize nothing: refused: no volume 'nothing'; "
        "`docker volume ls` lists all",
        "operator ann (127.0.0.1) asked: remove mine: done",
    ]


def test_the_history_names_who_asked(
    cluster: MemoryCluster, port: int, authority: Authority
) -> None:
    for kind in ("operator", "engine", "node1", ""):
        asking(port, authority.of("node", "node2"))(
            "POST",
            "/operations/snapshot",
            json={"volumes": ["mine"], "label": kind},
            headers={"flocker-asked-by": kind},
        )
    asking(port, authority.of("operator", "ann"))("POST", "/volumes/mine/remove")
    events = cluster["node1"].operations.overview.history("mine")["events"]
    assert [each["by"] for each in events if each["what"] in ("snapshot", "removed")] == [
        "operator on node2",
        "engine on node2",
        "node2",
        "node2",
        "operator ann",
    ]
