"""The engine and the driver start in either order, as after a power cut: containers come up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acceptance.base.waiting import eventually
from judge.machine.engine import OwnEngine, own_engine
from tests.contract.flocker.own_driver import OwnDriver, own_drivers

pytestmark = pytest.mark.contract

APP = "app"


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[OwnEngine, OwnDriver]]:
    """An engine and its driver, with a container that is always to run, on a volume."""
    with own_engine() as engine, own_drivers(engine, 1) as [driver]:
        engine.docker("volume", "create", "--driver", driver.name, "demo")
        engine.run(APP, "--restart", "always", volume="demo")
        yield engine, driver
        engine.remove_all()


def cut_power(engine: OwnEngine, driver: OwnDriver) -> None:
    process = int(engine.docker("inspect", "--format", "{{.State.Pid}}", APP))
    engine.signal(signal.SIGKILL)
    driver.kill()
    os.kill(process, signal.SIGKILL)


def test_the_driver_starts_after_the_engine(both: tuple[OwnEngine, OwnDriver]) -> None:
    engine, driver = both
    cut_power(engine, driver)
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(engine.start)
        eventually(driver.is_waited_for, is_=True, within=30)
        driver.start()
        starting.result()
    eventually(lambda: engine.state(APP), is_="running", within=30)
    assert driver.counted(), "it is counted as in use again"


def test_the_engine_starts_after_the_driver(both: tuple[OwnEngine, OwnDriver]) -> None:
    engine, driver = both
    cut_power(engine, driver)
    driver.start()
    engine.start()
    eventually(lambda: engine.state(APP), is_="running", within=30)
    assert driver.counted(), "it is counted as in use again"
