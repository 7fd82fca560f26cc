"""`python3 -m box images|story|vm`: build what the nodes run from."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable

from box import apt, images
from box.recipe import IMAGES, IMAGES_WITH_CEPH, STORY
from box.vm import build
from host import progress

# Debian's packages of the programs that are called.
_PACKAGES = {
    "docker": "docker.io",
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "vagrant": "vagrant",
}


class Missing(Exception):
    """A program is not installed."""


def main() -> int:
    """Exit status 0: what was asked for is there and matches its inputs; 1: it is not, and why."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except (
        Missing, build.UnknownProvider, progress.StepFailed, apt.NoMirror, OSError
    ) as error:  # fmt: skip
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"{shlex.join(error.cmd)}: status {error.returncode}: {reason[0]}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m box", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], title: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=title, description=title)
        made.set_defaults(run=run)
        return made

    all_images = command(
        "images", _images, "the docker provider's node image and the story's images"
    )
    all_images.add_argument("--ceph", action="store_true", help="nodes have Ceph's daemons")
    command("story", _story, "only the story's images, which the nodes' own engines run")
    vm = command("vm", _vm, "box/vagrant<timestamp>.box of the nodes that are virtual machines")
    vm.add_argument("--provider", required=True, help="libvirt or virtualbox")
    vm.add_argument("--add", action="store_true", help="also make it known to Vagrant")
    return parser


def _images(arguments: argparse.Namespace) -> None:
    _need("mmdebstrap", "docker")
    images.build(IMAGES_WITH_CEPH if arguments.ceph else IMAGES)


def _story(_: argparse.Namespace) -> None:
    _need("mmdebstrap")
    images.build(STORY)


def _vm(arguments: argparse.Namespace) -> None:
    machine = build.machine_of(arguments.provider)
    _need("mmdebstrap", "qemu-img", *(["vagrant"] if arguments.add else []))
    box = build.build(machine)
    print(build.description(box))
    if arguments.add:
        build.add(box)


def _need(*programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        packages = " ".join(_PACKAGES[program] for program in missing)
        raise Missing(f"not installed: {', '.join(missing)}; type: apt-get install {packages}")


if __name__ == "__main__":
    sys.exit(main())
