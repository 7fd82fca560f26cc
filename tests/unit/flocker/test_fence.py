"""When the fence acts, and what the daemon leaves for it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flocker.engine import Engine
from flocker.errors import EngineAway
from flocker.fence import Fence
from flocker.lease_file import AutoVolume, Lease, LeaseFile

LEASE_SECONDS = 15
RENEWED = 1000.0
DEMO = AutoVolume("demo", "11111111-1111-1111-1111-111111111111", "/nowhere/demo/live")
OTHER = AutoVolume("other", "22222222-2222-2222-2222-222222222222", "/nowhere/other/live")


class RecordingEngine(Engine):
    """Has one container per volume that is mounted, which it stops."""

    def __init__(self, folder: Path, mounted: set[Path]) -> None:
        super().__init__(folder / "none.sock", folder)
        self.mounted = mounted
        self.stopped: list[str] = []
        self.is_away = False

    def stop_using(self, volume: str, within: float) -> list[str]:
        if self.is_away:
            raise EngineAway(f"the Docker engine does not answer within {within} s")
        self.stopped.append(volume)
        self.mounted.discard(Path(f"/nowhere/{volume}/live"))
        return [f"{volume}-db"]


class Node:
    """A fence and what it looks at."""

    def __init__(self, folder: Path) -> None:
        self.now = RENEWED
        self.files = LeaseFile(folder)
        self.mounted: set[Path] = set()
        self.engine = RecordingEngine(folder, self.mounted)
        self.fence = Fence(
            "node1",
            self.files,
            self.engine,
            clock=lambda: self.now,
            users=lambda path: [1] if path in self.mounted else [],
        )

    def use(self, *volumes: AutoVolume) -> None:
        """Have containers with these volumes run, and the daemon tell of them."""
        self.mounted.update(Path(volume.path) for volume in volumes)
        self.files.write_auto(volumes)

    def look(self, seconds: float) -> list[str]:
        """Look that long after the start; the volumes whose containers were stopped."""
        self.now = RENEWED + seconds
        self.engine.stopped.clear()
        self.fence.check()
        return sorted(self.engine.stopped)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_node_that_has_not_joined_has_nothing_to_fear(node: Node) -> None:
    node.use(DEMO)
    assert node.look(1000) == []


def test_containers_stop_when_two_thirds_of_the_lease_are_over(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO, OTHER)
    assert node.look(5) == []
    assert node.look(10) == []
    assert node.look(10.1) == ["demo", "other"]


def test_no_volume_is_looked_at_that_is_not_on_auto(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    assert node.look(11) == []
    node.use()
    assert node.look(12) == []


def test_containers_stop_once_per_outage(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    assert node.look(11) == ["demo"]
    assert node.look(11.5) == []
    node.use(OTHER)
    node.files.write_auto([DEMO, OTHER])
    assert node.look(12) == ["other"]
    node.files.write_renewed(RENEWED + 20, LEASE_SECONDS)
    node.use(DEMO, OTHER)
    assert node.look(21) == []
    assert node.look(31) == ["demo", "other"]


def test_a_list_that_is_out_of_date_costs_no_other_volume_its_containers(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.files.write_auto([DEMO])  # removed since; another volume is called demo now
    assert node.look(11) == []


def test_a_node_that_slept_past_its_lease_still_stops_them(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    assert node.look(5) == []
    assert node.look(3600) == ["demo"]


def test_what_was_stopped_is_told_in_one_line(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.look(10.1)
    assert caplog.messages == [
        "node1 was not heard of for 10 s: stopped container 'demo-db', which uses volume 'demo' "
        "(failover=auto): another node may take it over now"
    ]


def test_an_engine_that_is_away_is_told_of(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.is_away = True
    node.look(11)
    assert caplog.messages == [
        "killing what uses volume 'demo' without the engine: "
        "the Docker engine does not answer within 1.5 s"
    ]


@pytest.mark.parametrize("name", ["lease.json", "auto.json"])
@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"name": 1}]', "3", "null", '{"a": 1}'])
def test_a_file_that_cannot_be_read_does_not_stop_the_clock(
    node: Node, tmp_path: Path, name: str, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    assert node.look(1) == []
    (tmp_path / name).write_text(content)
    caplog.set_level(logging.ERROR)
    assert node.look(11) == ["demo"]
    assert "going by what was read before" in caplog.text


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = LeaseFile(tmp_path / "flocker")
    assert files.read() is None
    files.write_renewed(12.5, 15)
    assert files.read() == Lease(12.5, 15, ())
    files.write_auto([DEMO, OTHER])
    files.write_renewed(17.5, 15)
    assert LeaseFile(tmp_path / "flocker").read() == Lease(17.5, 15, (DEMO, OTHER))
    files.write_auto([])
    assert files.read() == Lease(17.5, 15, ())


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    files = LeaseFile(tmp_path)
    files.write_renewed(0, 15)
    done = threading.Event()

    def write() -> None:
        for number in range(500):
            files.write_renewed(number, 15)
            files.write_auto([DEMO] * (number % 50))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert files.read() is not None
    thread.join()


def test_threads_that_write_at_once_leave_whole_files(tmp_path: Path) -> None:
    files = LeaseFile(tmp_path)
    files.write_renewed(0, 15)
    failed = []

    def write() -> None:
        try:
            for _ in range(100):
                files.write_auto([DEMO, OTHER])
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert files.read() == Lease(0, 15, (DEMO, OTHER))


def test_without_its_settings_it_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flocker.fence"],
        env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("flocker-fence: FLOCKER_NODE, ")
