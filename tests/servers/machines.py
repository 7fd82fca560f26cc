"""Plain Debian servers that no Vagrantfile made: containers of this machine's engine.

Each is what a hosting company hands out: a Debian with systemd, sshd, a user `admin` who may use
sudo, and a package mirror; no engine, no etcd, no driver. Standard library only, so that

    python3 -m tests.servers.machines

can take away whatever a run that was killed has left.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from box import apt
from box.images import NOT_IN_IMAGES
from host import BUILD, LOGS, ROOT, loops, progress
from host.commands import attempt, docker_lines
from host.inputs import hash_of
from host.nodes import Container

SUITES = {"12": "bookworm", "13": "trixie"}
IMAGE = "volume-plugins-demo/server"
NETWORK = "flocker-servers"
NETWORK_PREFIX = "172.16.79"  # beside the nodes' subnet, behind the same guard
FIRST_ADDRESS = 11
USER = "admin"  # as in Debian's own images for clouds
INPUTS_LABEL = "inputs"
BOOT_SECONDS = 60

PACKAGES = (
    "ca-certificates", "dbus", "iproute2", "openssh-server", "procps", "sudo", "systemd",
    "systemd-sysv",
)  # fmt: skip

# The same rights as a node of the Vagrantfile has, for the reasons given there.
RIGHTS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=systempaths=unconfined",
    "--security-opt=apparmor=unconfined",
    "--device=/dev/loop-control",
    "--device-cgroup-rule=b 7:* rw",
    "--cgroupns=private",
    "--tmpfs=/run:exec",
    "--tmpfs=/tmp:exec",
    "--env=container=docker",
    "--env=SYSTEMD_PROC_CMDLINE="
    "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
    # overlay2 and the pool's file need a real file system below them.
    "--volume=/var/lib/docker",
    "--volume=/var/lib/flocker-disk",
)

# A server shares with every node: an identity made at its first start, and a container's ways.
SHARED = ("box/customise/identity", "box/customise/container")

CUSTOMISE = f"""
set -eu
chroot "$1" useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/{USER}"
rm -f "$1/etc/hostname" "$1/etc/resolv.conf"
rm -rf "$1"/var/lib/apt/lists/*
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer
"""


@dataclass(frozen=True)
class Server:
    """A running server. `debian` is "12" or "13"."""

    name: str
    address: str
    debian: str

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a line of shell on it, as root.

        Raises:
            subprocess.CalledProcessError: it failed, unless `check` is false.
        """
        return subprocess.run(
            ["docker", "exec", self.name, "bash", "-c", command],
            capture_output=True,
            text=True,
            check=check,
        )

    def let_in(self, public_key: str) -> None:
        """Let whoever has the private key log in as `admin`."""
        self.run(
            f"install -d -m 0700 -o {USER} -g {USER} /home/{USER}/.ssh"
            f" && echo '{public_key}' >>/home/{USER}/.ssh/authorized_keys"
        )

    def known_host(self) -> str:
        """Its line of ~/.ssh/known_hosts."""
        key = self.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub").stdout
        return f"{self.address} {key}"


@contextmanager
def servers(releases: Sequence[str]) -> Iterator[list[Server]]:
    """Servers of these releases of Debian, in this order; gone when the block ends."""
    for release in sorted(set(releases)):
        _build(release)
    remove()
    attempt("docker", "network", "create", f"--subnet={NETWORK_PREFIX}.0/24", NETWORK)
    try:
        yield [start(number, release) for number, release in enumerate(releases, 1)]
    finally:
        remove()


def start(number: int, debian: str) -> Server:
    """Start one more server, whose network is there; return when it lets people log in."""
    name, address = f"{NETWORK}-{number}", f"{NETWORK_PREFIX}.{FIRST_ADDRESS + number - 1}"
    options = (f"--name={name}", f"--hostname=debian-{number}", f"--ip={address}")
    _docker("run", "--detach", f"--network={NETWORK}", *options, *RIGHTS, _tag(debian))
    server = Server(name, address, debian)
    server.run(
        f"timeout {BOOT_SECONDS} sh -c 'until systemctl is-active --quiet ssh; do sleep 0.1; done'"
    )
    return server


def remove() -> None:
    """Take away all servers and their network."""
    names = docker_lines("ps", "--all", "--format={{.Names}}", f"--filter=name=^{NETWORK}-")
    pools = loops.of(tuple(map(_container, names)), loops.attached())
    if names:
        _docker("rm", "--force", "--volumes", *names)
    loops.detach(pools)
    if NETWORK in docker_lines("network", "ls", "--format={{.Name}}"):
        _docker("network", "rm", NETWORK)


def remove_images() -> None:
    """Take away what servers are started from."""
    for image in docker_lines("image", "ls", "--format={{.Repository}}:{{.Tag}}", IMAGE):
        _docker("image", "rm", image)


def _build(debian: str) -> None:
    made_from = Path(__file__).read_bytes() + hash_of(ROOT, "box", without=NOT_IN_IMAGES).encode()
    inputs = hashlib.sha256(made_from).hexdigest()
    label = f'{{{{ index .Config.Labels "{INPUTS_LABEL}" }}}}'
    if (attempt("docker", "image", "inspect", f"--format={label}", _tag(debian)) or "").strip() == (
        inputs
    ):
        return
    folder = BUILD / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    system = folder / f"debian-{debian}.tar"
    host_apt = apt.from_host(SUITES[debian])
    progress.run(
        f"Building a plain Debian {debian}",
        [
            "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
            "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
            *(f"--aptopt={option}" for option in host_apt.options),
            *(f'--customize-hook="{ROOT / script}" "$1"' for script in SHARED),
            f"--customize-hook={CUSTOMISE}",
            SUITES[debian], str(system), *host_apt.sources,
        ],
        LOGS / f"server-debian-{debian}.log",
    )  # fmt: skip
    changes = ('CMD ["/usr/local/sbin/container-init"]', f"LABEL {INPUTS_LABEL}={inputs}")
    _docker("import", *(f"--change={change}" for change in changes), str(system), _tag(debian))
    system.unlink()


def _tag(debian: str) -> str:
    return f"{IMAGE}:debian-{debian}"


def _container(name: str) -> Container:
    state = attempt("docker", "inspect", "--format={{.State.Pid}} {{json .Mounts}}", name) or "0 []"
    pid, _, mounts = state.partition(" ")
    found = [each for each in json.loads(mounts) if each["Type"] == "volume"]
    return Container(
        name=name,
        checkout=None,
        pid=int(pid),
        volumes=tuple(each["Name"] for each in found),
        folders=tuple(Path(each["Source"]) for each in found),
    )


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    remove()
    remove_images()
    sys.exit(0)
