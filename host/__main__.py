"""`python3 -m host COMMAND`: prepare this machine for nodes, or remove what the checkout made."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable

from host import (
    BUILD,
    LOGS,
    ROOT,
    cleanup,
    engine,
    facts,
    libvirt,
    packages,
    preflight,
    progress,
    provider,
    turn,
    venv,
)
from host import deb as driver
from host.commands import to_its_end
from host.problem import Problem
from host.progress import StepFailed

RESULTS = ("junit", "allure-results", "report")

# VirtualBox needs no daemon.
DAEMONS = {"docker": engine.start, "libvirt": libvirt.start}


def tools() -> None:
    """Install what is missing: Debian packages and the Python packages of the suite."""
    _check(preflight.BEFORE_INSTALLING)
    missing = packages.missing(provider.chosen())
    if missing:
        packages.install(missing)
    if not venv.is_current():
        venv.make()


def prepare() -> None:
    """As `tools`; then start the engine or libvirt if silent, and check that nodes can run."""
    tools()
    start = DAEMONS.get(provider.chosen())
    if start is not None:
        start()
    _check(preflight.BEFORE_NODES)


def check() -> None:
    """Say what keeps nodes from running on this machine; change nothing."""
    _check((*preflight.BEFORE_INSTALLING, *preflight.BEFORE_NODES))


def deb() -> None:
    """Build the driver's Debian package; one that has all changes already stays.

    The environment's SIGNING_KEY names a key of GnuPG's to sign it with.
    """
    with driver.alone():
        if not driver.is_current():
            tools()
            driver.build()
        if key := os.environ.get("SIGNING_KEY"):
            driver.sign(key)
    print(driver.described())


def forget() -> None:
    """Begin a run: remove the results of the last one, so that one that fails early has none."""
    turn.begin()
    for name in RESULTS:
        shutil.rmtree(BUILD / name, ignore_errors=True)


def up() -> None:
    """Build what the nodes run from, and start them; those that are up get the driver too."""
    turn.refuse_if_taken()
    chosen = provider.chosen()
    for command in provider.builds(chosen):
        # Each shows its own progress, and says itself what went wrong.
        if to_its_end([sys.executable, "-m", *command], cwd=ROOT):
            raise StepFailed(f"not started: `python3 -m {' '.join(command)}` failed")
    progress.run(
        "Starting the nodes and their Ceph" if provider.with_ceph() else "Starting the nodes",
        ["vagrant", "up", "--provision", f"--provider={chosen}"],
        LOGS / "vagrant-up.log",
        cwd=ROOT,
    )


def main() -> int:
    """Exit status 0: done; 1: not, with the reason; 2: usage."""
    parser = argparse.ArgumentParser(prog="python3 -m host", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (tools, prepare, check, deb, forget, up, cleanup.down, cleanup.clean):
        title = (run.__doc__ or "").splitlines()[0]
        commands.add_parser(run.__name__, help=title, description=title).set_defaults(run=run)
    return _run(parser.parse_args().run)


def _run(command: Callable[[], None]) -> int:
    # `su` without a login shell leaves root without these.
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    try:
        command()
    except (Problem, StepFailed, OSError) as error:  # OSError: of a full or read-only disk
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _check(checks: tuple[preflight.Check, ...]) -> None:
    found = preflight.problems(facts.read(provider.chosen()), checks)
    if found:
        raise Problem("\n".join(found))


if __name__ == "__main__":
    sys.exit(main())
