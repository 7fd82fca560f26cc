"""The pool's file system: a file unless something is mounted in its place, in a mount namespace of
the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from host import ROOT

POOL = ROOT / "debian" / "libexec" / "pool"

pytestmark = pytest.mark.contract

# Folders of the test's own where the machine's pool would be, which this machine need not have.
PREPARE = """
set -eu
mount -t tmpfs none /var/lib
mkdir /var/lib/flocker-disk
mount --bind "$1/disk" /var/lib/flocker-disk
export FLOCKER_POOL=$1/pool FLOCKER_POOL_SIZE=200M
pool() { "$POOL" "$@"; }
a_disk() { # TYPE
    truncate --size=200M "$1.img"
    "mkfs.$1" "$1.img" >/dev/null 2>&1
    mount -o loop "$1.img" "$FLOCKER_POOL"
}
cleanup() { while mountpoint --quiet "$FLOCKER_POOL"; do umount "$FLOCKER_POOL"; done; }
trap cleanup EXIT
cd "$1"
"""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    for name in ("disk", "pool"):
        (folder / name).mkdir()
    alone = ["unshare", "--mount", "--propagation=private"]
    return subprocess.run(
        [*alone, "bash", "-c", PREPARE + script, "-", str(folder)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "POOL": str(POOL)},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_without_a_disk_it_is_a_file_that_is_kept(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        pool start; pool start
        findmnt --noheadings --output FSTYPE,OPTIONS --mountpoint pool
        echo kept >pool/file
        pool stop; pool stop
        mountpoint --quiet pool && exit 1
        pool start
        cat pool/file
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "btrfs" in done.stdout
    assert "noatime" in done.stdout
    assert done.stdout.endswith("kept\n")
    assert (tmp_path / "disk" / "pool.img").stat().st_size == 200 << 20


def test_the_file_takes_its_room_at_once_and_keeps_it(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        pool start
        dd if=/dev/urandom of=pool/file bs=1M count=50 status=none; sync
        rm pool/file; sync
        findmnt --noheadings --output OPTIONS --mountpoint pool
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "discard" not in done.stdout
    facts = (tmp_path / "disk" / "pool.img").stat()
    assert facts.st_blocks * 512 >= facts.st_size == 200 << 20


def test_a_file_that_would_leave_etcd_too_little_is_refused_with_the_numbers(
    tmp_path: Path,
) -> None:
    done = run(
        tmp_path,
        """
        umount /var/lib/flocker-disk
        mount -t tmpfs -o size=2100M none /var/lib/flocker-disk
        pool start
        """,
    )
    assert done.returncode == 1
    assert (
        "/var/lib/flocker-disk has 2.1G free; a pool of 200M and the 2.0G that etcd" in done.stderr
    )
    assert "FLOCKER_POOL_SIZE" in done.stderr


def test_without_a_size_it_takes_half_of_what_is_free(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        umount /var/lib/flocker-disk
        mount -t tmpfs -o size=600M none /var/lib/flocker-disk
        FLOCKER_POOL_SIZE= pool start
        stat --format=%s /var/lib/flocker-disk/pool.img
        """,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) == 300 << 20


def test_a_node_that_is_a_container_takes_what_is_written(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        mount -t tmpfs none /run
        mkdir /run/systemd; echo docker >/run/systemd/container
        pool start
        findmnt --noheadings --output OPTIONS --mountpoint pool
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "discard" in done.stdout
    facts = (tmp_path / "disk" / "pool.img").stat()
    assert facts.st_blocks * 512 < facts.st_size == 200 << 20


def test_a_disk_that_is_mounted_there_is_the_pool_and_stays_mounted(tmp_path: Path) -> None:
    done = run(tmp_path, "a_disk btrfs; pool start; pool stop; mountpoint pool")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_disk_of_another_kind_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "a_disk ext4; pool start")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/pool is ext4; format its disk with mkfs.btrfs\n"


NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


def test_only_root_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        f"""
        umask 000
        pool start >/dev/null
        stat --format='%a %n' disk disk/pool.img pool
        mkdir /var/lib/seen; mount --bind pool /var/lib/seen
        {NOBODY} ls /var/lib/flocker-disk && exit 1
        {NOBODY} ls /var/lib/seen && exit 1
        umount /var/lib/seen
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "700 disk\n600 disk/pool.img\n700 pool\n"
    assert done.stderr.count("Permission denied") == 2


def test_what_others_could_read_is_mended(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        pool start >/dev/null; pool stop
        chmod 0755 disk; chmod 0644 disk/pool.img
        pool start
        stat --format='%a %n' disk disk/pool.img
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "700 disk\n600 disk/pool.img\n"


def test_it_is_used_while_a_container_has_a_volume(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        pool used && exit 1
        pool start
        mkdir -p pool/volumes/one/live
        pool used && exit 1
        exec 3< <(exec unshare --mount bash -c '
            mount --bind pool/volumes/one/live /mnt && echo mounted && exec cat' </dev/zero)
        read -r -u 3
        pool used
        exec 3<&-
        """,
    )
    assert done.returncode == 0, done.stderr


def test_it_says_what_can_be_typed(tmp_path: Path) -> None:
    done = run(tmp_path, "pool restart")
    assert (done.returncode, done.stderr) == (2, f"usage: {POOL} start|stop|used\n")
