"""Counts of uses: what engines really do in which order, each as a scenario of calls.

The orders are those of docs/decisions/0001 and of Docker's volume plugin protocol.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from flocker.holders import Holders

DEMO = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "holders.json"


@pytest.fixture
def holders(file: Path) -> Holders:
    return Holders(file)


def mount(holders: Holders, mount_id: str, volume_id: str = DEMO) -> None:
    """A mount whose answer has arrived."""
    holders.add(volume_id, mount_id)
    holders.answered(volume_id, mount_id)


def test_a_volume_is_used_from_its_mount_to_its_last_unmount(holders: Holders) -> None:
    mount(holders, "a")
    mount(holders, "b")
    mount(holders, "a", OTHER)
    holders.remove(DEMO, "a")
    assert holders.volumes() == {DEMO, OTHER}
    holders.remove(DEMO, "b")
    assert not holders.any(DEMO)
    assert holders.any(OTHER)


def test_a_mount_counts_before_it_is_answered(holders: Holders) -> None:
    holders.add(DEMO, "a")
    assert holders.any(DEMO)


def test_docker_create_mounts_and_unmounts_before_the_container_does(holders: Holders) -> None:
    mount(holders, "create")
    holders.remove(DEMO, "create")
    mount(holders, "run")
    assert holders.any(DEMO)
    holders.remove(DEMO, "run")
    assert not holders.any(DEMO)


def test_docker_cp_uses_the_id_the_container_has(holders: Holders) -> None:
    mount(holders, "a")
    mount(holders, "a")
    holders.remove(DEMO, "a")
    assert holders.any(DEMO)
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


def test_docker_cp_while_the_container_stops(holders: Holders) -> None:
    mount(holders, "a")
    holders.add(DEMO, "a")
    holders.remove(DEMO, "a")
    holders.answered(DEMO, "a")
    assert holders.any(DEMO)
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


def test_a_failed_mount_has_no_unmount_and_is_taken_back(holders: Holders) -> None:
    holders.add(DEMO, "a")
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


@pytest.mark.parametrize("mount_id", ["a", "unknown"])
def test_an_unmount_too_many_changes_nothing(holders: Holders, mount_id: str) -> None:
    mount(holders, "a")
    mount(holders, "b")
    holders.remove(DEMO, "a")
    holders.remove(DEMO, mount_id)
    assert holders.any(DEMO)


def test_an_unmount_of_a_volume_nothing_uses(holders: Holders, file: Path) -> None:
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)
    assert not file.exists()


def test_an_answer_after_the_mount_was_taken_back(holders: Holders) -> None:
    holders.add(DEMO, "a")
    holders.remove(DEMO, "a")
    holders.answered(DEMO, "a")
    assert not holders.any(DEMO)


def test_a_daemon_is_killed_or_upgraded_while_containers_run(holders: Holders, file: Path) -> None:
    mount(holders, "a")
    after = Holders(file)
    assert after.any(DEMO)
    assert after.former() == set()
    after.remove(DEMO, "a")
    assert not after.any(DEMO)
    assert not Holders(file).any(DEMO)


def test_a_daemon_dies_in_a_mount_that_the_engine_asks_for_again(
    holders: Holders, file: Path
) -> None:
    holders.add(DEMO, "a")
    after = Holders(file)
    assert not after.any(DEMO)
    mount(after, "a")
    after.remove(DEMO, "a")
    assert not after.any(DEMO)


def test_a_daemon_dies_in_a_mount_that_the_engine_gives_up(holders: Holders, file: Path) -> None:
    holders.add(DEMO, "a")
    after = Holders(file)
    after.reconcile(DEMO, is_mounted=False)
    assert not after.any(DEMO)
    assert not Holders(file).any(DEMO)


def test_a_daemon_dies_between_the_answer_and_its_note(holders: Holders, file: Path) -> None:
    holders.add(DEMO, "a")  # the engine has the answer, and the container runs
    after = Holders(file)
    after.reconcile(DEMO, is_mounted=True)
    assert after.any(DEMO)
    assert after.former() == {DEMO}
    after.remove(DEMO, "a")  # the container has stopped
    after.reconcile(DEMO, is_mounted=False)
    assert not after.any(DEMO)


def test_an_engine_is_killed_and_its_containers_end(holders: Holders, file: Path) -> None:
    mount(holders, "a")
    holders.new_engine()
    assert Holders(file).former() == holders.former() == {DEMO}
    assert holders.any(DEMO), "until the kernel has been asked"
    holders.reconcile(DEMO, is_mounted=False)
    assert not holders.any(DEMO)
    assert not Holders(file).any(DEMO)


def test_an_engine_that_was_killed_mounts_again_with_the_old_id(holders: Holders) -> None:
    mount(holders, "a")
    holders.new_engine()
    mount(holders, "a")
    holders.reconcile(DEMO, is_mounted=False)  # the new container is only being started
    assert holders.any(DEMO)
    holders.reconcile(DEMO, is_mounted=True)
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


def test_an_old_id_is_mounted_again_before_the_kernel_was_asked(holders: Holders) -> None:
    mount(holders, "a")
    holders.new_engine()
    mount(holders, "a")
    holders.remove(DEMO, "a")
    assert holders.former() == {DEMO}
    holders.reconcile(DEMO, is_mounted=False)
    assert not holders.any(DEMO)


def test_live_restore_unmounts_what_was_mounted_for_the_engine_before(holders: Holders) -> None:
    mount(holders, "a")
    holders.new_engine()
    holders.reconcile(DEMO, is_mounted=True)
    assert holders.any(DEMO)
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


def test_live_restore_through_two_engines_and_a_restart_of_the_daemon(
    holders: Holders, file: Path
) -> None:
    mount(holders, "a")
    holders.new_engine()
    mount(holders, "a")
    holders.new_engine()
    after = Holders(file)
    after.reconcile(DEMO, is_mounted=True)
    after.remove(DEMO, "a")
    assert after.any(DEMO)
    after.remove(DEMO, "a")
    assert not after.any(DEMO)


def test_an_engine_dies_while_it_waits_for_a_mount(holders: Holders) -> None:
    holders.add(DEMO, "a")
    holders.new_engine()
    holders.answered(DEMO, "a")  # to nobody
    assert holders.former() == {DEMO}
    holders.reconcile(DEMO, is_mounted=False)
    assert not holders.any(DEMO)


def test_what_is_counted_needs_no_kernel_to_stay_counted(holders: Holders) -> None:
    mount(holders, "a")
    holders.reconcile(DEMO, is_mounted=True)
    holders.reconcile(DEMO, is_mounted=False)  # its container is only being started
    assert holders.any(DEMO)
    assert holders.former() == set()


def test_a_use_that_only_the_kernel_knows_ends_with_it(holders: Holders, file: Path) -> None:
    holders.reconcile(DEMO, is_mounted=True)
    holders.reconcile(DEMO, is_mounted=True)
    assert Holders(file).volumes() == {DEMO}
    holders.reconcile(DEMO, is_mounted=False)
    assert holders.volumes() == set()


def test_a_reboot_empties_the_file_with_run(holders: Holders, file: Path) -> None:
    mount(holders, "a")
    file.unlink()
    assert Holders(file).volumes() == set()


def test_the_file_of_version_0_1_is_the_former_engines(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({DEMO: {"a": 2}}))
    holders = Holders(file)
    assert holders.former() == {DEMO}
    holders.remove(DEMO, "a")
    assert holders.any(DEMO)
    holders.remove(DEMO, "a")
    assert not holders.any(DEMO)


@pytest.mark.parametrize(
    "content",
    ["", '{"asked"', "[]", "null", '{"v": 1}', '{"v": {"a": "many"}}',
     '{"asked": {}, "answered": [], "former": {}}',
     '{"asked": {}, "answered": {"v": 1}, "former": {}}'],
)  # fmt: skip
def test_a_file_that_cannot_be_read_leaves_it_to_the_kernel(
    file: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text(content)
    holders = Holders(file)
    assert holders.volumes() == set()
    assert str(file) in caplog.text
    holders.reconcile(DEMO, is_mounted=True)
    assert Holders(file).volumes() == {DEMO}


def test_a_file_of_other_bytes_leaves_it_to_the_kernel(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert Holders(file).volumes() == set()


def test_a_count_that_cannot_be_kept_is_not_in_force(holders: Holders, file: Path) -> None:
    mount(holders, "a")
    file.with_suffix(".new").mkdir()  # as a full or broken /run would
    with pytest.raises(OSError, match=r"holders\.new"):
        holders.add(OTHER, "b")
    with pytest.raises(OSError, match=r"holders\.new"):
        holders.remove(DEMO, "a")
    assert holders.volumes() == {DEMO}


def test_many_threads_lose_no_count(holders: Holders, file: Path) -> None:
    def use(number: int) -> None:
        for _ in range(5):
            mount(holders, f"{number}")
            holders.remove(DEMO, f"{number}")
        mount(holders, f"{number}")

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = Holders(file)
    for number in range(8):
        assert after.any(DEMO)
        after.remove(DEMO, f"{number}")
    assert not after.any(DEMO)


def test_a_locked_volume_lets_others_wait_no_longer_than_they_want(holders: Holders) -> None:
    with holders.locked(DEMO):
        with pytest.raises(TimeoutError), holders.locked(DEMO, within=0):
            pass
        with holders.locked(OTHER, within=0):
            pass
    with holders.locked(DEMO, within=0):
        pass
