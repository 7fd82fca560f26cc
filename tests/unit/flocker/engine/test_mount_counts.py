"""Counts of uses: what engines really do in which order, each as a scenario of calls.

The orders are those of docs/decisions/0001 and of Docker's volume plugin protocol.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flocker.engine.mount_counts import MountCounts
from tests.unit.flocker.clocks import Clock

DEMO = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "mounts.json"


@pytest.fixture
def counts(file: Path) -> MountCounts:
    return MountCounts(file)


def test_a_volume_is_used_from_its_mount_to_its_last_unmount(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.add(DEMO, "b")
    counts.add(OTHER, "a")
    counts.remove(DEMO, "a")
    assert counts.volumes() == {DEMO, OTHER}
    counts.remove(DEMO, "b")
    assert not counts.any(DEMO)
    assert counts.any(OTHER)


def test_docker_create_mounts_and_unmounts_before_the_container_does(counts: MountCounts) -> None:
    counts.add(DEMO, "create")
    counts.remove(DEMO, "create")
    counts.add(DEMO, "run")
    assert counts.any(DEMO)
    counts.remove(DEMO, "run")
    assert not counts.any(DEMO)


@pytest.mark.parametrize("first_to_end", ["docker cp", "the container, which stops meanwhile"])
def test_docker_cp_uses_the_id_the_container_has(counts: MountCounts, first_to_end: str) -> None:
    counts.add(DEMO, "a")
    counts.add(DEMO, "a")
    counts.remove(DEMO, "a")
    assert counts.any(DEMO), first_to_end
    counts.remove(DEMO, "a")
    assert not counts.any(DEMO)


def test_a_failed_mount_has_no_unmount_and_is_taken_back(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.remove(DEMO, "a")
    assert not counts.any(DEMO)


@pytest.mark.parametrize("mount_id", ["a", "unknown"])
def test_an_unmount_too_many_changes_nothing(counts: MountCounts, mount_id: str) -> None:
    counts.add(DEMO, "a")
    counts.add(DEMO, "b")
    counts.remove(DEMO, "a")
    counts.remove(DEMO, mount_id)
    assert counts.any(DEMO)


def test_an_unmount_of_a_volume_nothing_uses(counts: MountCounts, file: Path) -> None:
    counts.remove(DEMO, "a")
    assert not counts.any(DEMO)
    assert not file.exists()


def test_a_daemon_is_killed_or_upgraded_while_containers_run(
    counts: MountCounts, file: Path
) -> None:
    counts.add(DEMO, "a")
    after = MountCounts(file)
    assert after.any(DEMO)
    assert after.former() == set()
    after.remove(DEMO, "a")
    assert not after.any(DEMO)
    assert not MountCounts(file).any(DEMO)


def test_a_daemon_dies_in_a_mount_that_the_engine_has_the_answer_of(
    counts: MountCounts, file: Path
) -> None:
    counts.add(DEMO, "a")  # and its container is being started
    after = MountCounts(file)
    after.reconcile(DEMO, is_mounted=False)
    assert after.any(DEMO)
    after.reconcile(DEMO, is_mounted=True)
    after.remove(DEMO, "a")  # the container has stopped
    assert not after.any(DEMO)
    assert not MountCounts(file).any(DEMO)


def test_a_daemon_dies_in_a_mount_that_the_engine_gives_up(file: Path) -> None:
    clock = Clock()
    MountCounts(file, clock).add(DEMO, "a")
    after = MountCounts(file, clock)
    clock.now += 7
    after.add(DEMO, "b")  # a repeated start has another ID
    assert after.added(DEMO) == [100, 107]
    after.remove(DEMO, "b")
    assert after.end(DEMO, added_before=100)
    assert not after.any(DEMO)
    assert not MountCounts(file).any(DEMO)


def test_an_engine_is_killed_and_its_containers_end(counts: MountCounts, file: Path) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    assert MountCounts(file).former() == counts.former() == {DEMO}
    assert counts.any(DEMO), "until the kernel has been asked"
    counts.reconcile(DEMO, is_mounted=False)
    assert not counts.any(DEMO)
    assert not MountCounts(file).any(DEMO)


def test_an_engine_that_was_killed_mounts_again_with_the_old_id(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    counts.add(DEMO, "a")
    counts.reconcile(DEMO, is_mounted=False)  # the new container is only being started
    assert counts.any(DEMO)
    counts.reconcile(DEMO, is_mounted=True)
    counts.remove(DEMO, "a")
    assert not counts.any(DEMO)


def test_an_old_id_is_mounted_again_before_the_kernel_was_asked(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    counts.add(DEMO, "a")
    counts.remove(DEMO, "a")
    assert counts.former() == {DEMO}
    counts.reconcile(DEMO, is_mounted=False)
    assert not counts.any(DEMO)


def test_live_restore_unmounts_what_was_mounted_for_the_engine_before(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    counts.reconcile(DEMO, is_mounted=True)
    assert counts.any(DEMO)
    counts.remove(DEMO, "a")
    assert not counts.any(DEMO)


def test_live_restore_through_two_engines_and_a_restart_of_the_daemon(
    counts: MountCounts, file: Path
) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    counts.add(DEMO, "a")
    counts.new_engine()
    after = MountCounts(file)
    after.reconcile(DEMO, is_mounted=True)
    after.remove(DEMO, "a")
    assert after.any(DEMO)
    after.remove(DEMO, "a")
    assert not after.any(DEMO)


def test_an_engine_dies_while_it_waits_for_a_mount(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.new_engine()
    assert counts.former() == {DEMO}
    counts.reconcile(DEMO, is_mounted=False)
    assert not counts.any(DEMO)


def test_what_is_counted_needs_no_kernel_to_stay_counted(counts: MountCounts) -> None:
    counts.add(DEMO, "a")
    counts.reconcile(DEMO, is_mounted=True)
    counts.reconcile(DEMO, is_mounted=False)  # its container is only being started
    assert counts.any(DEMO)
    assert counts.former() == set()


def test_a_use_that_only_the_kernel_knows_ends_with_it(counts: MountCounts, file: Path) -> None:
    counts.reconcile(DEMO, is_mounted=True)
    counts.reconcile(DEMO, is_mounted=True)
    assert MountCounts(file).volumes() == {DEMO}
    counts.reconcile(DEMO, is_mounted=False)
    assert counts.volumes() == set()


def test_a_reboot_empties_the_file_with_run(counts: MountCounts, file: Path) -> None:
    counts.add(DEMO, "a")
    file.unlink()
    assert MountCounts(file).volumes() == set()


@pytest.mark.parametrize(
    "content",
    ["", '{"present"', "[]", "null", '{"v": 1}', '{"v": {"a": "many"}}',
     '{"present": [], "former": {}, "added": {}}',
     '{"present": {"v": 1}, "former": {}, "added": {}}'],
)  # fmt: skip
def test_a_file_that_cannot_be_read_leaves_it_to_the_kernel(
    file: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text(content)
    counts = MountCounts(file)
    assert counts.volumes() == set()
    assert str(file) in caplog.text
    counts.reconcile(DEMO, is_mounted=True)
    assert MountCounts(file).volumes() == {DEMO}


def test_a_file_of_other_bytes_leaves_it_to_the_kernel(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert MountCounts(file).volumes() == set()


def test_a_count_that_cannot_be_kept_is_not_in_force(counts: MountCounts, file: Path) -> None:
    counts.add(DEMO, "a")
    file.with_suffix(".new").mkdir()  # as a full or broken /run would
    with pytest.raises(OSError, match=r"mounts\.new"):
        counts.add(OTHER, "b")
    with pytest.raises(OSError, match=r"mounts\.new"):
        counts.remove(DEMO, "a")
    assert counts.volumes() == {DEMO}


def test_many_threads_lose_no_count(counts: MountCounts, file: Path) -> None:
    def use(number: int) -> None:
        for _ in range(5):
            counts.add(DEMO, f"{number}")
            counts.remove(DEMO, f"{number}")
        counts.add(DEMO, f"{number}")

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = MountCounts(file)
    for number in range(8):
        assert after.any(DEMO)
        after.remove(DEMO, f"{number}")
    assert not after.any(DEMO)


def test_a_locked_volume_lets_others_wait_no_longer_than_they_want(counts: MountCounts) -> None:
    with counts.locked(DEMO):
        with pytest.raises(TimeoutError), counts.locked(DEMO, within=0):
            pass
        with counts.locked(OTHER, within=0):
            pass
    with counts.locked(DEMO, within=0):
        pass


def test_uses_have_times_that_a_restart_of_the_daemon_keeps(file: Path) -> None:
    clock = Clock()
    counts = MountCounts(file, clock)
    assert counts.added(DEMO) == []
    counts.add(DEMO, "a")
    clock.now += 7
    counts.add(DEMO, "b")
    counts.add(DEMO, "c")
    assert counts.added(DEMO) == [100, 107, 107]
    assert MountCounts(file, clock).added(DEMO) == [100, 107, 107]
    counts.remove(DEMO, "a")
    assert counts.added(DEMO) == [107, 107]
    counts.remove(DEMO, "b")
    counts.remove(DEMO, "c")
    assert counts.added(DEMO) == []


def test_old_uses_can_be_ended_and_later_ones_stay(file: Path) -> None:
    clock = Clock()
    counts = MountCounts(file, clock)
    counts.add(DEMO, "a")
    counts.add(DEMO, "a")
    counts.new_engine()
    counts.add(DEMO, "b")
    counts.add(DEMO, "c")
    clock.now += 1
    counts.add(OTHER, "b")
    counts.add(DEMO, "d")
    assert counts.end(DEMO, added_before=100)
    assert counts.added(DEMO) == [101]
    assert MountCounts(file, clock).volumes() == counts.volumes() == {DEMO, OTHER}
    assert not counts.end(DEMO, added_before=100)
    counts.remove(DEMO, "d")
    assert counts.volumes() == {OTHER}


def test_an_id_that_is_mounted_again_is_as_new_as_that(file: Path) -> None:
    clock = Clock()
    counts = MountCounts(file, clock)
    counts.add(DEMO, "a")
    clock.now += 1
    counts.add(DEMO, "a")
    assert not counts.end(DEMO, added_before=100)
