"""Debian packages the demo and its tests stand on."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host import LOGS, progress

FONTS = Path("/usr/share/fonts")
POSTGRES = Path("/usr/lib/postgresql")
DEBIANS_PYTHON = Path("/usr/lib/python3/dist-packages")
VAGRANT_PLUGINS = Path("/usr/share/vagrant-plugins/plugins.d")  # Debian's packages of them
SYSTEMD = Path("/run/systemd/system")  # exists where systemd is PID 1: sd_booted(3)
ALL = ("docker", "libvirt", "virtualbox")


@dataclass(frozen=True)
class Package:
    """A Debian 12 package, and how to see that what it brings is already there."""

    name: str
    reason: str
    is_present: Callable[[], bool]
    service: str | None = None  # started by the package, and not wanted: the tests run their own
    providers: tuple[str, ...] = ALL  # whose nodes need it


def program(name: str) -> Callable[[], bool]:
    """True if a program is on PATH, whoever installed it."""
    return lambda: shutil.which(name) is not None


PACKAGES = (
    Package(
        "docker.io", "the engine that runs the nodes", program("dockerd"), providers=("docker",),
    ),
    Package(
        "libvirt-daemon-system", "runs the nodes' virtual machines",
        lambda: shutil.which("libvirtd") is not None and shutil.which("virsh") is not None,
        providers=("libvirt",),
    ),
    Package(
        "qemu-system-x86", "emulates the nodes' machines", program("qemu-system-x86_64"),
        providers=("libvirt",),
    ),
    Package(
        "dnsmasq-base", "gives the machines addresses", program("dnsmasq"),
        providers=("libvirt",),
    ),
    Package(
        "vagrant-libvirt", "lets Vagrant ask libvirt",
        lambda: has_vagrant_plugin("vagrant-libvirt"), providers=("libvirt",),
    ),
    Package("qemu-utils", "writes the disks of virtual machines", program("qemu-img")),
    Package(
        "rsync", "carries /vagrant to virtual machines", program("rsync"),
        providers=("libvirt", "virtualbox"),
    ),
    Package("vagrant", "starts and provisions the nodes", program("vagrant")),
    Package("debhelper", "builds the driver's Debian package", program("dh")),
    Package("lintian", "contract tests check that package", program("lintian")),
    Package("mmdebstrap", "builds the node image from Debian packages", program("mmdebstrap")),
    Package("chromium", "the visitor's browser", program("chromium")),
    Package("chromium-driver", "lets the suite click in it", program("chromedriver")),
    Package("fonts-dejavu-core", "without a font screenshots hold no text", lambda: has_fonts()),
    Package("nodejs", "runs the report generator", program("node")),
    Package("npm", "installs the report generator", program("npm")),
    Package("openssl", "makes the certificates of a cluster", program("openssl")),
    Package("gpg", "a contract test signs the package", program("gpg")),
    Package("gpg-agent", "has the key for that", program("gpg-agent")),
    Package("iproute2", "removes the bridge of an engine that was started here", program("ip")),
    Package("mount", "losetup, for pools on a loop file", program("losetup")),
    Package("fdisk", "contract tests read the partitions of a box's disk", program("sfdisk")),
    Package("btrfs-progs", "contract tests use a real pool", program("mkfs.btrfs")),
    Package("etcd-client", "contract tests type the commands of docs", program("etcdctl")),
    Package("etcd-server", "contract tests use a real etcd", program("etcd"), service="etcd"),
    Package(
        "redis-server", "the app's tests use a real Redis", program("redis-server"),
        service="redis-server",
    ),
    Package(
        "postgresql", "the app's tests use a real Postgres", lambda: has_postgres(),
        service="postgresql",
    ),
    Package("ceph-mon", "contract tests use a real Ceph", program("ceph-mon")),
    Package("ceph-osd", "keeps the data of that Ceph", program("ceph-osd")),
    Package("ceph-mds", "has the folders of that Ceph", program("ceph-mds")),
    Package(
        "ceph-base", "programs that Ceph's daemons share", program("ceph-crash"),
        service="ceph-crash",
    ),
    Package(
        "smartmontools", "ceph-osd comes with it", program("smartctl"), service="smartmontools",
    ),
    Package("ceph-fuse", "mounts the file system of that Ceph", program("ceph-fuse")),
    Package("python3-rados", "asks that Ceph", lambda: has_rados()),
    Package(
        "python3-venv", "the suite's packages live in .venv",
        lambda: importlib.util.find_spec("ensurepip") is not None,
    ),
)  # fmt: skip


def has_postgres() -> bool:
    """True if any version's server is installed; Debian puts it on nobody's PATH."""
    return next(POSTGRES.glob("*/bin/postgres"), None) is not None


def has_rados() -> bool:
    """True if Debian's Python has the module; nothing else installs it."""
    return next(DEBIANS_PYTHON.glob("rados.*.so"), None) is not None


def has_fonts() -> bool:
    """True if the machine has any TrueType font."""
    return next(FONTS.rglob("*.ttf"), None) is not None


def has_vagrant_plugin(name: str) -> bool:
    """True if Vagrant has a plugin, from Debian or by `vagrant plugin install`."""
    home = Path(os.environ.get("VAGRANT_HOME", "~/.vagrant.d")).expanduser()
    installed = home / "plugins.json"
    return (VAGRANT_PLUGINS / f"{name}.json").exists() or (
        installed.exists() and f'"{name}"' in installed.read_text()
    )


def missing(provider: str) -> tuple[Package, ...]:
    """The packages whose content is not on this machine, of those a provider's nodes need."""
    needed = (package for package in PACKAGES if provider in package.providers)
    return tuple(package for package in needed if not package.is_present())


def install(packages: tuple[Package, ...]) -> None:
    """Install Debian packages without what they merely recommend.

    The package index is fetched first: on a fresh machine there is none, and an old one
    names files the mirror no longer has.

    Raises:
        StepFailed: apt could not get or install them.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A fresh machine may still be busy with its own first updates.
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
    progress.run("Fetching Debian's package index", [*apt, "update"], LOGS / "apt-update.log")
    names = [package.name for package in packages]
    progress.run(
        f"Installing {len(names)} Debian packages",
        [*apt, "install", "--yes", "--no-install-recommends", *names],
        LOGS / "apt-install.log",
        env=environment,
    )
    services = unwanted_services(packages)
    if services and SYSTEMD.exists():
        progress.run(
            f"Stopping services that are needed as programs only: {', '.join(services)}",
            ["systemctl", "disable", "--now", *services],
            LOGS / "services.log",
        )


def unwanted_services(installed: tuple[Package, ...]) -> list[str]:
    """Services that came with packages installed just now; those of others are not touched."""
    return [package.service for package in installed if package.service is not None]
