"""The error of a mount that Ceph refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from flocker.base.errors import PoolError
from flocker.ceph.mount import Ticket, mount

ERROR = "ceph-fuse[7]: ceph mount failed with (1) Operation not permitted"
LOG = "-1 client.4121 mds.0 rejected us (non-allowable root '/films')"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([LOG, ERROR], ERROR),
        ([ERROR, LOG], ERROR),  # its log is written by a thread of its own
        ([LOG], LOG),
        ([], "it gave no reason"),
    ],
)
def test_a_mount_that_is_refused_names_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], why: str
) -> None:
    program = tmp_path / "ceph-fuse"
    program.write_text("\n".join(["#!/bin/sh", "cat >&2 <<'END'", *said, "END", "exit 1"]))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    ticket = Ticket(tmp_path / "ceph.conf", "demo", "/films", "client.films", "key")
    with pytest.raises(PoolError) as refused:
        mount(ticket, tmp_path, tmp_path / "run")
    assert str(refused.value) == f"ceph-fuse could not mount /films: {why}"
