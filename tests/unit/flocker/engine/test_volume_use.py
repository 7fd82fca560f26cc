"""The use of a volume: counts first, the kernel last, names if the engine has them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from flocker.base.errors import EngineAway, InUse, Refused
from flocker.base.records import Volume
from flocker.engine.client import EngineUse, Stopped
from flocker.engine.mount_counts import MountCounts
from flocker.engine.volume_use import START_SECONDS, VolumeUse
from tests.unit.flocker.borders import Containers
from tests.unit.flocker.clocks import Clock

DEMO = Volume("demo", "id", "node2", 1, "")


@pytest.fixture
def containers() -> Containers:
    return Containers()


@pytest.fixture
def counts(tmp_path: Path, clock: Clock) -> MountCounts:
    return MountCounts(tmp_path / "mounts.json", clock)


@pytest.fixture
def use(counts: MountCounts, containers: Containers) -> VolumeUse:
    return VolumeUse("node1", counts, containers, containers)


@pytest.mark.parametrize(
    ("is_counted", "is_former", "is_mounted", "is_used"),
    [
        (False, False, False, False),
        (True, False, False, True),  # a container that is about to start
        (True, False, True, True),
        (False, False, True, True),  # the counts were lost
        (True, True, False, False),  # the engine died, and its containers with it
        (True, True, True, True),  # the engine died, its containers live on
    ],
)
def test_counts_and_the_kernel_decide_together(
    use: VolumeUse,
    counts: MountCounts,
    containers: Containers,
    is_counted: bool,
    is_former: bool,
    is_mounted: bool,
    is_used: bool,
) -> None:
    if is_counted:
        counts.add("id", "container")
    if is_former:
        counts.new_engine()
    if is_mounted:
        containers.mounts.add("id")
    with use.locked(DEMO):
        if is_used:
            with pytest.raises(InUse, match="volume 'demo' is in use on node1"):
                use.refuse_if_any(DEMO)
        else:
            use.refuse_if_any(DEMO)
    use.reconcile(DEMO)
    assert use.any(DEMO) == is_used


def test_a_use_the_kernel_told_of_ends_with_the_kernels_word(
    use: VolumeUse, containers: Containers
) -> None:
    containers.mounts.add("id")
    use.reconcile(DEMO)
    assert use.any(DEMO)
    containers.mounts.clear()
    use.reconcile(DEMO)
    assert not use.any(DEMO)


def test_containers_are_named_if_the_engine_answers(
    use: VolumeUse, counts: MountCounts, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> list[str]:
        raise EngineAway("no answer")

    counts.add("id", "container")
    containers.running["demo"] = ["app-redis-1"]
    with pytest.raises(InUse, match="by container 'app-redis-1' on node1"):
        use.refuse_if_any(DEMO)
    monkeypatch.setattr(containers, "containers_using", away)
    with pytest.raises(InUse, match="volume 'demo' is in use on node1; it was mounted there at"):
        use.refuse_if_any(DEMO)


def test_one_at_a_time(use: VolumeUse) -> None:
    with use.locked(DEMO):
        with pytest.raises(Refused, match="'demo' is busy on node1"), use.locked(DEMO, within=0):
            raise AssertionError
        with use.locked(Volume("other", "other", "node1", 1, ""), within=0):
            pass
    with use.locked(DEMO, within=0):
        pass


def test_what_times_out_while_a_volume_is_locked_does_not_make_it_busy(use: VolumeUse) -> None:
    with pytest.raises(TimeoutError, match="of the disk"), use.locked(DEMO):
        raise TimeoutError("of the disk")


def test_a_failure_while_it_is_locked_unlocks_it(use: VolumeUse) -> None:
    with pytest.raises(KeyError), use.locked(DEMO):
        raise KeyError
    with use.locked(DEMO, within=0):
        pass


def test_who_waits_has_it_next(use: VolumeUse) -> None:
    waiting, had = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        with use.locked(DEMO):
            had.set()

    with use.locked(DEMO):
        threading.Thread(target=wait, daemon=True).start()
        assert waiting.wait(10)
        assert not had.is_set()
    assert had.wait(10)


def test_what_uses_a_lost_volume_is_stopped_by_the_engine(
    use: VolumeUse, containers: Containers
) -> None:
    containers.running["demo"] = ["app-redis-1"]
    containers.mounts.add("id")
    containers.on_stop = lambda _: containers.mounts.discard("id")
    use.end([DEMO])
    assert containers.stopped == ["app-redis-1"]
    assert containers.killed == ["id"]  # whoever is left


def test_what_the_engine_does_not_stop_is_ended_by_force(
    use: VolumeUse, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[str]:
        raise EngineAway("no answer")

    containers.mounts.add("id")
    monkeypatch.setattr(containers, "stop_using", away)
    use.end([DEMO])
    assert containers.mounts == set()


def test_all_lost_volumes_are_freed_by_one_question_and_one_look(
    use: VolumeUse, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone may take as long as an engine that hangs."""
    lost = [Volume(f"lost{number}", f"id{number}", "node2", 2, "") for number in range(50)]
    containers.mounts.update(volume.id for volume in lost)
    asked: list[list[str]] = []

    def away(volumes: Collection[str], within: float) -> Iterator[Stopped]:
        asked.append(sorted(volumes))
        raise EngineAway(f"no answer within {within} s")

    monkeypatch.setattr(containers, "stop_using", away)
    use.end([DEMO, *lost])
    assert asked == [sorted(volume.name for volume in lost)]
    assert containers.mounts == set()
    assert sorted(containers.killed) == sorted(volume.id for volume in lost)


def test_nothing_is_stopped_where_nothing_is_mounted(
    use: VolumeUse, containers: Containers
) -> None:
    containers.running["demo"] = ["of another volume with that name"]
    use.end([DEMO])
    assert containers.stopped == []
    assert containers.killed == []


@pytest.fixture
def left(counts: MountCounts, clock: Clock) -> MountCounts:
    """A use whose unmount was lost, older than any start takes."""
    counts.add("id", "container")
    clock.now += START_SECONDS
    return counts


@pytest.mark.parametrize("engine_use", [EngineUse.NONE, EngineUse.STOPPED])
def test_a_use_that_nothing_backs_ends_when_somebody_is_refused_because_of_it(
    use: VolumeUse, left: MountCounts, containers: Containers, engine_use: EngineUse
) -> None:
    containers.other_use = engine_use
    use.refuse_if_any(DEMO)
    assert left.volumes() == set()


def test_a_use_that_nothing_backs_ends_by_itself(
    use: VolumeUse, left: MountCounts, caplog: pytest.LogCaptureFixture
) -> None:
    use.end_unbacked([DEMO])
    assert left.volumes() == set()
    assert "volume 'demo': a use at 20" in caplog.text
    assert "its unmount was never asked for" in caplog.text


def away(_: Collection[str]) -> dict[str, EngineUse]:
    raise EngineAway("the Docker engine does not answer")


def test_a_use_that_the_kernel_backs_stays(
    use: VolumeUse, left: MountCounts, containers: Containers
) -> None:
    containers.mounts.add("id")
    use.end_unbacked([DEMO])
    assert left.any("id")
    with pytest.raises(InUse, match=r"processes there have it mounted, which `grep -l id /proc"):
        use.refuse_if_any(DEMO)


def test_a_use_that_the_engine_backs_stays(
    use: VolumeUse, left: MountCounts, containers: Containers
) -> None:
    """Its container is being started, filled or copied from: no process has it mounted."""
    containers.other_use = EngineUse.BUSY
    use.end_unbacked([DEMO])
    assert left.any("id")
    with pytest.raises(InUse, match="is being made, started, stopped or copied from; try again"):
        use.refuse_if_any(DEMO)


def test_an_engine_that_does_not_answer_backs_every_use(
    use: VolumeUse, left: MountCounts, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "uses_of", away)
    use.end_unbacked([DEMO])
    assert left.any("id")
    with pytest.raises(InUse, match=r"is not known: .*`systemctl status docker` on node1"):
        use.refuse_if_any(DEMO)


@pytest.mark.parametrize("engine_use", [EngineUse.NONE, EngineUse.STOPPED])
def test_a_use_stays_for_as_long_as_a_start_takes(
    use: VolumeUse,
    left: MountCounts,
    containers: Containers,
    clock: Clock,
    engine_use: EngineUse,
) -> None:
    """The engine has the answer of a mount, and its container is not started yet."""
    containers.other_use = engine_use
    left.add("id", "another")
    clock.now += START_SECONDS - 12
    use.end_unbacked([DEMO])
    with pytest.raises(InUse, match=f"{engine_use.value}; it counts as in use for 12 s more"):
        use.refuse_if_any(DEMO)
    left.remove("id", "another")
    assert not left.any("id"), "the older one has ended"


def test_a_mount_while_the_engine_is_asked_is_not_ended(
    use: VolumeUse, left: MountCounts, containers: Containers, monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:  # fmt: skip
    def mounted_meanwhile(volumes: Collection[str]) -> dict[str, EngineUse]:
        clock.now += 1
        left.add("id", "another")
        return dict.fromkeys(volumes, EngineUse.STOPPED)

    monkeypatch.setattr(containers, "uses_of", mounted_meanwhile)
    use.end_unbacked([DEMO])
    assert left.any("id")


def test_the_engine_is_not_asked_of_what_is_new_or_mounted(
    use: VolumeUse, left: MountCounts, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(_: Collection[str]) -> dict[str, EngineUse]:
        raise AssertionError

    monkeypatch.setattr(containers, "uses_of", unexpected)
    left.add("other", "new")
    containers.mounts.add("id")
    use.end_unbacked([DEMO, Volume("other", "other", "node1", 1, "")])
    assert left.volumes() == {"id", "other"}


@pytest.fixture
def many(counts: MountCounts, clock: Clock) -> list[Volume]:
    """Volumes with uses whose unmounts were lost."""
    volumes = [Volume(f"v{number}", f"id{number}", "node1", 1, "") for number in range(200)]
    for volume in volumes:
        counts.add(volume.id, "container")
    clock.now += START_SECONDS
    return volumes


def test_the_engine_is_asked_once_for_all_volumes(
    use: VolumeUse,
    many: list[Volume],
    counts: MountCounts,
    containers: Containers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    uses_of = containers.uses_of

    def noted(volumes: Collection[str]) -> dict[str, EngineUse]:
        asked.append(len(volumes))
        return uses_of(volumes)

    monkeypatch.setattr(containers, "uses_of", noted)
    containers.mounts = {many[0].id}
    containers.running = {many[1].name: ["app"]}  # which is about to be shown by the kernel
    use.end_unbacked(many)
    assert asked == [199]
    assert counts.volumes() == {many[0].id, many[1].id}
