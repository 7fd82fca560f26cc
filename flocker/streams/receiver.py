"""A process that makes a snapshot of the stream at its standard input.

Large streams have thousands of commands; the daemon's own threads must not wait while they are
applied.

    python3 -m flocker.streams.receiver PATH [PARENT]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.streams import applier, send_stream

FAILED, REFUSED = 3, 4  # exit statuses, with the reason at standard error
PIECE_BYTES = 1 << 20


def main(path: Path, base: Path | None) -> int:
    """Receive; the exit status."""
    try:
        applier.apply(send_stream.read(_pieces()), path, base)
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
    paths = [Path(each) for each in sys.argv[1:]]
    sys.exit(main(paths[0], paths[1] if len(paths) > 1 else None))
