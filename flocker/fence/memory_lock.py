"""Keep a process in memory: what has to act when memory runs out must not wait for a disk."""

from __future__ import annotations

import ctypes
import os

# Source: linux, include/uapi/asm-generic/mman.h; the same on x86-64 and arm64.
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)


def lock_memory() -> None:
    """Lock what the process has in memory now, and what it will use.

    Of what comes later only the pages that are used: threads reserve stacks of megabytes.

    Raises:
        OSError: the kernel refuses, as for a limit (RLIMIT_MEMLOCK) that is too low.
    """
    for flags in (MCL_CURRENT, MCL_FUTURE | MCL_ONFAULT):
        if _libc.mlockall(flags) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mlockall: {os.strerror(number)}")
