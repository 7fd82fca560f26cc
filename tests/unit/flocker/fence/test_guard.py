"""No volume with failover=auto is used that this node's fence would not stop."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from flocker.base.errors import Refused
from flocker.base.records import Event, Volume, now
from flocker.consensus.mirror import Mirror
from flocker.fence import guard
from flocker.fence.guard import VOLUMES_AT_MOST, Guard
from flocker.fence.lease_file import AutoVolume, Heartbeat, LeaseFile, boottime
from tests.twins.memory_ownership import MemoryOwnership
from tests.unit.flocker.borders import Etcd
from tests.unit.flocker.heartbeats import beating

AT = "2026-01-01T00:00:00.000+00:00"
DEMO = Volume("demo", "id", "node1", 1, AT, failover="auto")


class Node:
    """One node's guard, and what it asks.

    Attributes:
        used: ids of the volumes of which a use is counted.
        mounted: ids of those that the kernel shows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = LeaseFile(folder / "run")
        self.shared = MemoryOwnership()
        self.etcd = Etcd(self.shared)
        self.used: set[str] = set()
        self.mounted: set[str] = set()
        self.guard = self.restart()

    def restart(self) -> Guard:
        """A daemon's guard, after the one before it has ended."""
        self.guard = Guard(
            "node1",
            self.files,
            Mirror(self.etcd, self.folder / "catalog.json"),  # type: ignore[arg-type]
            lambda: self.used,
            self._mounted,
            live=lambda volume_id: f"/pool/{volume_id}/live",
        )
        return self.guard

    def use(self, volume: Volume, within: float = 5) -> None:
        """Mount a volume."""
        with self.guard.covering(volume, within):
            assert volume.name in self.listed()
            self.used.add(volume.id)

    def create(self, volume: Volume) -> None:
        event = Event(volume.id, volume.name, now(), volume.owner, "created")
        self.shared.create(volume, event)

    def listed(self) -> list[str]:
        """Names of the volumes that the fence finds on its list."""
        return sorted(volume.name for volume in self.files.read_auto().volumes)

    def _mounted(self, volume_ids: Collection[str]) -> set[str]:
        return self.mounted & set(volume_ids)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def fence(node: Node) -> Iterator[None]:
    """A fence that looks again and again."""
    with beating(node.files, every_seconds=0.01):
        yield


@pytest.fixture
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "WAIT_SECONDS", 0.2)


@pytest.mark.usefixtures("fence")
def test_a_volume_is_listed_by_the_record_it_is_mounted_with(node: Node) -> None:
    """The mirror knows nothing yet, as after a start."""
    node.etcd.is_away = True
    node.use(DEMO)
    assert node.files.read_auto().volumes == (AutoVolume("demo", "id", "/pool/id/live"),)
    node.guard.refresh()
    assert node.listed() == ["demo"]


@pytest.mark.usefixtures("fence")
def test_what_a_former_daemon_had_in_use_stays_listed(node: Node) -> None:
    node.use(DEMO)
    node.etcd.is_away = True
    node.restart().refresh()
    assert node.listed() == ["demo"]


@pytest.mark.usefixtures("fence")
def test_a_volume_leaves_the_list_when_nothing_uses_it_and_others_own_it(node: Node) -> None:
    node.use(DEMO)
    node.guard.refresh()
    assert node.listed() == ["demo"]
    node.used.clear()
    node.mounted = {"id"}
    node.guard.refresh()
    assert node.listed() == ["demo"]
    node.mounted.clear()
    node.etcd.is_away = True
    node.guard.refresh()
    assert node.listed() == ["demo"], "nobody says that it is owned elsewhere"
    node.etcd.is_away = False
    node.guard.refresh()
    assert node.listed() == []


@pytest.mark.usefixtures("fence")
def test_auto_volumes_of_this_node_are_listed_before_they_are_used(node: Node) -> None:
    node.create(DEMO)
    node.create(Volume("elsewhere", "id2", "node2", 1, AT, failover="auto"))
    node.create(Volume("plain", "id3", "node1", 1, AT))
    node.guard.refresh()
    assert node.listed() == ["demo"]
    version = node.files.read_auto().version
    node.use(DEMO)
    assert node.files.read_auto().version == version


@pytest.mark.usefixtures("fence")
def test_a_volume_that_is_being_mounted_stays_listed(node: Node) -> None:
    with node.guard.covering(DEMO, 5):
        node.guard.refresh()
        assert node.listed() == ["demo"]
    node.guard.refresh()
    assert node.listed() == []


@pytest.mark.usefixtures("_in_a_hurry")
def test_without_a_fence_nothing_is_mounted(node: Node) -> None:
    with pytest.raises(
        Refused,
        match=r"volume 'demo' \(failover=auto\) is not mounted: flocker-fence on node1, which has "
        "to stop its containers in time, has not run since the node started; "
        "`systemctl status flocker-fence` on node1 tells more",
    ):
        node.use(DEMO)
    assert node.used == set()


@pytest.mark.usefixtures("_in_a_hurry")
def test_a_fence_that_hangs_is_no_fence(node: Node) -> None:
    node.files.write_heartbeat(Heartbeat(boottime() - 40, 1 << 62))
    with pytest.raises(Refused, match="has not looked for 40 s"):
        node.use(DEMO)
    assert node.guard.problems() == [
        "flocker-fence has not looked for 40 s, so no volume with failover=auto is mounted here; "
        "`systemctl status flocker-fence` on node1 tells more"
    ]


@pytest.mark.usefixtures("_in_a_hurry")
def test_a_fence_that_has_not_read_the_list_does_not_know_the_volume(node: Node) -> None:
    node.files.write_heartbeat(Heartbeat(boottime(), 0))
    with pytest.raises(Refused, match="has not read that the volume is about to be used"):
        node.use(DEMO)
    assert node.guard.problems() == []


def test_a_mount_waits_for_the_fence_no_longer_than_it_may(node: Node) -> None:
    with pytest.raises(Refused, match="flocker-fence"):
        node.use(DEMO, within=0)


@pytest.mark.usefixtures("_in_a_hurry")
@pytest.mark.parametrize("content", ["", "{", "[1]", "3", '{"a": 1}'])
def test_files_that_cannot_be_read_say_nothing(node: Node, content: str) -> None:
    for name in ("fence.json", "auto.json"):
        (node.folder / "run" / name).write_text(content)
    node.restart()
    with pytest.raises(Refused, match="has not run"):
        node.use(DEMO)
    assert node.listed() == ["demo"]


@pytest.mark.usefixtures("fence")
def test_no_more_volumes_are_used_than_the_fence_can_stop(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "POLL_SECONDS", 0.001)
    for number in range(VOLUMES_AT_MOST):
        node.use(Volume(f"v{number}", f"id{number}", "node1", 1, AT, failover="auto"))
    with pytest.raises(
        Refused,
        match=r"volume 'demo' \(failover=auto\) is not mounted: 200 such volumes are in use on "
        "node1, and its fence is not known to stop more of them in time; start the container on "
        "another node, or stop others here",
    ):
        node.use(DEMO)
    node.use(Volume("v1", "id1", "node1", 1, AT, failover="auto"))  # once more
    node.used.discard("id1")
    node.use(DEMO)


@pytest.mark.usefixtures("fence")
def test_volumes_that_are_only_owned_take_no_room(node: Node) -> None:
    for number in range(VOLUMES_AT_MOST + 1):
        node.create(Volume(f"v{number}", f"id{number}", "node1", 1, AT, failover="auto"))
    node.guard.refresh()
    node.use(DEMO)
