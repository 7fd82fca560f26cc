"""The recipe of a virtual machine's box. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from box.recipe import NODE_PACKAGES, System

DISK_BYTES = 20 << 30  # sparse; the pool's file may grow to 16 GiB of it
MEMORY_MB = 1024
CPUS = 2

# Any would do, but always the same: the boot loader finds the root file system by it, and the
# order of files in large directories depends on it.
FILE_SYSTEM_UUID = "6d6f6279-2064-6f63-6b65-7220766d7331"
FILE_SYSTEM_LABEL = "node"
DISK_SIGNATURE = 0x6D6F6279

KERNEL_OPTIONS = (
    f"root=UUID={FILE_SYSTEM_UUID}",
    "rw",
    "quiet",
    # eth0 is Vagrant's own network, eth1 the nodes', whatever bus they are on.
    "net.ifnames=0",
    # The console of a machine without a screen, and then VirtualBox's window.
    "console=ttyS0",
    "console=tty0",
)

# Boots without a program of its own beyond 30 kB of C: loads the modules, mounts, hands over.
INITRAMFS_PACKAGES = ("tiny-initramfs", "xz-utils")

MACHINE_PACKAGES = (
    *NODE_PACKAGES,
    *INITRAMFS_PACKAGES,
    "udev",
    "systemd-resolved",  # writes what DHCP says about DNS to where programs look for it
)

_PREPARE = ("vm/customise/initramfs",)
_CUSTOMISE = ("customise/identity", "customise/node", "vm/customise/machine")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A virtual machine as one provider makes it.

    Attributes:
        provider: Vagrant's name of it.
        disk_format: `qemu-img`'s name of the disk's format, with the options of its writer.
    """

    provider: str
    system: System
    disk_file: str
    disk_format: str
    disk_options: str


MACHINES = (
    Machine(
        provider="libvirt",
        system=System(
            name="machine-libvirt",
            variant="minbase",
            # Without the drivers of hardware that no hypervisor emulates by default.
            packages=(*MACHINE_PACKAGES, "linux-image-cloud-amd64"),
            prepare=_PREPARE,
            customise=_CUSTOMISE,
            has_devices=True,
        ),
        disk_file="box.img",
        disk_format="qcow2",
        disk_options="compression_type=zstd",
    ),
    Machine(
        provider="virtualbox",
        system=System(
            name="machine-virtualbox",
            variant="minbase",
            # VirtualBox emulates real hardware: e1000, AHCI.
            packages=(*MACHINE_PACKAGES, "linux-image-amd64"),
            prepare=_PREPARE,
            customise=_CUSTOMISE,
            has_devices=True,
        ),
        disk_file="box-disk001.vmdk",
        disk_format="vmdk",
        disk_options="subformat=streamOptimized",
    ),
)

# What makes the disk, from the suite and not from the host: an older mke2fs reads no tar files, and
# what one version writes another writes differently.
TOOLS = System(
    name="tools",
    variant="extract",
    packages=(
        "base-files",
        "libc-bin",  # has the locale that file names are read in
        "e2fsprogs",
        "libarchive13t64",  # lets mke2fs read a tar file
        "grub2-common",
        "grub-pc-bin",
    ),
)
