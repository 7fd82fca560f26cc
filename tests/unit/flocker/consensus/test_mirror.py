"""What a node knows of the cluster, and what it says when it cannot know."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import (
    ClusterState,
    Copy,
    Event,
    NamedSnapshot,
    Node,
    Removed,
    Snapshot,
    Volume,
)
from flocker.consensus.mirror import Mirror
from tests.twins.memory_ownership import MemoryOwnership
from tests.twins.moves import start_move

AT = "2026-01-01T00:00:00.000+00:00"
BASE = Snapshot(7, "identity-7")


class Table(MemoryOwnership):
    """An Ownership that can be away, or fail in a way nobody has thought of."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None

    def state(self) -> ClusterState:
        self._check()
        return super().state()

    def volume(self, name: str) -> Volume | None:
        self._check()
        return super().volume(name)

    def follow(self, stopping: threading.Event) -> Iterator[ClusterState]:
        for state in super().follow(stopping):
            self._check()
            yield state

    def add(self, name: str) -> Volume:
        volume = Volume(name, f"id-of-{name}", "node1", 1, AT)
        return self.create(volume, Event(volume.id, name, AT, "node1", "created"))

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.json"


@pytest.fixture
def following(table: Table, file: Path) -> Iterator[Mirror]:
    """A mirror that follows in the background."""
    mirror = Mirror(table, file)
    stopping = threading.Event()
    threads = mirror.start(stopping)
    yield mirror
    stopping.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def away() -> ControlPlaneAway:
    return ControlPlaneAway("etcd does not answer (a test)")


def test_one_that_does_not_follow_asks_each_time(table: Table, file: Path) -> None:
    mirror = Mirror(table, file)
    assert mirror.volumes() == []
    table.add("b")
    table.add("a")
    assert [volume.name for volume in mirror.volumes()] == ["a", "b"]
    assert mirror.volume("a") == table.volume("a")
    assert mirror.volume("c") is None
    assert mirror.is_connected


def test_a_volume_is_called_what_it_was_last_heard_to_be(table: Table, file: Path) -> None:
    there, gone = table.add("there"), table.add("gone")
    table.remove(gone, Event(gone.id, "gone", AT, "node1", "removed"))
    assert Mirror(table, file).volumes() == [there]
    table.failure = away()  # a pool asks while it is opened, and must not wait for etcd
    mirror = Mirror(table, file)
    assert [mirror.name_of(each.id) for each in (there, gone)] == ["there", "gone"]
    assert mirror.name_of("never-heard-of") == "never-heard-of"


def test_what_was_known_is_said_while_nobody_answers(table: Table, file: Path) -> None:
    volume = table.add("demo")
    mirror = Mirror(table, file)
    assert mirror.volumes() == [volume]
    table.failure = away()
    assert mirror.volumes() == [volume]
    assert mirror.volume("demo") == volume
    assert not mirror.is_connected
    with pytest.raises(ControlPlaneAway):
        mirror.volume("never-heard-of")  # unknown is not "not found"
    assert Mirror(table, file).volume("demo") == volume, "it is written down"


def test_all_of_a_state_is_written_down_but_who_is_there(table: Table, file: Path) -> None:
    volume, moving = table.add("demo"), table.add("moving")
    event = Event(volume.id, "demo", AT, "node1", "something")
    sized = Volume("demo", volume.id, "node1", 1, AT, 5, 1, "auto", BASE, "other@3")
    table.change(volume, sized, event)
    for node in ("node1", "node2"):
        table.announce(Node(node, "127.0.0.1", "0", 0, 1))
    table.mount(sized)
    start_move(table, moving, "node2")
    table.publish([(sized, Copy(volume.id, "node2", BASE, AT))])
    table.keep_snapshots([(sized, NamedSnapshot(volume.id, BASE, AT, "a label"), event)])
    gone = table.add("gone")
    table.remove(gone, event)
    Mirror(table, file).refresh()
    written = table.state()
    table.failure = away()
    assert Mirror(table, file).state == written
    assert written.removed == {gone.id: Removed(gone, AT)}


@pytest.mark.parametrize("broken", ["", "not JSON", "[]", '[{"name": "demo"}]', '{"volumes/x": 1}'])
def test_a_file_that_cannot_be_read_is_begun_anew(table: Table, file: Path, broken: str) -> None:
    file.write_text(broken)
    table.failure = away()
    mirror = Mirror(table, file)
    assert mirror.volumes() == []
    with pytest.raises(ControlPlaneAway):
        mirror.volume("demo")
    table.failure = None
    volume = table.add("demo")
    assert mirror.volumes() == [volume]
    assert "volumes/demo" in json.loads(file.read_text())


def test_a_file_that_cannot_be_written_spoils_no_answer(
    table: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = Mirror(table, tmp_path / "no such folder" / "catalog.json")
    volume = table.add("demo")
    assert mirror.volumes() == [volume]
    assert "was not written down" in caplog.text


def test_that_a_node_is_still_there_is_not_written_down(table: Table, file: Path) -> None:
    table.add("demo")
    mirror = Mirror(table, file)
    mirror.refresh()
    before = file.stat().st_mtime_ns, file.stat().st_ino
    table.announce(Node("node1", "127.0.0.1", "0", 0, 1))
    mirror.refresh()
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    assert "node1" in mirror.state.nodes


def test_one_that_follows_is_told_of_changes(table: Table, following: Mirror) -> None:
    before = following.changes(None, within=5)
    volume = table.add("demo")
    after = following.changes(before, within=5)
    assert after.volumes == {"demo": volume}
    assert before.volumes == {}, "a ClusterState that was handed out does not change"
    assert following.is_connected


def test_waiting_for_changes_ends_in_time(table: Table, following: Mirror) -> None:
    table.add("demo")
    eventually(lambda: "demo" in following.state.volumes, is_=True, within=5)
    state = following.state
    began = time.monotonic()
    assert following.changes(state, within=0.3) is state
    assert 0.2 < time.monotonic() - began < 2


def test_one_that_follows_writes_down_at_most_once_a_second_and_at_the_end(
    table: Table, file: Path
) -> None:
    mirror = Mirror(table, file)
    stopping = threading.Event()
    threads = mirror.start(stopping)
    table.add("first")
    eventually(lambda: file.exists() and "first" in file.read_text(), is_=True, within=5)
    versions = set()
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        table.add(f"volume-{len(table.state().volumes)}")
        versions.add(file.stat().st_ino)
    assert len(versions) <= 3
    last = table.add("last")
    eventually(lambda: "last" in mirror.state.volumes, is_=True, within=5)
    stopping.set()
    for thread in threads:
        thread.join(10)
    table.failure = away()
    assert Mirror(table, file).volume("last") == last


def test_one_that_follows_writes_copies_down_less_often_and_at_the_end(
    table: Table, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flocker.consensus.mirror.WRITE_SECONDS", 0.01)
    mirror = Mirror(table, file)
    stopping = threading.Event()
    volume = table.add("demo")
    threads = mirror.start(stopping)
    eventually(lambda: file.exists() and "demo" in file.read_text(), is_=True, within=5)
    versions = set()
    for number in range(10):
        copy = Copy(volume.id, "node1", Snapshot(number, f"identity-{number}"), AT)
        table.publish([(volume, copy)])
        eventually(lambda: mirror.state.copies_of(volume).get("node1"), is_=copy, within=5)
        versions.add(file.stat().st_ino)
    assert len(versions) == 1
    table.add("other")
    eventually(lambda: "other" in file.read_text(), is_=True, within=5)
    stopping.set()
    for thread in threads:
        thread.join(10)
    table.failure = away()
    assert Mirror(table, file).state.copies[volume.id]["node1"] == copy


def test_a_name_that_is_not_mirrored_yet_is_asked_for(table: Table, file: Path) -> None:
    """The mirror may be seconds old; that there is no volume is only said when that is known."""
    table.failure = away()
    mirror = Mirror(table, file)
    stopping = threading.Event()
    threads = mirror.start(stopping)
    with pytest.raises(ControlPlaneAway):
        mirror.volume("demo")
    table.failure = None
    volume = table.add("demo")
    assert mirror.volume("demo") == volume
    assert mirror.volume("never-made") is None
    stopping.set()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("failure", [away(), RuntimeError("a mistake")])
def test_following_begins_again_whatever_ended_it(
    table: Table, following: Mirror, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    eventually(lambda: following.is_connected, is_=True, within=5)
    with caplog.at_level(logging.WARNING):
        table.failure = failure
        table.add("unseen")
        eventually(lambda: following.is_connected, is_=False, within=5)
    assert str(failure) in caplog.text
    assert "unseen" not in following.state.volumes
    table.failure = None
    eventually(lambda: following.is_connected, is_=True, within=5)
    assert "unseen" in following.state.volumes


def test_that_nobody_answers_is_said_once(
    table: Table,
    following: Mirror,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flocker.consensus.mirror.RETRY_SECONDS", 0.1)
    eventually(lambda: following.is_connected, is_=True, within=5)
    table.failure = away()
    table.add("demo")
    eventually(lambda: following.is_connected, is_=False, within=5)
    assert following.changes(following.state, within=1) is following.state
    assert caplog.text.count("as they were last known") == 1


def test_what_was_written_is_waited_for(table: Table, following: Mirror) -> None:
    for number in range(20):
        table.add(f"volume-{number}")
        following.settle(lambda state, number=number: f"volume-{number}" in state.volumes)  # type: ignore[misc]
        assert f"volume-{number}" in following.state.volumes


def test_what_does_not_come_is_waited_for_in_vain(
    following: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    with caplog.at_level(logging.INFO):
        following.settle(lambda _: False)
    assert 1.5 < time.monotonic() - began < 4
    assert "not seen here yet" in caplog.text


def test_one_that_does_not_follow_never_waits_to_settle(table: Table, file: Path) -> None:
    mirror = Mirror(table, file)
    table.add("demo")
    began = time.monotonic()
    mirror.settle(lambda state: "demo" in state.volumes)
    mirror.settle(lambda _: False)
    assert time.monotonic() - began < 1
    assert mirror.changes(None, within=5).volumes.keys() == {"demo"}
