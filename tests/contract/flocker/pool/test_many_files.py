"""A volume with very many small files travels as any other; see test_content.py."""

from __future__ import annotations

import pytest

from tests.contract.flocker.conftest import MakeBtrfsPool
from tests.contract.flocker.pool.test_content import move
from tests.contract.flocker.pool.test_pool import a_claim

pytestmark = pytest.mark.contract

FOLDERS, FILES_EACH = 100, 1000


def test_a_hundred_thousand_small_files_travel(make_btrfs_pool: MakeBtrfsPool) -> None:
    here, there = make_btrfs_pool(), make_btrfs_pool()
    claim = a_claim()
    here.create(claim)
    live = here.writable_path(claim)
    for folder in range(FOLDERS):
        place = live / str(folder)
        place.mkdir()
        for number in range(folder * FILES_EACH, (folder + 1) * FILES_EACH):
            (place / str(number)).write_text(str(number))
    claim, _ = move(here, there, claim)
    assert (there.writable_path(claim) / "99" / "99999").read_text() == "99999"
