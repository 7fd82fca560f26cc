"""A process that applies the stream at its standard input to a subvolume.

Large streams have thousands of commands; the daemon's own threads must not wait while they are
applied.

    python3 -m flocker.streams.receiver EXPECTED PATH [PARENT]

EXPECTED is in JSON: see expected.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.streams import applier, send_stream
from flocker.streams.expected import Expected

FAILED, REFUSED = 3, 4  # exit statuses, with the reason at standard error
PIECE_BYTES = 1 << 20


def main(expected: Expected, path: Path, base: Path | None) -> int:
    """Receive; the exit status."""
    try:
        applier.apply(send_stream.read(_pieces()), expected, path, base)
    except StreamRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    except TransferFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    return 0


def _pieces() -> Iterator[bytes]:
    while piece := os.read(sys.stdin.fileno(), PIECE_BYTES):
        yield piece


if __name__ == "__main__":
    wanted, *paths = sys.argv[1:]
    to, on = [*map(Path, paths), None][:2]
    assert to is not None
    sys.exit(main(Expected(**json.loads(wanted)), to, on))
