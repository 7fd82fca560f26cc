"""The provider of the nodes, their number, and whether they run a Ceph."""

import os
import subprocess
from pathlib import Path

from host import ROOT
from host.problem import Problem

BOX = "volume-plugins-demo/node"  # what Vagrant calls the box that is built here
SIZES = ("2", "3")
MADE_FOR = ROOT / ".vagrant" / "certs" / "size"
MADE_WITH_CEPH = ROOT / ".vagrant" / "certs" / "ceph" / "ceph.conf"


def chosen() -> str:
    """docker, libvirt or virtualbox: what was asked for, else what there is.

    Raises:
        Problem: another one was asked for.
    """
    done = subprocess.run(
        [ROOT / "provision" / "provider"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Problem(done.stderr.strip())
    return done.stdout.strip()


def builds(chosen: str) -> list[list[str]]:
    """The modules to run, with their arguments, before Vagrant can start nodes of a provider.

    A virtual machine starts from a box: ours, unless DEMO_BOX names another.
    """
    images = ["images", *(["--ceph"] if with_ceph() else [])] if chosen == "docker" else ["story"]
    commands = [["box", *images], ["host", "deb"]]
    if chosen != "docker" and "DEMO_BOX" not in os.environ:
        commands.append(["box", "vm", "--provider", chosen, "--add"])
    return commands


def wanted_size() -> str:
    """The size in NODES, else the size this cluster was made with, else 3; not yet checked."""
    return os.environ.get("NODES") or made_size() or "3"


def made_size() -> str | None:
    """The number of nodes this checkout's cluster was made for; None while there is none."""
    size = MADE_FOR.read_text().strip() if MADE_FOR.exists() else None
    return size if size in SIZES else None  # as the Vagrantfile reads it


def wanted_ceph() -> str:
    """The value of CEPH, which is `yes` if a Ceph is asked for; not yet checked."""
    return os.environ.get("CEPH", "")


def with_ceph() -> bool:
    """True if this checkout's cluster runs a Ceph, or is going to when it is made."""
    if made_size() is None:  # as the Vagrantfile reads it
        return wanted_ceph() == "yes"
    return MADE_WITH_CEPH.exists()


def box_folder() -> Path:
    """Where Vagrant keeps our box once it was added."""
    home = Path(os.environ.get("VAGRANT_HOME", "~/.vagrant.d")).expanduser()
    return home / "boxes" / BOX.replace("/", "-VAGRANTSLASH-")
