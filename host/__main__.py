"""`python3 -m host COMMAND`: get this machine ready for nodes, or take back what is ours."""

import argparse
import os
import sys
from collections.abc import Callable

from host import BUILD, LOGS, ROOT, cleanup, engine, packages, progress, surroundings, tally, venv
from host.problem import Problem
from host.progress import StepFailed


def tools() -> None:
    """Install what is missing: Debian packages and the Python packages of the suite."""
    _check(surroundings.BEFORE_INSTALLING)
    missing = packages.missing()
    if missing:
        packages.install(missing)
    if not venv.is_current():
        venv.make()


def prepare() -> None:
    """As `tools`; then start an engine if none answers, and check that nodes can run."""
    tools()
    engine.start()
    _check(surroundings.BEFORE_NODES)


def check() -> None:
    """Say what keeps nodes from running on this machine; change nothing."""
    _check((*surroundings.BEFORE_INSTALLING, *surroundings.BEFORE_NODES))


def up() -> None:
    """Start the nodes of this checkout; those that are up get its driver too."""
    progress.run(
        "Starting the nodes",
        ["vagrant", "up", "--provision"],
        LOGS / "vagrant-up.log",
        cwd=ROOT,
    )


def main() -> int:
    """Exit status 0: done; 1: not, with the reason; 2: usage."""
    parser = argparse.ArgumentParser(prog="python3 -m host", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (tools, prepare, check, up, cleanup.down, cleanup.clean):
        title = (run.__doc__ or "").splitlines()[0]
        commands.add_parser(run.__name__, help=title, description=title).set_defaults(run=run)
    closing = commands.add_parser("tally", help="print how many tests of the last run passed")
    closing.add_argument("status", type=int, help="the exit status of that run")
    closing.set_defaults(run=None)
    arguments = parser.parse_args()
    if arguments.run is None:
        print(tally.closing_line(BUILD / "junit", status=arguments.status))
        return 0
    return _run(arguments.run)


def _run(command: Callable[[], None]) -> int:
    # `su` without a login shell leaves root without these.
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    try:
        command()
    except (Problem, StepFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _check(checks: tuple[surroundings.Check, ...]) -> None:
    found = surroundings.problems(surroundings.read(), checks)
    if found:
        raise Problem("\n".join(found))


if __name__ == "__main__":
    sys.exit(main())
