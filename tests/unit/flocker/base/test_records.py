"""What the records say of a volume that had several owners."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from flocker.base.records import (
    CUTS_KEPT,
    ClusterState,
    Copy,
    Cut,
    Event,
    Look,
    Move,
    NamedSnapshot,
    Node,
    Record,
    Removed,
    Snapshot,
    Volume,
)
from flocker.consensus.keyspace import Tables, keyed
from flocker.pool.protocol import Aside

AT = "2026-01-01T00:00:00.000+00:00"
VOLUME = Volume("demo", "id", "node1", 1, AT)


def snapshot(number: int, epoch: int) -> Snapshot:
    return Snapshot(number, f"{number}-of-{epoch}", epoch)


def promoted(volume: Volume, number: int) -> Volume:
    return volume.promoted_on("node2", snapshot(number, volume.epoch))


def test_a_promotion_cuts_what_former_owners_wrote_and_a_move_does_not() -> None:
    later = promoted(VOLUME, 5)
    assert (later.owner, later.epoch, later.base) == ("node2", 2, snapshot(5, 1))
    assert later.cuts == (Cut(2, 5),)
    assert later.owned_by("node3", snapshot(8, 2)).cuts == later.cuts


def test_a_record_from_before_there_was_a_choice_is_of_a_volume_on_btrfs() -> None:
    older = {name: value for name, value in VOLUME.to_json().items() if name != "pool"}
    assert Volume.from_json(older) == VOLUME
    assert not VOLUME.is_shared


def test_no_owner_of_a_shared_volume_leaves_a_snapshot_behind() -> None:
    shared = replace(VOLUME, pool="shared", replicas=0).owned_by("node2", None)
    assert shared.is_shared
    assert shared.includes(snapshot(9, 1))
    assert Volume.from_json(shared.to_json()) == shared


def test_all_that_the_first_owner_took_is_part_of_the_volume() -> None:
    assert VOLUME.includes(snapshot(9, 1))


@pytest.mark.parametrize(
    ("number", "epoch", "is_part"),
    [(5, 1, True), (6, 1, False), (6, 2, True), (9, 2, True), (10, 2, False), (10, 3, True)],
)
def test_what_owners_went_on_from_is_part_of_the_volume(
    number: int, epoch: int, is_part: bool
) -> None:
    """The second went on from 5, the third has all that the second had."""
    volume = promoted(VOLUME, 5).owned_by("node3", snapshot(9, 2))
    assert volume.includes(snapshot(number, epoch)) is is_part


def test_a_snapshot_of_a_later_epoch_than_the_record_is_not_judged_by_it() -> None:
    assert promoted(VOLUME, 5).includes(snapshot(9, 4))


def test_nothing_from_before_is_part_of_a_volume_that_began_with_nothing_known() -> None:
    volume = VOLUME.owned_by("node2", None)
    assert not volume.includes(snapshot(1, 1))
    assert volume.includes(snapshot(1, 2))


def test_a_promotion_that_goes_back_further_makes_an_earlier_one_needless() -> None:
    volume = promoted(promoted(promoted(VOLUME, 3), 7), 5)
    assert volume.cuts == (Cut(2, 3), Cut(4, 5))
    assert [volume.includes(snapshot(n, 2)) for n in (5, 6)] == [True, False]
    assert [volume.includes(snapshot(n, 1)) for n in (3, 4)] == [True, False]


def test_the_newest_cuts_are_kept() -> None:
    volume = VOLUME
    for number in range(1, CUTS_KEPT + 3):
        volume = promoted(volume, number)
    assert len(volume.cuts) == CUTS_KEPT
    assert volume.cuts[-1] == Cut(volume.epoch, CUTS_KEPT + 2)
    own = [snapshot(number, number) for number in range(1, CUTS_KEPT + 3)]
    assert all(volume.includes(each) for each in own), "none of what is part of it is lost"
    assert not volume.includes(snapshot(CUTS_KEPT, 10))


def test_a_snapshot_whose_epoch_nobody_wrote_down_is_older_than_every_promotion() -> None:
    moved = VOLUME.owned_by("node2", snapshot(5, 1))
    assert moved.includes(Snapshot(9, "unknown"))
    assert promoted(moved, 7).includes(Snapshot(7, "unknown"))
    assert not promoted(moved, 7).includes(Snapshot(9, "unknown"))


def test_records_can_be_written_and_read() -> None:
    volume = promoted(promoted(VOLUME, 3), 7)
    written = volume.to_json()
    back = Volume.from_json(written)
    assert back == volume
    assert back.base is not None
    assert back.base.epoch == 2


def test_a_snapshot_that_was_asked_for_says_what_it_held_where_it_was_taken() -> None:
    here = snapshot(3, 1)
    asked_for = replace(here, held_bytes=5)
    state = ClusterState(snapshots={"id": {3: NamedSnapshot("id", asked_for, "2026-01-01")}})
    found = state.numbered(VOLUME, 3, [snapshot(2, 1), here])
    assert found == here
    assert found.held_bytes == 5
    assert state.numbered(VOLUME, 3, [replace(here, identity="another")]) is None
    assert state.numbered(VOLUME, 2, [snapshot(2, 1)]) == snapshot(2, 1)


def test_snapshots_are_told_apart_by_identity_not_by_epoch() -> None:
    assert snapshot(3, 1) == Snapshot(3, "3-of-1")


# Fields that a newer version has added

NEWER = {"invented": {"by": "a newer version"}}


@pytest.mark.parametrize(
    "record",
    [
        replace(VOLUME, base=replace(snapshot(3, 1), unknown=NEWER), cuts=(Cut(2, 3),)),
        Removed(replace(VOLUME, unknown=NEWER), AT),
        Move("id", "node1", "node2", "token"),
        Node("node1", "127.0.0.1", "1", 1, 2, 1, ("volume 'demo': stuck",)),
        Copy("id", "node2", replace(snapshot(3, 1), unknown=NEWER), AT),
        NamedSnapshot("id", snapshot(3, 1), AT, "label"),
        Event("id", "demo", AT, "node1", "made"),
        Aside("demo@node1-20260101T000000Z", "id", "demo", "removed", "2026-01-01"),
    ],
)
def test_a_record_keeps_what_it_does_not_know(record: Record) -> None:
    text = json.dumps(record.to_json() | NEWER)
    read = type(record).from_json(json.loads(text))
    assert read == replace(record, unknown=NEWER)
    assert json.dumps(read.to_json() | NEWER, sort_keys=True) == json.dumps(
        json.loads(text), sort_keys=True
    )


def test_what_is_not_known_is_kept_in_a_mirrors_file() -> None:
    volume = replace(VOLUME, unknown=NEWER, base=replace(snapshot(3, 1), unknown=NEWER))
    tables = Tables()
    for key, value in keyed(ClusterState(volumes={"demo": volume})).items():
        tables.put(key, json.dumps(value))
    [(_, written)] = keyed(tables.state()).items()
    assert written["invented"] == NEWER["invented"]
    assert written["base"]["invented"] == NEWER["invented"]


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "../x", "", "x" * 256, "a\u202eb"])
def test_a_name_that_no_volume_can_have_reaches_no_terminal(name: str) -> None:
    """Docker prints the names that it is told; any node can write a record to etcd."""
    forged = replace(VOLUME, name=name)
    tables = Tables()
    tables.put("volumes/demo", json.dumps(VOLUME.to_json()))
    tables.put(f"volumes/{name}", json.dumps(forged.to_json()))
    tables.put("removed/x", json.dumps(Removed(forged, AT).to_json()))
    assert tables.state() == ClusterState(volumes={"demo": VOLUME})


def test_text_that_cannot_be_sent_is_in_no_state() -> None:
    """Half a pair of surrogates: each answer with it, on each node, would fail."""
    tables = Tables()
    for name, problem in (("node1", "half: \udcff"), ("node2", "a pair: 😀")):
        node = Node(name, "127.0.0.1", "1", 1, 2, problems=(problem,))
        tables.put(f"nodes/{name}", json.dumps(node.to_json()))
    assert [node.problems for node in tables.state().nodes.values()] == [("a pair: 😀",)]


SNAPSHOT = snapshot(3, 1).to_json()
COPY = Copy("id", "node1", snapshot(3, 1), AT).to_json()
NAMED = NamedSnapshot("id", snapshot(3, 1), AT, "label").to_json()
NODE = Node("node1", "127.0.0.1", "1", 1, 2).to_json()
LOOK = Look("node1", AT, {"id": "", "other": AT}).to_json()
NO_TIMES = ("soon", "", "2026-01-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00+14:00", 5)


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        *(("copies/id/node1", COPY, {"taken_at": each}) for each in (*NO_TIMES, None)),
        *(("snapshots/id/1-3", NAMED, {"taken_at": each}) for each in NO_TIMES),
        *(("looks/node1", LOOK, {"at": each}) for each in NO_TIMES),
        *(("looks/node1", LOOK, {"behind": {"id": each}}) for each in NO_TIMES if each != ""),
        *(("seen/node1", {"at": AT}, {"at": each}) for each in NO_TIMES),
        *(("retired/node1", {"at": AT}, {"at": each}) for each in NO_TIMES),
        *(("volumes/demo", VOLUME.to_json(), {"created_at": each}) for each in NO_TIMES),
        ("copies/id/node1", COPY, {"node": ["node1"]}),
        ("copies/id/node1", COPY, {"snapshot": SNAPSHOT | {"number": "3"}}),
        ("copies/id/node1", COPY, {"snapshot": SNAPSHOT | {"epoch": "1"}}),
        ("snapshots/id/1-3", NAMED, {"snapshot": SNAPSHOT | {"held_bytes": "many"}}),
        ("snapshots/id/1-3", NAMED, {"label": 5}),
        ("looks/node1", LOOK, {"behind": ["id"]}),
        ("nodes/node1", NODE, {"pool_used_bytes": "1"}),
        ("nodes/node1", NODE, {"pool_total_bytes": 1 << 1100}),
        ("nodes/node1", NODE, {"problems": [5]}),
        ("nodes/node1", NODE, {"stuck": {"id": None}}),
        ("volumes/demo", VOLUME.to_json(), {"owner": ["node1"]}),
        ("volumes/demo", VOLUME.to_json(), {"size_bytes": "1GiB"}),
        ("volumes/demo", VOLUME.to_json(), {"cuts": [{"epoch": 2, "number": "3"}]}),
        ("moves/id", Move("id", "node1", "node2", "token").to_json(), {"bytes_done": "1"}),
        ("mounts/id", {"node": "node1"}, {"node": ["node1"]}),
        ("refused/1", {"node": "node1"}, {"node": None}),
    ],
)
def test_a_record_that_nobody_could_compare_or_list_is_passed_over(
    key: str, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """Any node can write it, and each status, list and metric with it would fail on all of them."""
    tables = Tables()
    tables.put(key, json.dumps(right))
    before = tables.state()
    assert before != ClusterState()
    tables.put(key, json.dumps(right | wrong))
    assert tables.state() == before


def test_a_state_stays_as_it_is_and_shares_what_does_not_change() -> None:
    tables = Tables()
    copy = Copy(VOLUME.id, "node1", snapshot(3, 1), AT)
    state = ClusterState(volumes={"demo": VOLUME}, copies={VOLUME.id: {"node1": copy}})
    for key, value in keyed(state).items():
        tables.put(key, json.dumps(value))
    first = tables.state()
    tables.put("seen/node1", json.dumps({"at": AT}))
    second = tables.state()
    assert (first.volumes, first.copies, first.seen) == (state.volumes, state.copies, {})
    assert second.volumes is first.volumes and second.copies is first.copies
    again = Tables()
    again.put("volumes/demo", json.dumps(VOLUME.to_json()))
    assert again.state().volumes["demo"] is first.volumes["demo"]  # the text was read before
    for key in keyed(state):
        tables.delete(key)
    assert (tables.state().volumes, tables.state().copies) == ({}, {})
    assert (second.volumes, second.copies) == (state.volumes, state.copies)
