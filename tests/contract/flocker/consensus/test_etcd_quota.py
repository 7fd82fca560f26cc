"""An etcd that has reached its quota recovers, and is kept from reaching it; on real members."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import Copy, Event, Node, Snapshot, Volume
from flocker.consensus import etcd_quota
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.etcd_quota import EtcdQuota
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd, running

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[4]
QUOTA_BYTES = 4 << 20
# Each copy that a node tells of takes as much; real ones are smaller, and fill it in days.
COPY_BYTES = 20_000
AT = "2026-11-22T19:00:00.000+00:00"
THIS_NODE = Node("node1", "127.0.0.1", "0", 0, 1)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[list[Etcd]]:
    """Three members with a tiny quota."""
    cluster: dict[str, str] = {}
    options = ("--quota-backend-bytes", str(QUOTA_BYTES))
    members = [Etcd(tmp_path, name, cluster, options) for name in ("one", "two", "three")]
    with running(members):
        yield members


def quota_of(members: list[Etcd], own: Etcd) -> EtcdQuota:
    """The part of a daemon that cares for a member: its own endpoint is the first."""
    others = [each.endpoint for each in members if each is not own]
    return EtcdQuota([own.endpoint, *others], None, "127.0.0.1")


def leader_of(members: list[Etcd]) -> Etcd:
    return next(each for each in members if each.is_leader())


def publish_until(is_enough: Callable[[], bool], ownership: EtcdOwnership) -> None:
    """Say again and again what a node holds, as a volume does that changes every second."""
    number, volume = 0, Volume("busy", str(uuid.uuid4()), "node1", 1, AT)
    volume = ownership.create(volume, Event(volume.id, "busy", AT, "node1", "created"))
    while not is_enough():
        for _ in range(5):
            number += 1
            copy = Copy(volume.id, "node1", Snapshot(number, f"{number}" + "x" * COPY_BYTES, 1), AT)
            ownership.publish([(volume, copy)])


def fill(ownership: EtcdOwnership) -> None:
    with pytest.raises(ControlPlaneAway, match="database space exceeded"):
        publish_until(lambda: False, ownership)


def test_an_etcd_at_its_quota_recovers(small: list[Etcd]) -> None:
    leader = leader_of(small)
    ownership = EtcdOwnership([each.endpoint for each in small], LEASE_SECONDS, None)
    ownership.announce(THIS_NODE)
    fill(ownership)
    with pytest.raises(ControlPlaneAway):
        ownership.announce(THIS_NODE)
    leader.compact()  # what etcd does by itself is not enough
    with pytest.raises(ControlPlaneAway):
        ownership.announce(THIS_NODE)
    quota = quota_of(small, leader)
    quota.look()
    assert quota.size is not None
    assert not quota.size.has_alarm
    assert quota.size.quota_bytes == QUOTA_BYTES
    assert quota.size.db_bytes < QUOTA_BYTES / 4
    assert quota.problems() == []
    ownership.announce(THIS_NODE)
    for member in small:  # each of them was defragmented
        alone = EtcdQuota([member.endpoint], None, "127.0.0.1")
        alone.look()
        assert alone.size is not None
        assert alone.size.db_bytes < QUOTA_BYTES / 4


def test_room_is_made_before_the_quota_is_reached(small: list[Etcd]) -> None:
    leader = leader_of(small)
    ownership = EtcdOwnership([each.endpoint for each in small], LEASE_SECONDS, None)
    quota = quota_of(small, leader)

    def is_half_full() -> bool:
        quota.look()
        assert quota.size is not None
        return leader.db_bytes() > 0.6 * QUOTA_BYTES

    publish_until(is_half_full, ownership)
    leader.compact()  # as etcd does by itself, a few minutes later

    def is_small() -> bool:
        ownership.announce(THIS_NODE)  # as nodes do all the time; etcd frees with the next write
        quota.look()
        return leader.db_bytes() < QUOTA_BYTES / 4

    eventually(is_small, is_=True, within=10)
    ownership.announce(THIS_NODE)


def test_only_the_leaders_node_acts_at_first(
    small: list[Etcd], monkeypatch: pytest.MonkeyPatch
) -> None:
    ownership = EtcdOwnership([each.endpoint for each in small], LEASE_SECONDS, None)
    fill(ownership)
    followers = [quota_of(small, each) for each in small if not each.is_leader()]
    for quota in followers:
        quota.look()
        assert quota.size is not None
        assert quota.size.has_alarm
        [problem] = quota.problems()
        assert "etcd is full" in problem
    monkeypatch.setattr(etcd_quota, "TURN_SECONDS", 0.05)  # the leader's daemon is away
    eventually(lambda: [quota.look() for quota in followers] and followers[0].problems(), is_=[],
               within=30)  # fmt: skip
    ownership.announce(THIS_NODE)


def test_with_a_member_away_an_etcd_at_its_quota_recovers(small: list[Etcd]) -> None:
    ownership = EtcdOwnership([each.endpoint for each in small], LEASE_SECONDS, None)
    fill(ownership)
    away = next(each for each in small if not each.is_leader())
    away.stop()
    quota_of(small, leader_of([each for each in small if each is not away])).look()
    ownership.announce(THIS_NODE)


def test_a_node_without_a_member_only_looks_on(small: list[Etcd]) -> None:
    quota = EtcdQuota([small[0].endpoint.replace("127.0.0.1", "localhost.localdomain")], None, "x")
    quota.look()
    assert quota.size is None
    assert quota.problems() == []


def test_the_nodes_settings_are_ones_that_etcd_takes(tmp_path: Path) -> None:
    text = (ROOT / "provision" / "etcd-members.sh").read_text()
    settings = dict(re.findall(r"^ETCD_(AUTO_COMPACTION_\w+|QUOTA_\w+)=(\S+)$", text, re.MULTILINE))
    options = [f"--{name.lower().replace('_', '-')}={value}" for name, value in settings.items()]
    assert settings["AUTO_COMPACTION_RETENTION"] == "5m"
    member = Etcd(tmp_path, options=options)
    try:
        member.start()
        quota = quota_of([member], member)
        quota.look()
        assert quota.size is not None
        assert quota.size.quota_bytes == int(settings["QUOTA_BACKEND_BYTES"])
    finally:
        member.stop()
