"""Ask the kernel something about a file, without Python's interpreter lock.

`fcntl.ioctl` keeps that lock if the argument is larger than 1024 bytes and to be written to, as
those of btrfs are (4096). The kernel may wait for the disk in any of them, also in those that only
read, and then the whole daemon would stand still. ctypes gives the lock up.

Source: Modules/fcntlmodule.c of Python 3.11 to 3.13.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


def ioctl(file: int, request: int, argument: bytearray | bytes | None = None) -> None:
    """Make one ioctl on an open file; not bounded in time.

    Args:
        argument: what the kernel reads; what it writes is in there afterwards, in a bytearray.

    Raises:
        OSError: it failed.
    """
    if isinstance(argument, bytearray):
        where = (ctypes.c_char * len(argument)).from_buffer(argument)
        failed = _libc.ioctl(file, request, ctypes.addressof(where))
    else:
        failed = _libc.ioctl(file, request, argument)
    if failed == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
