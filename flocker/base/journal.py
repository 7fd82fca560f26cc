"""The journal's lines: each message is one line, whatever is in it.

systemd takes each line of a program's standard error for an entry. So a line break in a name would
forge one, for example of who asked for what (audit.py).
"""

from __future__ import annotations

import logging
from typing import Any

from flocker.base.printable import printable

_FORM = "%(levelname)s %(name)s: %(message)s"
_INDENT = "    "


class OneLine(logging.Formatter):
    """Makes one line of a message; a traceback keeps its lines, which are indented."""

    def __init__(self) -> None:
        super().__init__(_FORM)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as its parent's
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as its parent's
        lines = super().formatException(ei).split("\n")
        return "\n".join(_INDENT + printable(line) for line in lines)


def log_to_journal(handler: logging.Handler | None = None) -> None:
    """Have this process write what is logged as such lines.

    Args:
        handler: takes the lines; the standard error by default.
    """
    handler = handler or logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
