"""Where contract tests run: apart from the machine and from tests that run beside them."""

from __future__ import annotations

import signal
from types import FrameType

import pytest

from judge.machine.mounts import leave_the_machines_mounts

LONG_FILES = (
    "test_engine_trials.py",
    "test_starts_and_stops.py",
    "test_many_files.py",
    "test_vagrantfile.py",
    "test_package.py",
    "test_report_page.py",
    "test_etcd.py",
    "test_app_storage.py",
    "test_etcd_members.py",
    "test_box_disk.py",
    "test_app_http.py",
    "test_fence.py",
    "test_applier.py",
    "test_app_page.py",
    "test_content.py",
    "test_every_pool.py",
    "test_peer.py",
    "test_peer_hangs.py",
    "test_plugin.py",
)
"""They begin first, the longest before all others, so that no worker is busy with one when the
others have nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    begins = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: begins.get(item.path.name, len(begins)))


@pytest.fixture(autouse=True, scope="session")
def apart() -> None:
    """Keep mounts to ourselves, and take everything back when told to end as when interrupted."""
    leave_the_machines_mounts()
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
