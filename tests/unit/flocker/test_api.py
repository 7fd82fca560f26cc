"""Docker's volume plugin protocol, as the engine speaks it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from flocker.api import LARGEST_BODY_BYTES, MEDIA_TYPE, serve_engine
from tests.unit.flocker.cluster import MemoryCluster

Call = Any


def client(cluster: MemoryCluster, node: str) -> TestClient:
    app = serve_engine(cluster[node].driver, cluster.ownership)
    return TestClient(app, raise_server_exceptions=False, headers={"Host": ""})


@pytest.fixture
def node1(cluster: MemoryCluster) -> TestClient:
    return client(cluster, "node1")


def ask(engine: TestClient, call: str, **arguments: object) -> Any:
    """Ask as dockerd does: no content type, its own media type expected back."""
    body = httpx.Request("POST", "http://x", json=arguments).content
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
    assert ask(node1, "VolumeDriver.List")["Volumes"] == [volume]
    assert ask(node1, "VolumeDriver.Unmount", Name="demo", ID="one") == {"Err": ""}
    assert ask(node1, "VolumeDriver.Remove", Name="demo") == {"Err": ""}
    assert ask(node1, "VolumeDriver.List")["Volumes"] == []


def test_every_node_lists_it_but_only_the_owner_has_a_mountpoint(
    cluster: MemoryCluster, node1: TestClient
) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    seen = ask(client(cluster, "node2"), "VolumeDriver.Get", Name="demo")["Volume"]
    assert (seen["Mountpoint"], seen["Status"]["owner"]) == ("", "node1")


def test_the_operator_sees_nodes_volumes_and_moves(
    cluster: MemoryCluster, node1: TestClient
) -> None:
    ask(node1, "VolumeDriver.Create", Name="demo")
    ask(node1, "VolumeDriver.Create", Name="other")
    ask(node1, "VolumeDriver.Mount", Name="demo", ID="one")
    other = cluster.ownership.volume("other")
    assert other is not None
    cluster.ownership.start_move(other, "node2")
    status = node1.get("/flocker/status").json()
    assert [node["name"] for node in status["nodes"]] == ["node1", "node2", "node3"]
    assert [(each["name"], each["mounted_on"]) for each in status["volumes"]] == [
        ("demo", "node1"),
        ("other", None),
    ]
    assert [(move["target"], move["percent"]) for move in status["moves"]] == [("node2", None)]


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
