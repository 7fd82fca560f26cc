"""Docker's volume plugin protocol, as the engine speaks it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from flocker.api.operator_api import add_operator_routes
from flocker.api.plugin import refuse_engine, serve_engine
from flocker.api.plugin_call import LARGEST_BODY_BYTES, MEDIA_TYPE
from flocker.base.errors import PoolError, Refused
from tests.unit.flocker.cluster import MemoryCluster

Call = Any


Observed = list[tuple[str, float]]


@dataclass
class Waiter:
    """An engine that waits for its answers."""

    was_hung_up_on: bool = False

    def has_gone(self) -> bool:
        return False

    def hang_up(self) -> None:
        self.was_hung_up_on = True


def client(cluster: MemoryCluster, node: str, observed: Observed) -> TestClient:
    app = serve_engine(cluster[node].driver, lambda *call: observed.append(call), node)
    add_operator_routes(app, cluster[node].operations)
    return calling(app, Waiter())


def calling(app: FastAPI, waiter: Waiter) -> TestClient:
    engine = TestClient(app, raise_server_exceptions=False, headers={"Host": ""})
    engine.app_state["waiter"] = waiter
    return engine


@pytest.fixture
def observed() -> Observed:
    """The calls that node1 was asked, with the seconds they took."""
    return []


@pytest.fixture
def node1(cluster: MemoryCluster, observed: Observed) -> TestClient:
    return client(cluster, "node1", observed)


def ask(engine: TestClient, call: str, **arguments: object) -> Any:
    """Ask as dockerd does: no content type, its own media type expected back."""
    body = httpx2.Request("POST", "http://x", json=arguments).content
    answer = engine.post(f"/{call}", content=body, headers={"Accept": MEDIA_TYPE})
    assert answer.headers["content-type"] == MEDIA_TYPE
    return answer.json()


def test_it_is_a_global_volume_driver(node1: TestClient) -> None:
    assert node1.post("/Plugin.Activate").json() == {"Implements": ["VolumeDriver"]}
    assert ask(node1, "VolumeDriver.Capabilities") == {"Capabilities": {"Scope": "global"}}


def test_a_volume_lives_through_all_calls(node1: TestClient) -> None:
    assert ask(node1, "VolumeDriver.Create", Name="demo", Opts=None) == {"Err": ""}
    mounted = ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")
    assert mounted["Err"] == ""
    assert ask(node1, "VolumeDriver.Path", Name="demo") == mounted
    volume = ask(node1, "VolumeDriver.Get", Name="demo")["Volume"]
    assert volume["Mountpoint"] == mounted["Mountpoint"]
    assert volume["Status"]["owner"] == "node1"
    assert volume["Status"]["epoch"] == 1
    assert datetime.fromisoformat(volume["CreatedAt"]).tzinfo is not None
    del volume["Status"]
    assert ask(node1, "VolumeDriver.List")["Volumes"] == [volume]
    assert ask(node1, "VolumeDriver.Unmount", Name="demo", ID="one") == {"Err": ""}
    assert ask(node1, "VolumeDriver.Remove", Name="demo") == {"Err": ""}
    assert ask(node1, "VolumeDriver.List")["Volumes"] == []


def test_every_node_lists_it_but_only_the_owner_has_a_mountpoint(
    cluster: MemoryCluster, node1: TestClient
) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    node2 = client(cluster, "node2", [])
    seen = ask(node2, "VolumeDriver.Get", Name="demo")["Volume"]
    assert (seen["Mountpoint"], seen["Status"]["owner"]) == ("", "node1")
    assert ask(node2, "VolumeDriver.Path", Name="demo") == {"Mountpoint": "", "Err": ""}


def test_options_reach_the_driver(cluster: MemoryCluster, node1: TestClient) -> None:
    asked = {"size": "1GiB", "replicas": "0"}
    assert ask(node1, "VolumeDriver.Create", Name="demo", Opts=asked) == {"Err": ""}
    assert cluster.volume("demo").size_bytes == 1 << 30
    shown = ask(node1, "VolumeDriver.Get", Name="demo")["Volume"]["Status"]
    assert (shown["size"], shown["replicas"]) == ("1GiB", {})


def test_a_mount_outlives_the_daemon(cluster: MemoryCluster, node1: TestClient) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")
    cluster["node1"].start()
    assert cluster["node1"].use.any(cluster.volume("demo"))


def test_a_refused_mount_is_not_counted(cluster: MemoryCluster, node1: TestClient) -> None:
    assert "no volume" in ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")["Err"]
    assert cluster["node1"].use.volumes() == set()
    ask(node1, "VolumeDriver.Create", Name="demo")
    cluster["node1"].etcd.away_for = {"mount"}
    assert ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")["Err"]
    assert cluster["node1"].use.volumes() == set()
    cluster["node1"].start()
    assert cluster["node1"].use.volumes() == set()


def test_an_engine_that_activates_has_lost_its_former_uses(node1: TestClient) -> None:
    """Nothing has the volume mounted any more, and that engine asks for no unmount."""
    ask(node1, "VolumeDriver.Create", Name="demo")
    ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")
    assert "in use" in ask(node1, "VolumeDriver.Remove", Name="demo")["Err"]
    ask(node1, "Plugin.Activate")
    assert ask(node1, "VolumeDriver.Remove", Name="demo") == {"Err": ""}


def test_an_engine_without_mount_ids_is_served(cluster: MemoryCluster, node1: TestClient) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    assert ask(node1, "VolumeDriver.Mount", Name="demo")["Err"] == ""
    assert ask(node1, "VolumeDriver.Unmount", Name="demo")["Err"] == ""
    assert cluster.state.mounts == {}


def test_every_call_is_observed_also_one_that_is_refused(
    node1: TestClient, observed: Observed
) -> None:
    ask(node1, "VolumeDriver.List")
    ask(node1, "VolumeDriver.Get", Name="nowhere")
    assert [call for call, _ in observed] == ["VolumeDriver.List", "VolumeDriver.Get"]
    assert all(0 <= seconds < 10 for _, seconds in observed)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"demo"', b'{"Name": 7}', b'{"Name": null}', b"{}", b"\xff\xfe",
     b'{"Name": "demo", "Opts": {"size": 1}}', b'{"Name": "demo", "Opts": "size"}'],
)  # fmt: skip
def test_a_request_that_is_not_the_protocols_is_refused(node1: TestClient, body: bytes) -> None:
    answer = node1.post("/VolumeDriver.Create", content=body)
    assert answer.status_code == 400
    assert "not as the plugin protocol says" in answer.json()["Err"]
    assert ask(node1, "VolumeDriver.List")["Volumes"] == []


def test_a_request_that_never_ends_is_refused(node1: TestClient) -> None:
    answer = node1.post("/VolumeDriver.Create", content=b" " * (LARGEST_BODY_BYTES + 1))
    assert answer.status_code == 400
    assert "bytes at most" in answer.json()["Err"]


def test_what_went_wrong_is_told_in_err(node1: TestClient) -> None:
    assert "no volume 'nowhere'" in ask(node1, "VolumeDriver.Get", Name="nowhere")["Err"]
    assert "unknown option" in ask(node1, "VolumeDriver.Create", Name="x", Opts={"a": "b"})["Err"]


def test_while_etcd_is_away_known_volumes_are_there_and_no_other_is_denied(
    cluster: MemoryCluster, node1: TestClient
) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    cluster["node1"].etcd.is_away = True
    assert ask(node1, "VolumeDriver.Get", Name="demo")["Err"] == ""
    assert [each["Name"] for each in ask(node1, "VolumeDriver.List")["Volumes"]] == ["demo"]
    unknown = ask(node1, "VolumeDriver.Get", Name="other")
    assert unknown == {"Err": "etcd does not answer"}


def test_a_defect_of_ours_is_told_too(
    cluster: MemoryCluster, node1: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(cluster["node1"].driver, "create", broken)
    answer = node1.post("/VolumeDriver.Create", json={"Name": "demo"})
    assert answer.status_code == 500
    assert "surprise" in answer.json()["Err"]


def test_only_calls_of_the_protocol_are_answered(node1: TestClient) -> None:
    assert node1.post("/VolumeDriver.Format").status_code == 404
    assert node1.get("/VolumeDriver.List").status_code == 405


@pytest.mark.parametrize("call", ["Create", "Remove", "Mount", "Unmount", "Path"])
def test_a_call_that_lost_its_body_is_unknown(node1: TestClient, call: str) -> None:
    """As dockerd repeats a call that was not answered."""
    answer = node1.post(f"/VolumeDriver.{call}")
    assert answer.status_code == 503
    assert "without its content" in answer.json()["Err"]


def test_a_get_that_lost_its_body_is_not_answered(cluster: MemoryCluster) -> None:
    """dockerd takes every answer without a volume for the news that there is none."""
    waiter = Waiter()
    app = serve_engine(cluster["node1"].driver, lambda *_: None)
    calling(app, waiter).post("/VolumeDriver.Get")
    assert waiter.was_hung_up_on


@pytest.mark.parametrize("error", [PoolError("no answer"), KeyError("surprise")])
def test_a_get_that_fails_is_not_answered(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(_: str) -> None:
        raise error

    driver = cluster["node1"].driver
    driver.create("demo", {})
    monkeypatch.setattr(driver, "describe", broken)
    waiter = Waiter()
    calling(serve_engine(driver, lambda *_: None), waiter).post(
        "/VolumeDriver.Get", json={"Name": "demo"}
    )
    assert waiter.was_hung_up_on


def test_what_docker_prints_cannot_be_forged(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's name comes from a container, a node's name from etcd."""
    forged = "a\nb\x1b[2J\u202e\udcff"
    driver = cluster["node1"].driver
    driver.create("demo", {})

    def refuse(*_: object) -> None:
        raise Refused(forged)

    monkeypatch.setattr(driver, "remove", refuse)
    monkeypatch.setattr(driver, "status", lambda _: {"problem": forged, "replicas": {forged: ""}})
    node1 = client(cluster, "node1", [])
    refused = node1.post("/VolumeDriver.Remove", json={"Name": "demo"}).json()["Err"]
    shown = node1.post("/VolumeDriver.Get", json={"Name": "demo"}).json()["Volume"]["Status"]
    [node] = shown["replicas"]
    assert all(text.isprintable() for text in (refused, shown["problem"], node))


@pytest.mark.parametrize("call", ["Plugin.Activate", "VolumeDriver.List", "VolumeDriver.Mount"])
def test_a_daemon_that_cannot_start_says_why(call: str) -> None:
    engine = calling(refuse_engine("FLOCKER_NODE not set"), Waiter())
    answer = engine.post(f"/{call}", json={"Name": "demo"})
    assert answer.status_code == 503
    assert "cannot start on this node: FLOCKER_NODE not set" in answer.json()["Err"]


def test_a_daemon_that_cannot_start_denies_no_volume() -> None:
    waiter = Waiter()
    calling(refuse_engine("FLOCKER_NODE not set"), waiter).post(
        "/VolumeDriver.Get", json={"Name": "demo"}
    )
    assert waiter.was_hung_up_on
