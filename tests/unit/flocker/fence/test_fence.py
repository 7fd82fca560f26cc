"""When the fence acts, and what the daemon leaves for it."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import EngineAway
from flocker.engine.client import Engine, Stopped
from flocker.fence.fence import KERNEL_SECONDS, Fence, Fencing
from flocker.fence.lease_file import NO_LIST, AutoList, AutoVolume, Heartbeat, Lease, LeaseFile

LEASE_SECONDS = 15
RENEWED = 1000.0
PROCESS = 1 << 30  # the first one; no kernel gives out such a number
DEMO = AutoVolume("demo", "11111111-1111-1111-1111-111111111111", "/nowhere/demo/live")
OTHER = AutoVolume("other", "22222222-2222-2222-2222-222222222222", "/nowhere/other/live")


class RecordingEngine(Engine):
    """Has one container per volume that is mounted, which it stops; or hangs until it is let go."""

    def __init__(self, folder: Path, mounted: dict[Path, list[int]]) -> None:
        super().__init__(folder / "none.sock", folder)
        self.mounted = mounted
        self.stopped: list[str] = []
        self.asked = 0
        self.is_away = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def stop_using(self, volumes: Collection[str], within: float) -> Iterator[Stopped]:
        self.asked += 1
        self.may_answer.wait()
        if self.is_away:
            raise EngineAway(f"the Docker engine does not answer within {within} s")
        for volume in volumes:
            self.mounted.pop(Path(f"/nowhere/{volume}/live"), None)
            self.stopped.append(volume)
            yield Stopped(f"{volume}-db", frozenset([volume]))


class Node:
    """A fence and what it looks at.

    Attributes:
        mounted: the processes that have paths mounted.
        looks: the times of the looks at them; each takes `look_seconds`.
        killed: when which process was killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = RENEWED
        self.files = LeaseFile(folder)
        self.mounted: dict[Path, list[int]] = {}
        self.immortal: set[int] = set()
        self.looks: list[float] = []
        self.look_seconds = 0.0
        self.killed: dict[int, float] = {}
        self.fed = 0
        self.engine = RecordingEngine(folder, self.mounted)
        self.fence = Fence(
            "node1",
            self.files,
            self.engine,
            clock=lambda: self.now,
            look=self._look_at,
            kill=self._kill,
            feed=self._feed,
        )

    def use(self, *volumes: AutoVolume) -> None:
        """Have containers with these volumes run, and the daemon tell of them."""
        for number, volume in enumerate(volumes, PROCESS):
            self.mounted[Path(volume.path)] = [number]
        self.files.write_auto(volumes)

    def look(self, seconds: float) -> list[str]:
        """Look that long after the start; the volumes whose containers the engine stopped."""
        self.now = RENEWED + seconds
        self.engine.stopped.clear()
        self.fence.check()
        return sorted(self.engine.stopped)

    def break_files(self) -> None:
        """Have something else than the daemon write them."""
        (self.folder / "auto.json").write_text("{")

    def _look_at(self, paths: Collection[Path]) -> dict[Path, list[int]]:
        self.looks.append(self.now)
        self.now += self.look_seconds
        return {path: list(self.mounted[path]) for path in paths if self.mounted.get(path)}

    def _feed(self) -> None:
        self.fed += 1

    def _kill(self, process: int, number: int) -> None:
        assert number == signal.SIGKILL
        if process not in self.immortal:
            self.killed[process] = self.now
            for processes in self.mounted.values():
                if process in processes:
                    processes.remove(process)


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


def test_a_node_that_slept_past_its_lease_kills_them_at_once(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.may_answer.clear()
    node.look(5)
    assert node.killed == {}
    node.look(3600)
    node.engine.may_answer.set()
    assert node.killed == {PROCESS: RENEWED + 3600}


def test_hundreds_of_volumes_take_one_question_and_a_look_for_each_round(node: Node) -> None:
    volumes = [AutoVolume(f"v{n}", f"id{n}", f"/nowhere/v{n}/live") for n in range(200)]
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(*volumes)
    node.engine.is_away = True
    node.look(10.5)
    assert node.engine.asked == 1
    assert len(node.killed) == 200
    assert len(node.looks) == 3  # what is in use, what is left for the kernel, that nothing is


def test_a_hung_engine_is_waited_for_until_the_kernels_time_begins(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, seconds=0.0: waits.append(seconds))
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.may_answer.clear()
    node.look_seconds = 0.25
    node.look(10.5)
    assert LEASE_SECONDS - KERNEL_SECONDS - 10.75 in waits


def test_what_does_not_end_is_killed_until_the_lease_ends(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.is_away = True
    node.immortal = {PROCESS}
    node.look_seconds = 0.5
    node.look(10.5)
    assert RENEWED + LEASE_SECONDS < node.now < RENEWED + LEASE_SECONDS + 1
    assert node.fence.last is not None
    assert node.fence.last.ended_at is None


def test_the_fence_tells_when_all_was_stopped(node: Node) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO, OTHER)
    node.engine.is_away = True
    node.look_seconds = 0.25
    node.look(10.5)
    ends = RENEWED + LEASE_SECONDS
    assert node.fence.last == Fencing(RENEWED + 10.75, RENEWED + 11.25, ends, volumes=2)


def test_nothing_is_told_before_all_is_stopped(node: Node) -> None:
    """Whoever takes the log may hang."""
    told_at: list[set[int]] = []

    class Handler(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            told_at.append(set(node.killed))

    handler = Handler()
    logging.getLogger("flocker").addHandler(handler)
    try:
        node.files.write_renewed(RENEWED, LEASE_SECONDS)
        node.use(DEMO, OTHER)
        node.look(1)
        node.engine.is_away = True
        node.break_files()
        node.look(11)
    finally:
        logging.getLogger("flocker").removeHandler(handler)
    assert len(told_at) > 2
    assert all(told == {PROCESS, PROCESS + 1} for told in told_at)


def test_what_was_stopped_is_told(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.look(10.1)
    assert caplog.messages == [
        "node1 was not heard of for 10 s: nothing uses volumes with failover=auto any more "
        "(1 before), 4.9 s before the lease ends",
        "node1 was not heard of for 10 s: stopped container 'demo-db', which uses volume 'demo' "
        "(failover=auto): another node may take it over now",
    ]


def test_an_engine_that_is_away_is_told_of_once(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.is_away = True
    node.look(11)
    node.look(11.5)
    assert [text for text in caplog.messages if "without the engine" in text] == [
        "what uses volumes was killed without the engine: "
        "the Docker engine does not answer within 10.0 s"
    ]


def test_what_a_late_engine_stopped_is_told_later(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    node.engine.may_answer.clear()
    node.look(LEASE_SECONDS)
    assert "container" not in caplog.text
    node.engine.may_answer.set()

    def is_told() -> bool:
        node.look(LEASE_SECONDS)
        return "stopped container 'demo-db'" in caplog.text

    eventually(is_told, is_=True, within=10)


def test_a_look_does_not_wait_for_who_takes_the_log() -> None:
    """As a journal that hangs."""
    script = (
        "import logging, os, sys, threading; from flocker.fence.fence import log_in_background;"
        "listener = log_in_background();"
        "[logging.getLogger('x').warning('y' * 10000) for _ in range(100)];"
        "os.write(1, b'not held up'); os._exit(0)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"not held up"  # nobody reads its log


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
    assert "read before" in caplog.text


def test_each_look_is_told_with_the_list_it_knows(node: Node) -> None:
    """Also before the node has joined: whoever mounts a volume waits for it."""
    node.look(1)
    assert node.files.read_heartbeat() == Heartbeat(RENEWED + 1, 0)
    version = node.files.write_auto([DEMO])
    node.look(2)
    assert node.files.read_heartbeat() == Heartbeat(RENEWED + 2, version)
    (node.folder / "auto.json").write_text("{")
    node.look(3)
    assert node.files.read_heartbeat() == Heartbeat(RENEWED + 3, version)


def test_who_watches_the_fence_is_told_of_each_look_at_the_mounts_too(node: Node) -> None:
    """Killing may take seconds."""
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.look(1)
    assert node.fed == 1
    node.use(DEMO)
    node.engine.is_away = True
    node.look(11)
    assert node.fed == 2 + len(node.looks)


def test_a_look_that_cannot_be_told_goes_on(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.files.write_renewed(RENEWED, LEASE_SECONDS)
    node.use(DEMO)
    (node.folder / "fence.new").mkdir()
    assert node.look(11) == ["demo"]
    assert "the daemon cannot be told of this look" in caplog.text


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = LeaseFile(tmp_path / "flocker")
    assert files.read_lease() is None
    assert files.read_auto() == NO_LIST
    assert files.read_heartbeat() is None
    files.write_renewed(12.5, 15)
    version = files.write_auto([DEMO, OTHER])
    files.write_heartbeat(Heartbeat(12.5, version))
    after = LeaseFile(tmp_path / "flocker")
    assert after.read_lease() == Lease(12.5, 15)
    assert after.read_auto() == AutoList(version, (DEMO, OTHER))
    assert after.read_heartbeat() == Heartbeat(12.5, version)
    assert after.write_auto([]) > version
    assert files.read_auto().volumes == ()


def test_what_a_newer_version_has_added_is_passed_over(tmp_path: Path) -> None:
    """During an upgrade the fence may still be the old one, or already the new one."""
    files = LeaseFile(tmp_path)
    added = {"added": [1]}
    demo = {"name": DEMO.name, "id": DEMO.id, "path": DEMO.path}
    for name, content in {
        "lease": {"renewed_at": 12.5, "lease_seconds": 15, **added},
        "auto": {"version": 3, "volumes": [{**demo, **added}], **added},
        "fence": {"looked_at": 12.5, "version": 3, **added},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert files.read_lease() == Lease(12.5, 15)
    assert files.read_auto() == AutoList(3, (DEMO,))
    assert files.read_heartbeat() == Heartbeat(12.5, 3)


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
        assert files.read_lease() is not None
        files.read_auto()
    thread.join()


def test_threads_that_write_at_once_leave_whole_files(tmp_path: Path) -> None:
    files = LeaseFile(tmp_path)
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
    assert files.read_auto().volumes == (DEMO, OTHER)


def test_without_its_settings_it_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flocker.fence"],
        env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("flocker-fence: FLOCKER_NODE, ")
