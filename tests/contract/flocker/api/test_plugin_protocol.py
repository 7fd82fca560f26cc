"""A real daemon asked as an engine asks it: twice, in any order, and with whatever people typed.

Two nodes with real pools, a real etcd and a real engine between them. Each question goes to a
daemon's own socket, without the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from judge.machine.engine import own_engine
from tests.contract.flocker.own_driver import OwnDriver, own_drivers

pytestmark = pytest.mark.contract

ANSWER_SECONDS = 60


class Node:
    """One daemon, and the mounts it was asked for."""

    def __init__(self, driver: OwnDriver) -> None:
        transport = httpx2.HTTPTransport(uds=str(driver.socket), verify=False)
        self._http = httpx2.Client(
            transport=transport, base_url="http://driver", timeout=ANSWER_SECONDS
        )
        self._mounts: list[dict[str, str]] = []

    def post(self, call: str, body: str) -> httpx2.Response:
        """Send a body as it is, whether it is JSON or not."""
        return self._http.post(f"/{call}", content=body)

    def ask(self, call: str, **fields: object) -> dict[str, Any]:
        """Ask what the protocol has, and return the answer; `Err` is empty if the driver agrees."""
        answer: dict[str, Any] = self.post(f"VolumeDriver.{call}", json.dumps(fields)).json()
        return answer

    def mount(self, volume: str, use: str) -> dict[str, Any]:
        answer = self.ask("Mount", Name=volume, ID=use)
        if answer["Err"] == "":
            self._mounts.append({"Name": volume, "ID": use})
        return answer

    def unmount(self, volume: str, use: str) -> dict[str, Any]:
        answer = self.ask("Unmount", Name=volume, ID=use)
        if {"Name": volume, "ID": use} in self._mounts:
            self._mounts.remove({"Name": volume, "ID": use})
        return answer

    def owner(self, volume: str) -> str:
        return str(self.ask("Get", Name=volume)["Volume"]["Status"]["owner"])

    def end_uses(self) -> None:
        for mounted in [*self._mounts]:
            assert self.unmount(mounted["Name"], mounted["ID"])["Err"] == ""

    def remove_volumes(self) -> None:
        for volume in self.ask("List")["Volumes"]:
            assert self.ask("Remove", Name=volume["Name"])["Err"] == ""

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def drivers() -> Iterator[list[OwnDriver]]:
    with own_engine() as engine, own_drivers(engine, 2) as running:
        yield running


@pytest.fixture
def nodes(drivers: list[OwnDriver]) -> Iterator[list[Node]]:
    """Two nodes without volumes."""
    nodes = [Node(driver) for driver in drivers]
    yield nodes
    for node in nodes:
        node.end_uses()
    nodes[0].remove_volumes()
    for node in nodes:
        node.close()


@pytest.fixture
def node1(nodes: list[Node]) -> Node:
    return nodes[0]


@pytest.fixture
def node2(nodes: list[Node]) -> Node:
    return nodes[1]


def written(node: Node, volume: str, text: str) -> None:
    """Have a container's worth of use write a file to a volume."""
    note = Path(node.mount(volume, "writer")["Mountpoint"]) / "note"
    note.write_text(text)
    assert node.unmount(volume, "writer")["Err"] == ""


def read(node: Node, volume: str) -> str:
    text = (Path(node.mount(volume, "reader")["Mountpoint"]) / "note").read_text()
    assert node.unmount(volume, "reader")["Err"] == ""
    return text


# Asking again changes nothing.


def test_a_volume_that_is_there_already_is_not_made_anew(node1: Node, node2: Node) -> None:
    assert node1.ask("Create", Name="notes", Opts={"size": "64MiB"})["Err"] == ""
    written(node1, "notes", "kept")
    assert node1.ask("Create", Name="notes", Opts={"size": "64MiB"})["Err"] == ""
    assert node2.ask("Create", Name="notes", Opts=None)["Err"] == ""
    assert read(node2, "notes") == "kept"


def test_a_volume_that_is_there_already_is_refused_with_other_options(node1: Node) -> None:
    assert node1.ask("Create", Name="notes", Opts={"size": "64MiB"})["Err"] == ""
    refusal = node1.ask("Create", Name="notes", Opts={"size": "1GiB", "failover": "auto"})["Err"]
    assert "size=1GiB was asked for, the volume has 64MiB" in refusal
    assert "failover=auto was asked for, the volume has manual" in refusal


def test_a_volume_mounted_twice_by_one_use_is_in_use_until_it_is_unmounted_twice(
    node1: Node, node2: Node
) -> None:
    """`docker cp` from a running container does this."""
    assert node1.ask("Create", Name="notes")["Err"] == ""
    for _ in range(2):
        assert node1.mount("notes", "one")["Err"] == ""
    assert node1.unmount("notes", "one")["Err"] == ""
    assert "volume 'notes' is in use" in node2.mount("notes", "two")["Err"]
    assert node1.unmount("notes", "one")["Err"] == ""
    assert node2.mount("notes", "two")["Err"] == ""


def test_removing_a_missing_volume_succeeds(node1: Node) -> None:
    assert node1.ask("Remove", Name="never-there")["Err"] == ""


def test_unmounting_an_unused_volume_succeeds(node1: Node) -> None:
    assert node1.ask("Create", Name="notes")["Err"] == ""
    assert node1.unmount("notes", "never-mounted")["Err"] == ""


def test_two_nodes_that_make_the_same_volume_at_once_make_one(nodes: list[Node]) -> None:
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(lambda node: node.ask("Create", Name="notes"), nodes))
    assert [answer["Err"] for answer in answers] == ["", ""]
    assert len({node.owner("notes") for node in nodes}) == 1


# A missing volume is reported as missing.


@pytest.mark.parametrize("call", ["Get", "Path", "Mount"])
def test_a_volume_nobody_made_is_missing(node1: Node, call: str) -> None:
    assert "no volume 'never-there'" in node1.ask(call, Name="never-there", ID="one")["Err"]


# Malformed requests are refused, and harm nothing.

MALFORMED = {
    "cut off": ('{"Name": "no', "plugin protocol says: body: Invalid"),
    "not an object": ('["notes"]', "plugin protocol says: body: Input"),
    "without a name": ('{"Opts": {}}', "Name: Field required"),
    "empty-handed": ("", "without its content"),
    "for a number": ('{"Name": 7}', "Name: Input should be a valid str"),
    "for a name of nothing": ('{"Name": ""}', "cannot be a volume's name"),
    "for a way out": ('{"Name": "../../etc"}', "cannot be a volume's name"),
    "for a name with blanks": ('{"Name": "my notes"}', "cannot be a volume's name"),
    "for another alphabet": (r'{"Name": "z\u00e4hler"}', "cannot be a volume's name"),
}


@pytest.mark.parametrize("wrong", MALFORMED)
def test_a_malformed_request_is_refused(node1: Node, wrong: str) -> None:
    body, reason = MALFORMED[wrong]
    assert reason in node1.post("VolumeDriver.Create", body).json()["Err"]
    assert node1.ask("List")["Volumes"] == []


def test_the_longest_name_there_can_be_and_one_more_letter(node1: Node) -> None:
    assert node1.ask("Create", Name="n" * 255)["Err"] == ""
    assert "cannot be a volume's name" in node1.ask("Create", Name="n" * 256)["Err"]


def test_a_question_the_protocol_does_not_have_is_not_known(node1: Node) -> None:
    assert node1.post("VolumeDriver.Defragment", "{}").status_code == 404
    activated = node1.post("Plugin.Activate", "")
    assert activated.status_code == 200
    assert "VolumeDriver" in activated.text
