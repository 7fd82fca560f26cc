"""`python3 -m box images`: build what the nodes run from."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys

from box import apt, images
from host import progress


def main() -> int:
    """Exit status 0: every image is there and matches its inputs; 1: it is not, and why."""
    parser = argparse.ArgumentParser(prog="python3 -m box", description=__doc__)
    parser.add_subparsers(required=True, metavar="command").add_parser(
        "images", help="the docker provider's node image and the story's images"
    )
    parser.parse_args()
    missing = [program for program in ("mmdebstrap", "docker") if not shutil.which(program)]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 1
    try:
        images.build_all()
    except (progress.StepFailed, apt.NoMirror) as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"{shlex.join(error.cmd)}: status {error.returncode}: {reason[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
