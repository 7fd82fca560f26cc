"""A disk that boots, made of a tar file without mounting anything.

One ext4 partition over all of the disk, and GRUB between the partition table and it, with its
configuration inside. Also works in a container: no loop device is needed.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from box.recipe import EPOCH_SECONDS
from box.vm import recipe

SECTOR_BYTES = 512
PARTITION_SECTOR = 2048  # as every partitioner does it, and room for GRUB
BOOT_CODE_BYTES = 440  # of a master boot record; the disk's signature comes next
BLOCK_BYTES = 4096

_TO_LINUX = 0x83
_BOOTABLE = 0x80
_BEYOND_CYLINDERS = b"\xfe\xff\xff"  # this partition is found by sector numbers only

# Read by GRUB without its shell. The links are kept by Debian's kernel packages.
_GRUB_CONFIG = "linux /vmlinuz {options}\ninitrd /initrd.img\nboot\n"
_GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "linux")
_GRUB = "/usr/lib/grub/i386-pc"


def write(disk: Path, tree: Path, tools: Path, size_bytes: int = recipe.DISK_BYTES) -> None:
    """Write the disk, sparse. The same tree makes the same disk, byte for byte.

    Args:
        tree: tar file of everything from / on.
        tools: folder with the file system of `recipe.TOOLS`, on the same file system as `disk`.

    Raises:
        subprocess.CalledProcessError: a tool refuses; its reason is in `stderr`.
    """
    made = tools / "disk"
    with made.open("wb") as empty:
        empty.truncate(size_bytes)
    _write_file_system(made, tree, tools, size_bytes)
    _write_boot_loader(made, tools, size_bytes)
    made.rename(disk)


def content_hash(disk: Path) -> str:
    """SHA-256 of the partition: of each 4 KiB block that is not all zeros, after its number.

    The number is of eight bytes, little endian. What is left out is most of the disk.
    """
    digest = hashlib.sha256()
    for number, block in _blocks(disk):
        digest.update(struct.pack("<Q", number))
        digest.update(block)
    return digest.hexdigest()


def _write_file_system(disk: Path, tree: Path, tools: Path, size_bytes: int) -> None:
    start = PARTITION_SECTOR * SECTOR_BYTES
    (tools / "etc" / "mtab").touch()  # mke2fs wants to know what is mounted
    with tree.open("rb") as content:
        _run(
            tools,
            "mke2fs", "-q", "-F", "-t", "ext4", "-e", "remount-ro", "-d", "-",
            "-L", recipe.FILE_SYSTEM_LABEL, "-U", recipe.FILE_SYSTEM_UUID,
            # Nothing is left for the machine to initialise at its first start.
            "-E", f"offset={start},hash_seed={recipe.FILE_SYSTEM_UUID},lazy_itable_init=0",
            f"/{disk.name}", f"{(size_bytes - start) // 1024}k",
            stdin=content,
        )  # fmt: skip


def _write_boot_loader(disk: Path, tools: Path, size_bytes: int) -> None:
    config = _GRUB_CONFIG.format(options=" ".join(recipe.KERNEL_OPTIONS))
    (tools / "grub.cfg").write_text(config)
    _run(
        tools,
        "grub-mkimage", "--format=i386-pc", f"--directory={_GRUB}", "--config=/grub.cfg",
        "--prefix=(hd0,msdos1)/boot/grub", "--output=/core.img", *_GRUB_MODULES,
    )  # fmt: skip
    core = (tools / "core.img").read_bytes()
    room = (PARTITION_SECTOR - 1) * SECTOR_BYTES
    assert len(core) <= room, f"GRUB has {len(core)} bytes, {room} are free"
    sectors = size_bytes // SECTOR_BYTES - PARTITION_SECTOR
    partition = struct.pack(
        "<B3sB3sII", _BOOTABLE, _BEYOND_CYLINDERS, _TO_LINUX, _BEYOND_CYLINDERS,
        PARTITION_SECTOR, sectors,
    )  # fmt: skip
    boot_code = (tools / _GRUB.removeprefix("/") / "boot.img").read_bytes()[:BOOT_CODE_BYTES]
    with disk.open("r+b") as target:
        # As it comes, boot.img loads what begins in the next sector, and core.img loads the rest of
        # itself from the one after that: there is nothing to patch.
        target.write(boot_code)
        target.write(struct.pack("<IH", recipe.DISK_SIGNATURE, 0))
        target.write(partition + bytes(3 * len(partition)) + b"\x55\xaa")
        target.write(core)


def _run(tools: Path, *command: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> None:
    environment = {
        "PATH": "/usr/sbin:/usr/bin",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(EPOCH_SECONDS),
    }
    subprocess.run(
        ["chroot", str(tools), *command],
        stdin=stdin, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip


def _blocks(disk: Path) -> Iterator[tuple[int, bytes]]:
    start = PARTITION_SECTOR * SECTOR_BYTES
    zeros = bytes(BLOCK_BYTES)
    with disk.open("rb") as content:
        end = os.fstat(content.fileno()).st_size
        at = start
        while (data := _next_data(content.fileno(), at)) is not None:
            at = data - data % BLOCK_BYTES
            hole = os.lseek(content.fileno(), at, os.SEEK_HOLE)
            content.seek(at)
            while at < min(hole, end):
                block = content.read(BLOCK_BYTES)
                if block != zeros:
                    yield (at - start) // BLOCK_BYTES, block
                at += BLOCK_BYTES


def _next_data(descriptor: int, at: int) -> int | None:
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole is left
        return None
