"""The mirror of a real etcd: what it says while etcd goes and comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import ControlPlaneAway
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.mirror import Mirror
from tests.contract.flocker.consensus.test_ownership import event, made
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd

pytestmark = pytest.mark.contract


def view(etcd: Etcd) -> EtcdOwnership:
    return EtcdOwnership([etcd.endpoint], LEASE_SECONDS, None)


@contextmanager
def mirrored(etcd: Etcd, file: Path) -> Iterator[Mirror]:
    mirror = Mirror(view(etcd), file)
    stopping = threading.Event()
    threads = mirror.start(stopping)
    try:
        yield mirror
    finally:
        stopping.set()
        for thread in threads:
            thread.join(10)


def test_what_was_known_is_said_while_etcd_is_away(etcd: Etcd, tmp_path: Path) -> None:
    ownership, file = view(etcd), tmp_path / "catalog.json"
    volume = made(ownership)
    with mirrored(etcd, file) as mirror:
        eventually(mirror.volumes, is_=[volume], within=5)
        assert mirror.is_connected

        etcd.stop()
        eventually(lambda: mirror.is_connected, is_=False, within=5)
        assert mirror.volume(volume.name) == volume
        with pytest.raises(ControlPlaneAway):
            mirror.volume("never-heard-of")  # unknown is not "not found"

    with mirrored(etcd, file) as mirror:  # the daemon was restarted meanwhile
        assert mirror.volumes() == [volume]
        assert not mirror.is_connected

        etcd.start()
        ownership.remove(volume, event(volume, "removed"))
        eventually(mirror.volumes, is_=[], within=5)
        assert mirror.is_connected
        assert mirror.volume(volume.name) is None


def test_what_this_node_has_written_is_seen_by_it_at_once(etcd: Etcd, tmp_path: Path) -> None:
    ownership = view(etcd)
    with mirrored(etcd, tmp_path / "catalog.json") as mirror:
        for _ in range(20):
            volume = made(ownership)
            mirror.settle(lambda state, name=volume.name: name in state.volumes)  # type: ignore[misc]
            assert mirror.volumes().count(volume) == 1
