"""What only etcd can show: leases that run out, members that fail, records of other versions."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import ANY

import pytest
import requests

from acceptance.base.waiting import eventually
from flocker.base.config import Certificates
from flocker.base.errors import BadRequest, ControlPlaneAway, NotAdmitted, Refused, StaleEpoch
from flocker.base.records import ClusterState, Copy, Cut, NamedSnapshot, Node, Snapshot, Volume
from flocker.care.announcer import RENEWALS
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.etcd_wire import (
    FIRST_SECONDS,
    LAST_SECONDS,
    LEADER_SECONDS,
    PATIENCE_SECONDS,
)
from judge.machine.ports import free_port
from tests.contract.flocker.consensus.test_ownership import AT, BASE, a_volume, event, held, made
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd
from tests.contract.flocker.nobody import port_of_nobody
from tests.contract.flocker.peer_certificates import Authority
from tests.twins.moves import start_move

pytestmark = pytest.mark.contract

THIS_NODE = Node("node-lease", "127.0.0.1", "0", 0, 1)
EXPIRY_SECONDS = 10 * LEASE_SECONDS  # etcd looks for expired leases now and then only
NOTICE_SECONDS = 12  # a member that is silent is noticed in 6 s, and the next one asked


def view(*members: Etcd) -> EtcdOwnership:
    return EtcdOwnership([member.endpoint for member in members], LEASE_SECONDS, None)


@contextmanager
def following(ownership: EtcdOwnership) -> Iterator[list[ClusterState | ControlPlaneAway]]:
    """News for a daemon: every ClusterState, and every time that etcd is away."""
    told: list[ClusterState | ControlPlaneAway] = []
    stopping = threading.Event()

    def follow() -> None:
        while not stopping.is_set():
            try:
                told.extend(ownership.follow(stopping))
            except ControlPlaneAway as error:
                told.append(error)
            stopping.wait(0.2)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        eventually(lambda: bool(told), is_=True, within=10)
        yield told
    finally:
        stopping.set()
        thread.join(10)


def knows(told: list[ClusterState | ControlPlaneAway], volume: Volume) -> Callable[[], bool]:
    """True if the last thing told is a ClusterState that has the volume."""

    def ask() -> bool:
        last = told[-1]
        return isinstance(last, ClusterState) and last.volumes.get(volume.name) == volume

    return ask


def is_there(ownership: EtcdOwnership) -> Callable[[], bool]:
    return lambda: THIS_NODE.name in ownership.state().nodes


def test_a_silent_node_is_forgotten_with_its_mounts_and_moves(session_etcd: Etcd) -> None:
    silent, other = view(session_etcd), view(session_etcd)
    silent.announce(THIS_NODE)
    mounted, moving = made(silent, THIS_NODE.name), made(silent)
    silent.mount(mounted)
    move = start_move(silent, moving, THIS_NODE.name)

    eventually(is_there(other), is_=False, within=EXPIRY_SECONDS)
    eventually(lambda: mounted.id in other.state().mounts, is_=False, within=EXPIRY_SECONDS)
    assert THIS_NODE.name in other.state().seen, "when it was last heard of stays known"
    with pytest.raises(StaleEpoch):
        silent.finish_move(moving, move, BASE, event(moving, "moved"))
    promoted = other.promote(mounted, held(mounted, "node2"), event(mounted, "promoted"))
    assert promoted.owner == "node2"

    assert silent.announce(THIS_NODE), "it is told that what it recorded is gone"
    assert not silent.announce(THIS_NODE)


def test_a_node_that_announces_itself_stays(session_etcd: Etcd) -> None:
    node = view(session_etcd)
    times = []
    for _ in range(3):
        node.announce(THIS_NODE)
        assert is_there(node)()
        times.append(node.state().seen[THIS_NODE.name])
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_a_daemon_that_was_restarted_outlives_its_first_lease(session_etcd: Etcd) -> None:
    before = view(session_etcd)
    volume = made(before, THIS_NODE.name)
    before.announce(THIS_NODE)
    before.mount(volume)

    after = view(session_etcd)
    assert after.announce(THIS_NODE)

    def first_lease_is_over() -> bool:
        after.announce(THIS_NODE)
        assert is_there(after)(), "it is bound to the newest lease"
        return volume.id not in after.state().mounts

    eventually(first_lease_is_over, is_=True, within=EXPIRY_SECONDS)


def names(member: Etcd) -> list[str]:
    """The members that one of them knows."""
    url = f"{member.endpoint}/v3/cluster/member/list"
    listed = requests.post(url, json={}, timeout=5).json()["members"]
    return sorted(each["name"] for each in listed)


def test_a_member_of_a_node_that_was_forgotten_is_one_no_more(members: list[Etcd]) -> None:
    first, second, third = members
    ownership = view(first, second)
    for _ in range(2):
        ownership.forget_node("third")
        assert names(first) == ["first", "second"]
    eventually(lambda: names(second), is_=["first", "second"], within=10)
    volume = made(ownership)
    eventually(lambda: knows_nothing_of(third, volume), is_=True, within=10)
    third.stop()
    third.launch()
    assert ownership.volume(volume.name) == volume


def knows_nothing_of(member: Etcd, volume: Volume) -> bool:
    try:
        return view(member).volume(volume.name) is None
    except ControlPlaneAway:
        return True


def test_a_member_that_is_needed_stays_and_forgetting_it_can_be_repeated(etcd: Etcd) -> None:
    ownership = view(etcd)
    for _ in range(2):
        with pytest.raises(
            Refused,
            match=r"only is retired, but is still a member of etcd: .*`flocker forget only` again",
        ):
            ownership.forget_node("only")
    assert "only" in ownership.state().retired
    assert names(etcd) == ["only"]


def test_a_name_goes_to_another_machine_only_in_the_place_of_the_first(
    session_etcd: Etcd,
) -> None:
    first = Node("node-replaced", "127.0.0.1", "0", 0, 1, machine="first")
    second = replace(first, address="127.0.0.2", machine="second")
    one, other = view(session_etcd), view(session_etcd)
    one.announce(first)
    eventually(lambda: first.name in other.state().nodes, is_=False, within=EXPIRY_SECONDS)
    with pytest.raises(NotAdmitted, match=r"another machine \(127.0.0.1\), which is away"):
        other.announce(second)
    with pytest.raises(ControlPlaneAway, match="no lease"):
        start_move(other, made(view(session_etcd)), first.name)
    other.announce(second, may_replace=True)
    with pytest.raises(NotAdmitted, match=r"another machine \(127.0.0.2\), which is up"):
        one.announce(first)
    assert other.state().nodes[first.name] == second
    other.announce(second)


def test_a_move_needs_a_node_that_has_joined(session_etcd: Etcd) -> None:
    volume = made(view(session_etcd))
    with pytest.raises(ControlPlaneAway, match="no lease"):
        start_move(view(session_etcd), volume, "node2")


def test_a_node_paused_longer_than_its_lease_is_told_to_try_again(session_etcd: Etcd) -> None:
    node = view(session_etcd)
    node.announce(THIS_NODE)
    volume = made(node, THIS_NODE.name)
    eventually(is_there(node), is_=False, within=EXPIRY_SECONDS)
    with pytest.raises(ControlPlaneAway, match="lease ran out; try again"):
        node.mount(volume)
    try:
        raise OSError("the disk is full")
    except OSError:
        with pytest.raises(ControlPlaneAway, match="lease ran out; try again"):
            node.mount(volume)
    node.announce(THIS_NODE)
    node.mount(volume)


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match="not an etcd endpoint"):
        EtcdOwnership(["node1"], LEASE_SECONDS, None)


# Answers that get lost.


class LosesAnswers(BaseHTTPRequestHandler):
    """Hands questions on to etcd, and hangs up instead of answering those that `is_lost`."""

    etcd: str
    is_lost: Callable[[str, bytes], bool]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = requests.post(self.etcd + self.path, data=body, timeout=5)
        self.close_connection = True
        if not type(self).is_lost(self.path, body):
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        # The handshake is its handler's, so that a failed one ends no more than a connection.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def losing_answers(
    etcd: Etcd,
    is_lost: Callable[[str, bytes], bool],
    members: int,
    lease_seconds: int = LEASE_SECONDS,
) -> Iterator[EtcdOwnership]:
    attributes = {"etcd": etcd.endpoint, "is_lost": staticmethod(is_lost)}
    handler = type("Handler", (LosesAnswers,), attributes)
    with ExitStack() as stack:
        servers = [stack.enter_context(served(handler)) for _ in range(members)]
        endpoints = [f"http://127.0.0.1:{server.server_port}" for server in servers]
        yield EtcdOwnership(endpoints, lease_seconds, None)


@pytest.fixture
def forgetful(session_etcd: Etcd) -> Iterator[EtcdOwnership]:
    """Each question reaches etcd twice: the first answer to it is always lost."""
    asked: set[bytes] = set()

    def is_lost(_: str, body: bytes) -> bool:
        is_first = body not in asked
        asked.symmetric_difference_update({body})
        return is_first

    with losing_answers(session_etcd, is_lost, members=2, lease_seconds=60) as ownership:
        yield ownership


def test_a_lost_answer_never_makes_a_change_fail_that_was_made(forgetful: EtcdOwnership) -> None:
    for name in ("node1", THIS_NODE.name):
        forgetful.announce(replace(THIS_NODE, name=name))
    volume = made(forgetful)
    resized = replace(volume, size_bytes=5)
    forgetful.change(volume, resized, event(volume, "resized"))
    forgetful.mount(resized)
    forgetful.unmount(resized)
    forgetful.abandon_move(start_move(forgetful, resized, THIS_NODE.name))
    move = start_move(forgetful, resized, THIS_NODE.name)
    forgetful.report_move(move)
    moved = forgetful.finish_move(resized, move, BASE, event(volume, "moved"))
    assert (moved.owner, moved.epoch) == (THIS_NODE.name, 2)
    state = forgetful.state()
    assert volume.id not in state.moves
    assert volume.id not in state.mounts
    copy = Copy(volume.id, "node1", BASE, AT)
    forgetful.publish([(moved, copy)])
    forgetful.keep_snapshots(
        [(moved, NamedSnapshot(volume.id, BASE, AT), event(volume, "snapshot"))]
    )
    forgetful.remove(moved, event(volume, "removed"))
    removed = forgetful.state().removed[volume.id]
    back = replace(moved, owner="away", epoch=3)
    forgetful.undelete(removed, back, event(volume, "undeleted"))
    promoted = forgetful.promote(back, held(back, "node2"), event(volume, "promoted"))
    assert sorted(each.what for each in forgetful.history(volume.id)) == sorted(
        ["created", "resized", "moved", "snapshot", "removed", "undeleted", "promoted"]
    ), "each is told of once"
    forgetful.withdraw([copy])
    assert "node1" not in forgetful.state().copies_of(volume)
    forgetful.remove(promoted, event(volume, "removed again"))
    forgetful.purge(forgetful.state().removed[volume.id])
    assert forgetful.volume(volume.name) is None
    assert forgetful.history(volume.id) == []


def test_an_announcement_that_failed_half_way_is_new_the_next_time(session_etcd: Etcd) -> None:
    """A lease was granted, but nobody was told that what was recorded before is gone."""
    is_losing = threading.Event()
    is_losing.set()

    def is_lost(path: str, _: bytes) -> bool:
        return path == "/v3/kv/txn" and is_losing.is_set()

    with losing_answers(session_etcd, is_lost, members=1) as node:
        with pytest.raises(ControlPlaneAway, match="closed connection"):
            node.announce(THIS_NODE)
        is_losing.clear()
        assert node.announce(THIS_NODE)
        assert not node.announce(THIS_NODE)


def test_old_events_that_cannot_be_deleted_make_no_change_fail(session_etcd: Etcd) -> None:
    with losing_answers(
        session_etcd, lambda _, body: b"DeleteRange" in body or b"delete_range" in body, members=1
    ) as node:
        volume = made(node)
        for number in range(101):
            node.record(event(volume, f"event {number:03}"))
        assert node.history(volume.id)[-1].what == "event 100"


# Records that another version has written.


def test_a_field_that_a_record_lacks_has_its_default(session_etcd: Etcd) -> None:
    ownership = view(session_etcd)
    volume = a_volume()
    short = {name: getattr(volume, name) for name in ("created_at", "epoch", "id", "name", "owner")}
    session_etcd.store(f"flocker/volumes/{volume.name}", json.dumps(short))
    assert ownership.volume(volume.name) == volume
    assert ownership.state().volumes[volume.name] == volume
    resized = replace(volume, size_bytes=5)
    ownership.change(volume, resized, event(volume, "resized"))
    assert ownership.volume(volume.name) == resized


def test_what_a_newer_version_has_added_is_kept(session_etcd: Etcd) -> None:
    ownership = view(session_etcd)
    cut = Cut(2, 7)
    volume = replace(a_volume(), base=BASE, cuts=(cut,))
    newer = {"invented": 1}
    base = BASE.to_json() | newer
    copy = Copy(volume.id, "node2", BASE, AT)
    named = NamedSnapshot(volume.id, BASE, AT)
    for key, value in {
        f"volumes/{volume.name}": volume.to_json()
        | newer
        | {"base": base, "cuts": [cut.to_json() | newer]},
        f"mounts/{volume.id}": {"id": volume.id, "node": "node1", "name": volume.name} | newer,
        f"nodes/{volume.id}": THIS_NODE.to_json() | newer,
        f"copies/{volume.id}/node2": copy.to_json() | newer | {"snapshot": base},
        f"snapshots/{volume.id}/7": named.to_json() | newer | {"snapshot": base},
        f"history/{volume.id}/{AT}-node1-made": event(volume, "made").to_json() | newer,
        f"inventions/{volume.id}": newer,
    }.items():
        session_etcd.store(f"flocker/{key}", json.dumps(value))
    state = ownership.state()
    read = state.volumes[volume.name]
    assert replace(read, unknown={}, cuts=()) == replace(volume, cuts=())
    assert state.mounts[volume.id] == "node1"
    assert replace(state.nodes[volume.id], unknown={}) == THIS_NODE
    assert state.copies_of(volume) == {"node2": replace(copy, unknown=newer)}
    assert state.named(volume) == [replace(named, unknown=newer)]
    assert ownership.history(volume.id) == [replace(event(volume, "made"), unknown=newer)]
    ownership.unmount(read)
    resized = replace(read, size_bytes=5)
    ownership.change(read, resized, event(volume, "resized"))
    ownership.remove(resized, event(volume, "removed"))
    removed = ownership.state().removed[volume.id]
    undeleted = removed.volume.owned_by("node1", removed.volume.base)
    ownership.undelete(removed, undeleted, event(volume, "undeleted"))
    ownership.announce(THIS_NODE)
    move = start_move(ownership, undeleted, "node2")
    moved = ownership.finish_move(undeleted, move, BASE, event(volume, "moved"))
    promoted = ownership.promote(
        moved, Copy(volume.id, "node3", replace(BASE, number=9), AT), event(volume, "promoted")
    )
    stored = promoted.to_json()
    assert stored["invented"] == 1
    assert stored["cuts"][0] == {"epoch": 2, "number": 7, "invented": 1}
    assert ownership.volume(volume.name) == promoted


def test_what_a_newer_version_has_changed_meanwhile_is_not_overwritten(
    session_etcd: Etcd,
) -> None:
    ownership = view(session_etcd)
    volume = made(ownership)
    newer = volume.to_json() | {"invented": 1}
    session_etcd.store(f"flocker/volumes/{volume.name}", json.dumps(newer))
    with pytest.raises(StaleEpoch):
        ownership.change(volume, replace(volume, size_bytes=5), event(volume, "resized"))
    assert ownership.volume(volume.name) == replace(volume, unknown={"invented": 1})


BROKEN = ["not JSON", "[]", '{"name": "incomplete"}', '"text"', "null", '"\\udcff"']


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_record_hides_no_other(etcd: Etcd, broken: str) -> None:
    ownership = view(etcd)
    volume = made(ownership)
    for kind in ("volumes", "mounts", "moves", "nodes", "seen", "copies", "snapshots", "removed"):
        etcd.store(f"flocker/{kind}/broken", broken)
    state = ownership.state()
    assert state.volumes == {volume.name: volume}
    with pytest.raises(ControlPlaneAway, match="cannot read, volumes/broken"):
        ownership.volume("broken")  # not "there is none"


@pytest.mark.parametrize("broken", ["not JSON", "[]", '{"name": "incomplete"}'])
def test_a_broken_record_stands_in_the_way_of_no_other(etcd: Etcd, broken: str) -> None:
    """A node tells of all its copies at once, and a person reads the history of all volumes."""
    ownership = view(etcd)
    volume, other = made(ownership), made(ownership)
    copy, its = held(volume, "node1"), held(other, "node1")
    etcd.store(f"flocker/copies/{volume.id}/node1", broken)
    ownership.publish([(volume, copy), (other, its)])
    state = ownership.state()
    assert state.copies_of(volume) == {"node1": copy}, "the node knows what it holds"
    assert state.copies_of(other) == {"node1": its}
    etcd.store(f"flocker/copies/{volume.id}/node1", broken)
    ownership.withdraw([copy, its])
    assert ownership.state().copies_of(other) == {}
    etcd.store(f"flocker/history/{volume.id}/broken", broken)
    assert sorted(each.volume for each in ownership.history(None)) == sorted(
        [volume.name, other.name]
    )


@pytest.mark.parametrize(
    "broken", [*BROKEN, {"at": 5}, {"at": "soon"}, {"why": None}, {"why": "\udcff"}]
)
def test_a_broken_event_hides_no_other(session_etcd: Etcd, broken: str | dict[str, object]) -> None:
    """Or any node could hide from all others who did what."""
    ownership = view(session_etcd)
    volume = made(ownership)
    before = ownership.history(volume.id)
    wrong = broken
    if isinstance(broken, dict):
        wrong = json.dumps(event(volume, "moved").to_json() | broken)
    session_etcd.store(f"flocker/history/{volume.id}/broken", str(wrong))
    assert ownership.history(volume.id) == before != []


# Members that fail.


def test_the_next_member_answers_when_the_first_is_away(session_etcd: Etcd) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    ownership = EtcdOwnership([away, session_etcd.endpoint], LEASE_SECONDS, None)
    volume = made(ownership)
    assert ownership.volume(volume.name) == volume


def test_what_is_no_answer_of_etcd_is_told_and_passed_over(session_etcd: Etcd) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(502, "Bad Gateway")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(Proxy) as server:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ControlPlaneAway, match=r"127.0.0.1: Bad Gateway"):
            EtcdOwnership([endpoint], LEASE_SECONDS, None).state()
        made(EtcdOwnership([endpoint, session_etcd.endpoint], LEASE_SECONDS, None))


def test_members_and_nodes_prove_who_they_are(session_etcd: Etcd, tmp_path: Path) -> None:
    cluster, other = (
        Authority(tmp_path / name).of("node", "node1").cert.parent for name in ("ours", "theirs")
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(cluster / "ca.pem"))
    tls.load_cert_chain(str(cluster / "cert.pem"), str(cluster / "key.pem"))
    tls.verify_mode = ssl.CERT_REQUIRED
    attributes = {"etcd": session_etcd.endpoint, "is_lost": staticmethod(lambda *_: False)}
    with served(type("Handler", (LosesAnswers,), attributes), tls) as server:
        endpoint = f"https://127.0.0.1:{server.server_port}"
        made(EtcdOwnership([endpoint], LEASE_SECONDS, Certificates.within(cluster)))
        stranger = replace(Certificates.within(other), ca=cluster / "ca.pem")
        misled = replace(Certificates.within(cluster), ca=other / "ca.pem")
        for certificates, reason in (stranger, "alert"), (misled, "certificate verify failed"):
            with pytest.raises(ControlPlaneAway, match=reason):
                EtcdOwnership([endpoint], LEASE_SECONDS, certificates).state()


def test_away_is_said_at_once_when_no_member_runs(etcd: Etcd) -> None:
    ownership = view(etcd)
    volume = made(ownership)
    etcd.stop()
    refused = r"etcd does not answer \(127.0.0.1: connection refused\)"
    began = time.monotonic()
    with pytest.raises(ControlPlaneAway, match=refused):
        ownership.volume(volume.name)
    assert time.monotonic() - began < 1
    try:
        raise OSError("the disk is full")
    except OSError:
        with pytest.raises(ControlPlaneAway, match=refused):
            ownership.volume(volume.name)
    etcd.start()
    assert ownership.volume(volume.name) == volume


def test_a_member_that_hangs_is_given_up_and_not_asked_first_again(members: list[Etcd]) -> None:
    ownership = view(*members)
    volume = made(ownership)
    members[0].pause()
    try:
        began = time.monotonic()
        eventually(  # a new leader may have to be found
            lambda: ownership.volume(volume.name),
            is_=volume,
            within=20,
            not_yet=(ControlPlaneAway,),
        )
        assert time.monotonic() - began < 15
        began = time.monotonic()
        for _ in range(3):
            assert ownership.volume(volume.name) == volume
        assert time.monotonic() - began < 1
    finally:
        members[0].resume()


def test_all_members_that_hang_are_given_up_in_bounded_time(members: list[Etcd]) -> None:
    ownership = view(*members)
    made(ownership)
    for member in members:
        member.pause()
    try:
        began = time.monotonic()
        with pytest.raises(ControlPlaneAway, match="timed out"):
            ownership.state()
        # The last round ends a little later; the rest is for a busy machine.
        assert time.monotonic() - began < PATIENCE_SECONDS + 2 * LAST_SECONDS + 2
    finally:
        for member in members:
            member.resume()


def test_members_that_are_held_up_for_a_while_fail_nothing(members: list[Etcd]) -> None:
    """As by a disk that all of them share: longer than one member is waited for."""
    ownership = view(*members)
    volume = made(ownership)
    for member in members:
        member.pause()
    resuming = threading.Timer(2.2 * FIRST_SECONDS, lambda: [each.resume() for each in members])
    resuming.start()
    try:
        began = time.monotonic()
        assert ownership.volume(volume.name) == volume
        assert time.monotonic() - began > 2 * FIRST_SECONDS  # they were held up
    finally:
        resuming.join()


def test_a_member_may_take_its_time_for_the_handshake_too(
    session_etcd: Etcd, tmp_path: Path
) -> None:
    cluster = Authority(tmp_path / "keys").of("node", "node1").cert.parent
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(str(cluster / "cert.pem"), str(cluster / "key.pem"))

    class Slow(LosesAnswers):
        etcd = session_etcd.endpoint

        def setup(self) -> None:
            threading.Event().wait(FIRST_SECONDS / 2)
            super().setup()

        @staticmethod
        def is_lost(_path: str, _body: bytes) -> bool:
            return False

    with served(Slow, tls) as server:
        endpoint = f"https://127.0.0.1:{server.server_port}"
        EtcdOwnership([endpoint], LEASE_SECONDS, Certificates.within(cluster)).state()


def test_a_leader_that_hangs_costs_no_lease(members: list[Etcd]) -> None:
    """Each node asks its own member first, and the leader may be next."""
    [leader] = [member for member in members if member.is_leader()]
    own, third = (member for member in members if member is not leader)
    endpoints = [member.endpoint for member in (own, leader, third)]
    lease_seconds = 15
    ownership = EtcdOwnership(endpoints, lease_seconds, None)
    ownership.announce(THIS_NODE)
    leader.pause()
    try:
        began = time.monotonic()
        ownership.announce(THIS_NODE)
        # It began a while after the one before; two thirds of the lease after that the fence acts.
        assert time.monotonic() - began < lease_seconds * 2 / 3 - lease_seconds / RENEWALS
    finally:
        leader.resume()


def test_a_machine_that_is_gone_is_passed_over(session_etcd: Etcd) -> None:
    with port_of_nobody() as port:
        endpoints = [f"http://127.0.0.1:{port}", session_etcd.endpoint]
        ownership = EtcdOwnership(endpoints, LEASE_SECONDS, None)
        ownership.state()
        began = time.monotonic()
        ownership.state()
        assert time.monotonic() - began < 1


def test_a_member_without_a_majority_says_so_quickly(members: list[Etcd]) -> None:
    ownership = view(*members)
    volume = made(ownership)
    members[1].stop()
    members[2].stop()

    def has_noticed() -> bool:
        with pytest.raises(ControlPlaneAway) as refused:
            ownership.volume(volume.name)
        return "no leader" in str(refused.value)

    eventually(has_noticed, is_=True, within=15)
    for act in (
        ownership.state,
        lambda: ownership.announce(THIS_NODE),
        lambda: made(ownership),
        lambda: next(ownership.follow(threading.Event())),
    ):
        began = time.monotonic()
        with pytest.raises(ControlPlaneAway, match="no leader"):
            act()
        assert time.monotonic() - began < LEADER_SECONDS + 2

    members[1].start()
    assert ownership.volume(volume.name) == volume


def test_a_change_of_leader_fails_nothing(members: list[Etcd]) -> None:
    """Whichever member led is killed: the others find a leader while the question is asked."""
    ownership = view(*members)
    for member in members:
        member.stop()
        made(ownership)
        member.start()


# Watches that break.


def test_a_watch_goes_on_when_etcd_was_killed_and_started_again(etcd: Etcd) -> None:
    ownership = view(etcd)
    before = made(ownership)
    with following(ownership) as told:
        assert knows(told, before)()
        etcd.stop()
        eventually(lambda: isinstance(told[-1], ControlPlaneAway), is_=True, within=2)
        etcd.start()
        after = made(ownership)
        eventually(knows(told, after), is_=True, within=5)


def test_a_watch_moves_on_from_a_member_that_hangs(members: list[Etcd]) -> None:
    watcher, writer = view(*members), view(*members[1:])
    made(watcher)
    with following(watcher) as told:
        members[0].pause()
        try:
            # If that was the leader, another one has to be found before anything can change.
            volume = eventually(
                lambda: made(writer), is_=ANY, within=20, not_yet=(ControlPlaneAway,)
            )
            eventually(knows(told, volume), is_=True, within=NOTICE_SECONDS)
        finally:
            members[0].resume()


def test_a_watch_ends_on_a_member_that_lost_its_majority(members: list[Etcd]) -> None:
    watcher = view(members[0])
    made(watcher)
    with following(watcher) as told:
        members[1].stop()
        members[2].stop()
        eventually(lambda: isinstance(told[-1], ControlPlaneAway), is_=True, within=NOTICE_SECONDS)
        members[1].start()
        volume = made(watcher)
        eventually(knows(told, volume), is_=True, within=10)


def test_what_etcd_has_forgotten_is_read_anew(etcd: Etcd) -> None:
    """Changes are compacted away between the reading of everything and the watch after it."""
    ownership = view(etcd)
    made(ownership)
    states = ownership.follow(threading.Event())
    next(states)
    volumes = [made(ownership) for _ in range(3)]
    etcd.compact()
    assert next(states).volumes[volumes[-1].name] == volumes[-1]
    last = made(ownership)
    assert next(states).volumes[last.name] == last


def test_following_ends_soon_after_it_is_told_to(session_etcd: Etcd) -> None:
    stopping = threading.Event()
    states = view(session_etcd).follow(stopping)
    next(states)
    threading.Timer(0.3, stopping.set).start()
    began = time.monotonic()
    for _ in states:
        pass
    assert time.monotonic() - began < 2


def test_following_costs_next_to_nothing_while_nothing_changes(etcd: Etcd) -> None:
    ownership = view(etcd)
    made(ownership)
    stopping = threading.Event()
    states = ownership.follow(stopping)
    next(states)
    threading.Timer(10, stopping.set).start()
    began = time.process_time()
    for _ in states:
        pass
    assert time.process_time() - began < 0.2


def test_changes_that_come_together_are_told_of_in_order(etcd: Etcd) -> None:
    ownership = view(etcd)
    volume = made(ownership)
    with following(ownership) as told:
        for number in range(200):
            copy = Copy(volume.id, "node1", Snapshot(number, f"i{number}"), AT)
            ownership.publish([(volume, copy)])
        eventually(
            lambda: told[-1].copies_of(volume)["node1"].snapshot.number,  # type: ignore[union-attr]
            is_=199,
            within=10,
        )
        numbers = [
            state.copies_of(volume)["node1"].snapshot.number
            for state in told
            if isinstance(state, ClusterState) and state.copies_of(volume)
        ]
    assert numbers == sorted(numbers)


def test_members_that_decide_are_counted(session_etcd: Etcd, members: list[Etcd]) -> None:
    assert view(session_etcd).voters() == 1
    assert view(*members).voters() == 3
    assert view(members[0]).voters() == 3, "not the endpoints count"
