"""Containers start and stop while the daemon restarts: no call is lost, and nothing stays counted.

A tenth of what was run before this was believed (docs/decisions/0001): LONG_RUN by hand,

    python -m tests.contract.flocker.test_starts_and_stops
"""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from acceptance.base.waiting import eventually
from judge.machine.engine import OwnEngine, own_engine
from judge.machine.mounts import leave_the_machines_mounts
from tests.contract.flocker.own_driver import OwnDriver, own_drivers

pytestmark = pytest.mark.contract

# Each has a connection of the engine's of its own, which is idle while its container is.
DRIVERS = 10
# uvicorn closes a connection after 5 s. Half a second after a start the driver asks the engine what
# it was told, and is asked in turn. The others are for whoever has another time-out.
IDLE_SECONDS = (4.9, 4.95, 4.98, 5.0, 5.02, 5.05, 5.1, 5.4, 5.5, 5.6, 0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Run:
    """How much is done: containers started and stopped, and daemons restarted meanwhile."""

    starts: int
    restarts: int


LONG_RUN = Run(starts=2000, restarts=50)
SHORT_RUN = Run(starts=200, restarts=5)


def start_and_stop(
    engine: OwnEngine, driver: OwnDriver, times: int, seed: int, done: threading.Event
) -> None:
    """Start a container with a volume of the driver again and again, with pauses in between."""
    name, volume = f"app-{driver.name}", f"volume-{driver.name}"
    engine.docker("volume", "create", "--driver", driver.name, "--label", "kept=yes", volume)
    engine.docker(
        *("create", "--network", "none", "--name", name, "--volume", "/usr:/usr:ro"),
        *("--volume", f"{volume}:/data", "machine", "sleep", "600"),
    )
    idle = random.Random(seed)  # noqa: S311
    for number in range(times):
        if done.is_set():
            return
        engine.docker("start", name)
        assert driver.counted(), f"start {number} of {name} is not counted"
        done.wait(idle.choice(IDLE_SECONDS))
        engine.docker("kill", name)
        eventually(lambda: engine.state(name), is_="exited", within=30)
        # Far sooner than a use that nothing backs would end.
        eventually(driver.counted, is_=[], within=10)
        assert engine.docker("volume", "inspect", "--format", "{{.Labels.kept}}", volume) == "yes"


def restart(drivers: list[OwnDriver], run: Run, done: threading.Event, seconds: float) -> int:
    """Restart one driver after the other, evenly until all is done; how often."""
    restarts = 0
    for driver in itertools.cycle(drivers):
        if restarts == run.restarts or done.wait(seconds / run.restarts):
            return restarts
        driver.stop()
        driver.start()
        restarts += 1
    return restarts


def endure(run: Run) -> str:
    """Do it; what there is to say of it afterwards."""
    began = time.monotonic()
    with own_engine() as engine, own_drivers(engine, DRIVERS) as drivers:
        times = run.starts // DRIVERS
        expected = times * (sum(IDLE_SECONDS) / len(IDLE_SECONDS) + 1)
        done = threading.Event()
        with ThreadPoolExecutor(DRIVERS + 1) as threads:
            restarting = threads.submit(restart, drivers, run, done, expected / 2)
            working = [
                threads.submit(start_and_stop, engine, driver, times, number, done)
                for number, driver in enumerate(drivers)
            ]
            try:
                for work in working:
                    work.result()
            finally:
                done.set()
            restarts = restarting.result()
        assert restarts == run.restarts
        assert [driver.counted() for driver in drivers] == [[]] * DRIVERS
        assert sum(driver.ended_uses() for driver in drivers) == 0
        log = engine.log()
        lost = re.findall(r".*(?:retrying in|umount volume|VolumeDriver\.).*", log)
        assert lost == [], "dockerd repeated or gave up a call"
        engine.remove_all()
    return (
        f"{run.starts} starts and stops, {restarts} restarts, in {time.monotonic() - began:.0f} s: "
        "nothing counted, no call repeated, every label kept"
    )


def test_no_call_is_lost_while_daemons_restart() -> None:
    endure(SHORT_RUN)


if __name__ == "__main__":
    leave_the_machines_mounts()
    print(endure(LONG_RUN))
