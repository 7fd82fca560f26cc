"""What only etcd can show: leases that run out, and etcd being away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from acceptance.waiting import eventually
from flocker.catalog import Catalog
from flocker.errors import BadRequest, ControlPlaneAway, StaleEpoch
from flocker.etcd import EtcdOwnership
from flocker.ownership import Node
from tests.contract.flocker.conftest import LEASE_SECONDS, Etcd, a_volume, free_port

pytestmark = pytest.mark.contract

THIS_NODE = Node("node-lease", "127.0.0.1", "0", 0, 1)
EXPIRY_SECONDS = 10 * LEASE_SECONDS  # etcd looks for expired leases now and then only


def view(etcd: Etcd) -> EtcdOwnership:
    return EtcdOwnership([etcd.endpoint], LEASE_SECONDS, None)


def names(ownership: EtcdOwnership) -> list[str]:
    return [node.name for node in ownership.nodes()]


def test_a_silent_node_is_forgotten_with_its_mounts_and_moves(session_etcd: Etcd) -> None:
    silent, other = view(session_etcd), view(session_etcd)
    silent.announce(THIS_NODE)
    mounted = silent.create(a_volume(THIS_NODE.name))
    moving = silent.create(a_volume())
    silent.mount(mounted)
    move = silent.start_move(moving, THIS_NODE.name)

    eventually(lambda: THIS_NODE.name in names(other), is_=False, within=EXPIRY_SECONDS)
    eventually(lambda: mounted.id in other.mounts(), is_=False, within=EXPIRY_SECONDS)
    with pytest.raises(StaleEpoch):
        silent.finish_move(moving, move)

    assert silent.announce(THIS_NODE), "it is told that what it recorded is gone"
    assert not silent.announce(THIS_NODE)


def test_a_node_that_announces_itself_stays(session_etcd: Etcd) -> None:
    node = view(session_etcd)
    for _ in range(3):
        node.announce(THIS_NODE)
        assert THIS_NODE.name in names(node)


def test_a_move_needs_a_node_that_has_joined(session_etcd: Etcd) -> None:
    volume = view(session_etcd).create(a_volume())
    with pytest.raises(ControlPlaneAway, match="no lease"):
        view(session_etcd).start_move(volume, "node2")


def test_the_next_member_answers_when_the_first_is_away(session_etcd: Etcd) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    ownership = EtcdOwnership([away, session_etcd.endpoint], LEASE_SECONDS, None)
    volume = ownership.create(a_volume())
    assert ownership.volume(volume.name) == volume


class AnswerLost(BaseHTTPRequestHandler):
    """Hands a question on to etcd, and then hangs up instead of answering."""

    etcd = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        requests.post(self.etcd + self.path, data=body, timeout=5)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def forgetful(session_etcd: Etcd) -> Iterator[EtcdOwnership]:
    """Each question reaches etcd twice: the first member that is asked loses every answer."""
    handler = type("Handler", (AnswerLost,), {"etcd": session_etcd.endpoint})
    member = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=member.serve_forever, daemon=True).start()
    endpoints = [f"http://127.0.0.1:{member.server_port}", session_etcd.endpoint]

    class Forgetful(EtcdOwnership):
        def _prefer(self, client: object) -> None:
            """Always ask the bad one first."""

    yield Forgetful(endpoints, LEASE_SECONDS, None)
    member.shutdown()
    member.server_close()


def test_a_lost_answer_never_makes_a_change_fail_that_was_made(forgetful: EtcdOwnership) -> None:
    forgetful.announce(THIS_NODE)
    volume = forgetful.create(a_volume())
    forgetful.mount(volume)
    forgetful.unmount(volume)
    forgetful.abandon_move(forgetful.start_move(volume, THIS_NODE.name))
    move = forgetful.start_move(volume, THIS_NODE.name)
    forgetful.report_move(move)
    moved = forgetful.finish_move(volume, move)
    assert (moved.owner, moved.epoch) == (THIS_NODE.name, 2)
    assert volume.id not in [other.volume_id for other in forgetful.moves()]
    forgetful.remove(moved)
    assert forgetful.volume(volume.name) is None


def test_a_node_paused_longer_than_its_lease_is_told_to_try_again(session_etcd: Etcd) -> None:
    node = view(session_etcd)
    node.announce(THIS_NODE)
    volume = node.create(a_volume(THIS_NODE.name))
    eventually(lambda: THIS_NODE.name in names(node), is_=False, within=EXPIRY_SECONDS)
    with pytest.raises(ControlPlaneAway, match="lease ran out; try again"):
        node.mount(volume)
    node.announce(THIS_NODE)
    node.mount(volume)


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match="not an etcd endpoint"):
        EtcdOwnership(["node1"], LEASE_SECONDS, None)


def test_away_is_said_and_reads_are_remembered(etcd: Etcd, tmp_path: Path) -> None:
    ownership = view(etcd)
    volume = ownership.create(a_volume())
    catalog = Catalog(ownership, tmp_path / "catalog.json")
    assert catalog.volume(volume.name) == volume

    etcd.stop()
    refused = r"etcd does not answer \(127.0.0.1: connection refused\)"
    with pytest.raises(ControlPlaneAway, match=refused):
        ownership.volume(volume.name)
    assert catalog.volume(volume.name) == volume
    assert Catalog(ownership, tmp_path / "catalog.json").volumes() == [volume]
    with pytest.raises(ControlPlaneAway):
        catalog.volume("never-heard-of")  # unknown is not "not found"

    etcd.start()
    ownership.remove(volume)
    assert catalog.volume(volume.name) is None
