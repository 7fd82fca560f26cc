"""Builds box/vagrant<timestamp>.box, unless one of the same inputs is there."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from box import layers, lock
from box.recipe import EPOCH_SECONDS
from box.vm import disk, ovf
from box.vm.recipe import DISK_BYTES, MACHINES, TOOLS, Machine
from host import BUILD, LOGS, ROOT, inputs, progress
from host.provider import BOX

BOXES = ROOT / "box"
SCRATCH = BUILD / "box"

# The first file of a box, which Vagrant shows in `vagrant box list --box-info`.
_INFO = "info.json"


class UnknownProvider(Exception):
    """No boxes are made for that provider."""


@dataclass(frozen=True)
class Box:
    """A box that was built here.

    Attributes:
        inputs: hash of what it was made from.
        file_system: `disk.content_hash` of its disk.
    """

    path: Path
    provider: str
    inputs: str
    file_system: str


def machine_of(provider: str) -> Machine:
    """The machine that a provider gets.

    Raises:
        UnknownProvider: it gets none.
    """
    for machine in MACHINES:
        if machine.provider == provider:
            return machine
    known = " and ".join(machine.provider for machine in MACHINES)
    instead = "; a docker node needs none: make up PROVIDER=docker" if provider == "docker" else ""
    raise UnknownProvider(f"boxes are made for {known}, not for '{provider}'{instead}")


def build(machine: Machine) -> Box:
    """The box of this machine, made now unless it matches its inputs. Safe to run twice at once.

    Raises:
        progress.StepFailed: a build failed; its log is quoted.
        apt.NoMirror: packages cannot be had.
        subprocess.CalledProcessError: a tool refuses; its reason is in `stderr`.
    """
    wanted = inputs.hash_of(ROOT, "box")
    with lock.only_one():
        boxes = [box for box in _boxes() if box.provider == machine.provider]
        for box in boxes:
            if box.inputs == wanted:
                print(f"{machine.provider}'s box is up to date", file=sys.stderr)
                return box
        built = _build(machine, wanted)
        for older in boxes:
            older.path.unlink()
    return built


def add(box: Box) -> None:
    """Make the box known to Vagrant, unless that very one is.

    Raises:
        progress.StepFailed: Vagrant refuses.
        subprocess.CalledProcessError: Vagrant does not say which boxes it has.
    """
    listed = subprocess.run(
        ["vagrant", "box", "list", "--box-info", "--machine-readable"],
        capture_output=True, text=True, check=True, cwd=BOXES,
    )  # fmt: skip
    if is_added(box, listed.stdout):
        return
    progress.run(
        f"Add {box.path.relative_to(ROOT)} to Vagrant",
        ["vagrant", *add_arguments(box), "--force", "--provider", box.provider],
        LOGS / "box-add.log",
        cwd=ROOT,
    )


def add_arguments(box: Box) -> list[str]:
    """The arguments with which `vagrant` knows the box by the name in the Vagrantfile."""
    return ["box", "add", "--name", BOX, str(box.path.relative_to(ROOT))]


def is_added(box: Box, listed: str) -> bool:
    """True if `vagrant box list --box-info --machine-readable` names a box of these inputs."""
    wanted = ["inputs", box.inputs]
    name = provider = None
    for line in listed.splitlines():
        _, _, kind, *data = line.split(",")
        if kind == "box-name":
            name = data[0]
        elif kind == "box-provider":
            provider = data[0]
        elif (kind, name, provider, data) == ("box-info", BOX, box.provider, wanted):
            return True
    return False


def description(box: Box) -> str:
    """A description of the box for the person who built it."""
    path = box.path.relative_to(ROOT)
    with box.path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return (
        f"{path}\n"
        f"  for          {box.provider}\n"
        f"  size         {box.path.stat().st_size / 1e6:.0f} MB\n"
        f"  sha256       {digest}\n"
        f"  file system  {box.file_system}\n"
        f"vagrant {' '.join(add_arguments(box))}"
    )


def _boxes() -> list[Box]:
    found = ((path, _info(path)) for path in sorted(BOXES.glob("vagrant*.box")))
    return [Box(path, **info) for path, info in found if info is not None]


def _info(path: Path) -> dict[str, str] | None:
    try:
        with tarfile.open(path) as tar:
            member = tar.next()
            content = tar.extractfile(member) if member and member.name == _INFO else None
            info = json.load(content) if content else {}
        return {key: str(info[key]) for key in ("provider", "inputs", "file_system")}
    except (OSError, tarfile.TarError, ValueError, KeyError):
        return None  # of somebody else, or cut short


def _build(machine: Machine, wanted: str) -> Box:
    provider = machine.provider
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        scratch = Path(name)
        tree, tools_layer = scratch / "tree.tar", scratch / "tools.tar"
        layers.build(
            f"Build {provider}'s node from Debian packages",
            [(machine.system, tree), (TOOLS, tools_layer)],
        )
        tools, raw = scratch / "tools", scratch / "raw"
        with progress.step("Write its disk"):
            tools.mkdir()
            subprocess.run(
                ["tar", "--extract", f"--file={tools_layer}", f"--directory={tools}"],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            disk.write(raw, tree, tools)
            file_system = disk.content_hash(raw)
        with progress.step(f"Pack the box for {provider}"):
            packed = scratch / machine.disk_file
            pack_disk(machine, raw, packed, file_system)
            info = {"provider": provider, "inputs": wanted, "file_system": file_system}
            partial = scratch / "box"
            write_box(partial, info, described(machine, packed))
            made = datetime.now(UTC)
            path = BOXES / f"vagrant{made:%Y%m%d%H%M%S}.box"
            partial.rename(path)
    return Box(path, **info)


def pack_disk(machine: Machine, raw: Path, packed: Path, content_hash: str) -> None:
    """Write the disk in the provider's format, compressed, and the same for the same content.

    Raises:
        subprocess.CalledProcessError: qemu-img refuses; its reason is in `stderr`.
    """
    compressed = ["-c"] if machine.disk_format == "qcow2" else []  # the VMDK always is
    subprocess.run(
        [
            "qemu-img", "convert", "-f", "raw", "-O", machine.disk_format, *compressed,
            "-o", machine.disk_options, str(raw), str(packed),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    if machine.disk_format == "vmdk":
        ovf.fix_content_id(packed, content_hash)


def described(machine: Machine, packed: Path) -> list[Path]:
    """Write what belongs into a box besides its disk, and return all files of it, the disk last.

    Source: vagrant-libvirt, "Box format" (version 1); Vagrant, "VirtualBox: box format".
    """
    folder = packed.parent
    metadata: dict[str, str | int] = {"provider": machine.provider}
    files = [folder / "metadata.json"]
    if machine.provider == "libvirt":
        metadata |= {"format": machine.disk_format, "virtual_size": DISK_BYTES >> 30}
    else:
        vagrantfile, description_, digests = (
            folder / name for name in ("Vagrantfile", "box.ovf", "box.mf")
        )
        vagrantfile.write_text(ovf.VAGRANTFILE)
        description_.write_text(ovf.envelope(packed, name="volume-plugins-demo-node"))
        digests.write_text(ovf.manifest(description_, packed))
        files += [vagrantfile, description_, digests]
    files[0].write_text(json.dumps(metadata) + "\n")
    return [*files, packed]


def write_box(target: Path, info: dict[str, str], files: Sequence[Path]) -> None:
    """Write the tar file that Vagrant calls a box; not compressed, the disk is that already."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        content = (json.dumps(info) + "\n").encode()
        tar.addfile(_member(_INFO, len(content)), io.BytesIO(content))
        for file in files:
            with file.open("rb") as opened:
                tar.addfile(_member(file.name, file.stat().st_size), opened)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mtime = EPOCH_SECONDS
    return member
