"""Disks and boxes made by the real tools from a small tree, read back by others.

A whole box takes minutes; that two builds of one are the same is seen by
`sha256sum box/vagrant*.box` after `make box`, moving it away, and `make box`.
"""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from box import layers
from box.vm import build, disk, recipe

pytestmark = pytest.mark.contract

SIZE_BYTES = 64 << 20
PARTITION = disk.PARTITION_SECTOR * disk.SECTOR_BYTES
CAPABILITY = "security.capability"
NET_RAW = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's own mke2fs and GRUB, as a build unpacks them."""
    folder = tmp_path_factory.mktemp("tools")
    layers.build("Build the tools that write disks", [(recipe.TOOLS, folder / "tools.tar")])
    (folder / "tools").mkdir()
    run("tar", "-xf", folder / "tools.tar", "-C", folder / "tools")
    return folder / "tools"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar file with everything a file system has to keep."""
    path = tmp_path_factory.mktemp("tree") / "tree.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, about in (
            ("./", tarfile.DIRTYPE, {"mode": 0o755}),
            ("./etc", tarfile.DIRTYPE, {"mode": 0o755}),
            ("./etc/shadow", tarfile.REGTYPE, {"mode": 0o640, "gid": 42}),
            ("./etc/Főtanúsítvány.pem", tarfile.REGTYPE, {"mode": 0o644}),
            (
                "./etc/again",
                tarfile.LNKTYPE,
                {"linkname": "./etc/shadow", "mode": 0o640, "gid": 42},
            ),
            ("./vmlinuz", tarfile.SYMTYPE, {"linkname": "boot/vmlinuz-6"}),
            ("./null", tarfile.CHRTYPE, {"mode": 0o666, "devmajor": 1, "devminor": 3}),
            ("./ping", tarfile.REGTYPE, {"mode": 0o4755}),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mtime = kind, 1_700_000_000
            for key, value in about.items():
                setattr(member, key, value)
            content = name.encode() if kind == tarfile.REGTYPE else b""
            member.size = len(content)
            if name == "./ping":
                member.pax_headers = {
                    f"SCHILY.xattr.{CAPABILITY}": NET_RAW.decode("utf-8", "surrogateescape")
                }
            tar.addfile(member, BytesIO(content))
    return path


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory, tree: Path, tools: Path) -> Path:
    path = tmp_path_factory.mktemp("disk") / "raw"
    disk.write(path, tree, tools, SIZE_BYTES)
    return path


@pytest.fixture
def mounted(raw: Path, tmp_path: Path) -> Iterator[Path]:
    run("mount", "-o", f"ro,loop,offset={PARTITION}", raw, tmp_path)
    try:
        yield tmp_path
    finally:
        run("umount", tmp_path)


def test_the_same_tree_makes_the_same_disk(
    raw: Path, tree: Path, tools: Path, tmp_path: Path
) -> None:
    disk.write(tmp_path / "again", tree, tools, SIZE_BYTES)
    assert (tmp_path / "again").read_bytes() == raw.read_bytes()
    assert disk.content_hash(tmp_path / "again") == disk.content_hash(raw)


def test_another_tree_has_another_hash(raw: Path, tools: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as empty:
        empty.addfile(tarfile.TarInfo("./file"))
    disk.write(tmp_path / "other", tmp_path / "other.tar", tools, SIZE_BYTES)
    assert disk.content_hash(tmp_path / "other") != disk.content_hash(raw)


def test_the_hash_is_of_the_content_not_of_the_holes(raw: Path, tmp_path: Path) -> None:
    run("cp", "--sparse=never", raw, tmp_path / "dense")
    assert disk.content_hash(tmp_path / "dense") == disk.content_hash(raw)


def test_the_file_system_is_clean_and_the_disk_sparse(raw: Path, tmp_path: Path) -> None:
    with raw.open("rb") as whole, (tmp_path / "partition").open("wb") as partition:
        whole.seek(PARTITION)
        partition.write(whole.read())
    run("e2fsck", "-f", "-n", tmp_path / "partition")
    assert raw.stat().st_size == SIZE_BYTES
    assert raw.stat().st_blocks * 512 < SIZE_BYTES / 2


def test_the_file_system_has_the_tree_with_all_that_tar_knows(mounted: Path) -> None:
    shadow, ping = (mounted / "etc" / "shadow").stat(), (mounted / "ping").stat()
    assert (shadow.st_mode & 0o7777, shadow.st_uid, shadow.st_gid) == (0o640, 0, 42)
    assert shadow.st_mtime == 1_700_000_000
    assert (mounted / "etc" / "again").stat().st_ino == shadow.st_ino
    assert (mounted / "etc" / "Főtanúsítvány.pem").read_text() == "./etc/Főtanúsítvány.pem"
    assert (mounted / "vmlinuz").readlink() == Path("boot/vmlinuz-6")
    assert (mounted / "null").is_char_device()
    assert ping.st_mode & 0o7777 == 0o4755
    assert os.getxattr(mounted / "ping", CAPABILITY) == NET_RAW


def test_the_firmware_finds_a_boot_loader_and_one_partition_over_the_whole_disk(
    raw: Path,
) -> None:
    fields = run("sfdisk", "--dump", raw)
    assert f"start={disk.PARTITION_SECTOR:>12}" in fields
    sectors = SIZE_BYTES // disk.SECTOR_BYTES - disk.PARTITION_SECTOR
    assert f"size={sectors:>12}, type=83, bootable" in fields
    assert "GRUB" in run("file", "--brief", raw) or b"GRUB" in raw.read_bytes()[:512]


@pytest.mark.parametrize("machine", recipe.MACHINES, ids=lambda machine: machine.provider)
def test_a_packed_disk_is_the_same_disk_and_packed_the_same_each_time(
    machine: recipe.Machine, raw: Path, tmp_path: Path
) -> None:
    first, second = (tmp_path / folder / machine.disk_file for folder in ("1", "2"))
    for packed in (first, second):
        packed.parent.mkdir()
        build.pack_disk(machine, raw, packed, disk.content_hash(raw))
    assert first.read_bytes() == second.read_bytes()
    said = run("qemu-img", "compare", "-f", "raw", "-F", machine.disk_format, raw, first)
    assert said == "Images are identical.\n"
    assert first.stat().st_size < SIZE_BYTES / 8


def test_a_tool_that_refuses_is_quoted(raw: Path, tmp_path: Path) -> None:
    machine = replace(recipe.MACHINES[0], disk_options="compression_type=none")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build.pack_disk(machine, raw, tmp_path / "box.img", "12")
    assert "does not accept value 'none'" in caught.value.stderr


@pytest.fixture
def vagrant_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Vagrant of its own, and boxes in a repository of their own."""
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BOXES", tmp_path / "box")
    monkeypatch.setattr(build, "LOGS", tmp_path)
    (tmp_path / "box").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("machine", recipe.MACHINES, ids=lambda machine: machine.provider)
def test_vagrant_takes_a_box_once_and_again_when_its_inputs_changed(
    machine: recipe.Machine, raw: Path, vagrant_home: Path, tmp_path: Path
) -> None:
    def made(inputs: str) -> build.Box:
        path = build.BOXES / f"vagrant{inputs}.box"
        info = {"provider": machine.provider, "inputs": inputs, "file_system": "12"}
        build.write_box(path, info, build.described(machine, packed))
        return build.Box(path, machine.provider, inputs, "12")

    packed = tmp_path / machine.disk_file
    build.pack_disk(machine, raw, packed, disk.content_hash(raw))
    folder = vagrant_home / "boxes" / "volume-plugins-demo-VAGRANTSLASH-node" / "0"
    added = folder / machine.provider / machine.disk_file

    build.add(made("1"))
    assert added.read_bytes() == packed.read_bytes()
    first = added.stat().st_ino
    build.add(made("1"))
    assert added.stat().st_ino == first
    build.add(made("2"))
    assert '"inputs": "2"' in (added.parent / "info.json").read_text()
