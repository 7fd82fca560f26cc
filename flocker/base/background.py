"""Work that runs behind the daemon's answers and must not end."""

from __future__ import annotations

import logging
from collections.abc import Callable


def attempt(log: logging.Logger, failure: str, action: Callable[[], object]) -> bool:
    """Do one round of what a background thread does again and again; whether it went well.

    The one place that answers every error, because nobody waits for these threads: one that ended
    by an error would be missed only when a lease is lost or a replica is old. So what nobody
    foresaw (a full disk, a defect) is logged with its traceback, and the next round tries again.

    Args:
        log: of the module whose round it is.
        failure: what to say when it fails.
    """
    try:
        action()
    except Exception:
        log.exception(failure)
        return False
    return True
