"""Mounts of our own: nobody else sees them, and they end with this process."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

PLUGINS = Path("/run/docker/plugins")  # every engine looks here for its plugins
CLONE_NEWNS = 0x20000
_libc = ctypes.CDLL(None, use_errno=True)


def leave_the_machines_mounts() -> None:
    """Give the calling thread, and all that it starts, a mount table without others' plugins.

    A program that runs beside this one would otherwise copy our mounts into namespaces, and so
    keep what is unmounted here. The machine's engine would learn of drivers, and ask them for its
    own volumes long after they are gone. What others mount later is still seen here: a driver
    that is no child of ours mounts its volumes there.
    """
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rslave", "/"], check=True)
    PLUGINS.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(PLUGINS)], check=True)
