"""The commands of docs/operations.md that lead from an existing Ceph to the first volume, typed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.config import Ceph
from flocker.base.errors import PoolError
from flocker.base.records import Claim
from flocker.ceph.mount import running
from flocker.pool.references import Names
from host import ROOT
from tests.contract.flocker.ceph import debians_rados
from tests.contract.flocker.ceph.small_ceph import ADMIN, SmallCeph
from tests.contract.flocker.pool.test_pool import a_claim, text_of, written
from tests.twins.memory_sessions import MemorySessions

debians_rados.load()

from flocker.ceph.monitors import Monitors  # noqa: E402 - needs the module that was just loaded
from flocker.shared_storage import reach  # noqa: E402

pytestmark = pytest.mark.contract

OPERATIONS = ROOT / "docs" / "operations.md"
SECTION = "## Volumes on an existing Ceph\n"
KEYRING = "ceph.client.flocker-node.keyring"
SHOWN_DEFAULT = re.compile(r"^\| `(FLOCKER_CEPH_\w+)` \| `(\S+)` \|$", re.MULTILINE)


def section() -> str:
    return OPERATIONS.read_text().partition(SECTION)[2].partition("\n## ")[0]


def commands() -> list[list[str]]:
    """The commands of each of the section's blocks."""
    blocks = re.findall(r"```console\n(.*?)```", section(), re.DOTALL)
    return [[line.removeprefix("# ") for line in block.splitlines()] for block in blocks]


@pytest.fixture(scope="module")
def fresh_ceph() -> Iterator[SmallCeph]:
    """A Ceph that has never heard of flocker."""
    folder = Path(tempfile.mkdtemp(prefix="flocker-ceph-"))
    small = SmallCeph(folder)
    try:
        small.start()
        with Monitors(small.conf, ADMIN, small.keyring) as administrator:
            administrator.ask("auth rm", entity="client.flocker-node")
        yield small
    finally:
        small.stop()
        shutil.rmtree(folder)


@pytest.fixture
def settings(fresh_ceph: SmallCeph) -> dict[str, str]:
    """The settings that a reader has in the end, besides those where files are on this machine."""
    for command in commands()[0]:
        typed(command, fresh_ceph)
    [setting] = [each for each in commands()[1] if each.startswith("echo ")]
    name, _, value = shlex.split(setting)[1].partition("=")
    return {
        name: value,
        "FLOCKER_CEPH_CONF": str(fresh_ceph.conf),
        "FLOCKER_CEPH_KEYRING": str(fresh_ceph.folder / KEYRING),
    }


def typed(command: str, ceph: SmallCeph) -> None:
    """Type a command where the administrator's key is, with a place of the test's for /mnt."""
    here = command.replace("/mnt/", f"{ceph.folder}/")
    subprocess.run(
        shlex.split(here),
        check=True,
        cwd=ceph.folder,
        env={**os.environ, "CEPH_ARGS": f"--conf {ceph.conf} --keyring {ceph.keyring}"},
    )


def test_a_reader_gets_a_volume_and_an_identity_that_can_do_no_more(
    fresh_ceph: SmallCeph, settings: dict[str, str]
) -> None:
    ceph = Ceph.from_environment(settings)
    assert ceph is not None
    runtime, records = fresh_ceph.folder / "run", MemorySessions()
    pool = reach(ceph, runtime, records, lambda _: False, Names())
    claim = a_claim()
    try:
        pool.create(claim, 32 << 20)
        snapshot = written(pool, claim, "text")
        later = Claim(claim.volume_id, claim.epoch + 1)
        pool.take_over(later, records.by_epoch(claim.volume_id))
        assert text_of(pool, later) == "text"
        pool.drop_snapshot(claim.volume_id, snapshot)
        with Monitors(ceph.conf, ceph.identity, ceph.keyring) as monitors:
            own = running(ceph.identity, runtime / "node" / "volumes", runtime / "node")
            assert own is not None
            monitors.block(own.address)  # as Ceph does to a node that was paused for minutes
        eventually(own.is_refused, is_=True, within=20)
        assert pool.volume_ids() == [claim.volume_id]
        with Monitors(ceph.conf, ceph.identity, ceph.keyring) as monitors:
            for refused in ("auth ls", "osd blocklist clear"):
                with pytest.raises(PoolError, match="Ceph refused"):
                    monitors.ask(refused)
    finally:
        pool.cut_off(claim.volume_id)
        pool.close(claim.volume_id)
        if own := running(ceph.identity, runtime / "node" / "volumes", runtime / "node"):
            own.unmount()


def test_the_settings_have_the_defaults_that_are_shown() -> None:
    ceph = Ceph("shared")
    assert dict(SHOWN_DEFAULT.findall(section())) == {
        "FLOCKER_CEPH_FOLDER": ceph.folder,
        "FLOCKER_CEPH_IDENTITY": ceph.identity,
        "FLOCKER_CEPH_CONF": str(ceph.conf),
        "FLOCKER_CEPH_KEYRING": str(ceph.keyring),
    }
