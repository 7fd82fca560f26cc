"""systemd hears that the daemon is at work only while all of its parts are."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flocker.__main__ import feed_watchdog
from flocker.base.pulse import DISK_SECONDS, Pulse
from flocker.base.systemd import tell_systemd
from tests.unit.flocker.clocks import Clock


@pytest.fixture
def pulse(clock: Clock) -> Pulse:
    return Pulse(clock)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket at which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    """Read what systemd was told since the last call."""
    told = []
    while True:
        try:
            told.append(systemd.recv(100).decode())
        except BlockingIOError:
            return told


def test_the_watchdog_is_fed_while_all_parts_work(
    pulse: Pulse, clock: Clock, systemd: socket.socket
) -> None:
    parts = [pulse.expect("announcing", 10), pulse.expect("publishing", 20)]
    for _ in range(3):
        clock.now += 9
        for beat in parts:
            beat()
        feed_watchdog(pulse)
    assert heard(systemd) == ["WATCHDOG=1"] * 3


def test_a_part_that_hangs_stops_the_feeding(
    pulse: Pulse, clock: Clock, systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    works, hangs = pulse.expect("announcing", 10), pulse.expect("publishing", 20)
    clock.now += 21
    works()
    feed_watchdog(pulse)
    assert heard(systemd) == []
    assert caplog.messages == ["not at work any more: publishing (21 s)"]
    hangs()
    feed_watchdog(pulse)
    assert heard(systemd) == ["WATCHDOG=1"]


def test_a_part_that_never_began_hangs_as_well(pulse: Pulse, clock: Clock) -> None:
    pulse.expect("tidying", 5)
    clock.now += 5
    assert pulse.hung() == []
    clock.now += 1
    assert pulse.hung() == ["tidying (6 s)"]


def test_who_waits_for_a_disk_that_hangs_does_not_hang(clock: Clock) -> None:
    disk_hangs = True
    pulse = Pulse(clock, lambda: disk_hangs)
    pulse.expect("announcing", DISK_SECONDS)
    pulse.expect_at_disk("publishing")
    clock.now += DISK_SECONDS + 1
    assert pulse.hung() == ["announcing (301 s)"]


def test_who_has_waited_for_a_disk_has_its_time_again_once_that_answers(clock: Clock) -> None:
    disk_hangs = True
    pulse = Pulse(clock, lambda: disk_hangs)
    pulse.expect_at_disk("publishing")
    for _ in range(2):
        clock.now += DISK_SECONDS + 1
        assert pulse.hung() == []
    disk_hangs = False
    clock.now += DISK_SECONDS
    assert pulse.hung() == []
    clock.now += 1
    assert pulse.hung() == ["publishing (301 s)"]


def test_a_systemd_that_takes_nothing_holds_nobody_up(systemd: socket.socket) -> None:
    for _ in range(10_000):
        tell_systemd("WATCHDOG=1")
    assert heard(systemd)


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_systemd("READY=1")
