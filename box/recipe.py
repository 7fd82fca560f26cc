"""The content of each image: packages, changes to them, and the start of a container.

Data only. `images` builds from it; a virtual machine's box (`vm`) shares NODE_PACKAGES and the
node's customisation with the docker provider's image.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

SUITE = "trixie"

# No file is younger than this (the day Debian 13 was released), and nothing made while building
# says another time: what is built tomorrow from the same packages is the same.
EPOCH_SECONDS = 1754697600

NODE_PACKAGES = (
    # A machine that Vagrant can start, enter and provision.
    "systemd",
    "systemd-sysv",
    "dbus",  # the engine asks systemd for its containers' cgroups over it
    "openssh-server",
    "sudo",
    "rsync",
    "iproute2",
    "procps",
    "less",
    "curl",
    "ca-certificates",
    # The engine and the commands of the story.
    "docker.io",
    "docker-cli",
    "docker-compose",
    "iptables",
    # What the driver stands on.
    "btrfs-progs",
    "kmod",
    "nftables",
    "etcd-server",
    "etcd-client",
    "python3",  # the driver brings its libraries itself
    # Loads a volume's disk for bench/, which also moves volumes by rsync and ssh.
    "fio",
    # Scenarios have the pool on a disk that fails on command.
    "python3-fusepy",
)

CEPH_PACKAGES = (
    # The daemons of a small cluster; ceph-base has the `ceph` command with it.
    "ceph-mon",
    "ceph-mgr",
    "ceph-osd",
    "ceph-mds",
    # The driver itself needs these two.
    "ceph-fuse",
    "python3-rados",
)

# Paths no package may bring: what nobody reads on a node, and programs nothing here calls.
EXCLUDED_PATHS = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/lintian/*",
    "/usr/share/bash-completion/*",
    "/usr/bin/ctr",
    "/usr/bin/containerd-shim",
    "/usr/bin/containerd-shim-runc-v1",
)
INCLUDED_PATHS = ("/usr/share/doc/*/copyright",)  # a licence travels with the program


@dataclass(frozen=True, kw_only=True)
class System:
    """One file system.

    Attributes:
        variant: of mmdebstrap: `minbase` is a Debian with a package manager; `extract` is only
            the files of the packages and of what they depend on, a third of the size.
        excluded: paths of those files that nothing in it uses, besides EXCLUDED_PATHS.
        prepare: scripts that run before the packages beyond Debian's essential ones are installed.
        customise: scripts that run after that. Each gets the file system's directory.
        has_devices: whether it has /dev and the first files there, as a kernel wants it.
    """

    name: str
    variant: str
    packages: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    customise: tuple[str, ...] = ()
    has_devices: bool = False


@dataclass(frozen=True, kw_only=True)
class Image(System):
    """One image.

    Attributes:
        tag: the name the engine knows it by.
        config: the `config` object of the image (entry point, ports, user ...).
        app: directory below the repository that is copied to /srv, if any.
    """

    tag: str
    config: dict[str, Any] = field(default_factory=dict)
    app: str | None = None


PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATH = f"PATH={PROGRAMS}"

NODE = Image(
    name="node",
    tag="volume-plugins-demo/node:latest",
    variant="minbase",
    packages=NODE_PACKAGES,
    customise=("customise/identity", "customise/node", "customise/container"),
    config={"Cmd": ["/usr/local/sbin/container-init"], "Env": [PATH], "StopSignal": "SIGRTMIN+3"},
)

NODE_WITH_CEPH = replace(
    NODE,
    name="node-ceph",
    tag="volume-plugins-demo/node-ceph:latest",
    packages=(*NODE_PACKAGES, *CEPH_PACKAGES),
    customise=(*NODE.customise, "customise/ceph"),
)

STORY = (
    Image(
        name="busybox",
        tag="busybox:latest",
        variant="extract",
        packages=("busybox-static",),
        customise=("customise/busybox",),
        config={"Cmd": ["sh"], "Env": [PATH]},
    ),
    Image(
        name="redis",
        tag="redis:latest",
        variant="extract",
        packages=("base-files", "coreutils", "dash", "findutils", "redis-server", "util-linux"),
        customise=("customise/redis",),
        # As the registry's image of that name, VOLUME included: the driver has to live with the
        # engine copying the image's /data into a new volume.
        config={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["redis-server", "--protected-mode", "no"],
            "Env": [PATH],
            "ExposedPorts": {"6379/tcp": {}},
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
        },
    ),
    Image(
        name="postgres",
        tag="postgres:17",
        variant="extract",
        packages=("base-files", "coreutils", "dash", "findutils", "postgresql-17", "util-linux"),
        excluded=(
            # Compiles long queries; without it Postgres interprets them.
            "/usr/lib/*/libLLVM*",
            "/usr/lib/*/libz3*",
            "/usr/lib/postgresql/*/lib/bitcode/*",
            "/usr/lib/postgresql/*/lib/llvmjit*",
            # Debian's scripts for several clusters on one machine.
            "/usr/bin/perl*",
            "/usr/lib/*/libperl*",
            "/usr/lib/*/perl*",
            "/usr/share/perl*",
            # The locale is C.
            "/usr/lib/*/gconv/*",
            "/usr/share/i18n/*",
        ),
        customise=("customise/postgres",),
        # As the registry's image of that name: variables, folder, port and signal.
        config={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "Env": [
                f"PATH=/usr/lib/postgresql/17/bin:{PROGRAMS}",
                "PGDATA=/var/lib/postgresql/data",
            ],
            "ExposedPorts": {"5432/tcp": {}},
            "StopSignal": "SIGINT",
            "Volumes": {"/var/lib/postgresql/data": {}},
        },
    ),
    Image(
        name="moby-counter",
        tag="binocarlos/moby-counter:latest",
        variant="extract",
        packages=(
            "base-files",
            "coreutils",
            "dash",
            "python3",
            "python3-psycopg-c",
            "python3-redis",
            "python3-starlette",
            "python3-uvicorn",
        ),
        customise=("customise/moby-counter",),
        config={
            "Cmd": ["python3", "-m", "moby_counter"],
            "Env": [PATH, "PYTHONUNBUFFERED=1"],
            "ExposedPorts": {"80/tcp": {}},
            "User": "65534:65534",
            "WorkingDir": "/srv",
        },
        app="app/web",
    ),
)

IMAGES = (NODE, *STORY)
IMAGES_WITH_CEPH = (NODE_WITH_CEPH, *STORY)
