"""No ioctl of the driver keeps its other threads waiting."""

from __future__ import annotations

import errno
import os
import struct
import termios
from pathlib import Path

import pytest

import flocker
from flocker.btrfs.ioctl import ioctl


def test_the_kernel_answers_in_the_argument() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"hello")
        answer = bytearray(4)
        ioctl(reader, termios.FIONREAD, answer)
        assert struct.unpack("=i", answer) == (5,)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_refusal_is_an_error() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match=os.strerror(errno.ENOTTY)):
            ioctl(reader, termios.TCGETS, bytearray(64))
    finally:
        os.close(reader)
        os.close(writer)


def test_no_module_makes_an_ioctl_that_keeps_the_interpreter_lock() -> None:
    folder = Path(flocker.__file__).parent
    assert not [
        path.relative_to(folder)
        for path in folder.rglob("*.py")
        if path.name != "ioctl.py" and "fcntl.ioctl" in path.read_text()
    ]
