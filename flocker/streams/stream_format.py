"""The names of the commands and attributes in what `btrfs send` writes.

Source: linux, fs/btrfs/send.h.
"""

from __future__ import annotations

from enum import IntEnum

UPDATE_EXTENT = 22  # in the place of data that was not asked for; enum btrfs_send_cmd


class Kind(IntEnum):
    """The commands that a stream may consist of; enum btrfs_send_cmd."""

    SUBVOL = 1
    SNAPSHOT = 2
    MKFILE = 3
    MKDIR = 4
    MKNOD = 5
    MKFIFO = 6
    MKSOCK = 7
    SYMLINK = 8
    RENAME = 9
    LINK = 10
    UNLINK = 11
    RMDIR = 12
    SET_XATTR = 13
    REMOVE_XATTR = 14
    WRITE = 15
    CLONE = 16
    TRUNCATE = 17
    CHMOD = 18
    CHOWN = 19
    UTIMES = 20
    END = 21


class Attribute(IntEnum):
    """The attributes of those commands that are needed; enum of BTRFS_SEND_A_*."""

    UUID = 1
    CTRANSID = 2
    SIZE = 4
    MODE = 5
    UID = 6
    GID = 7
    RDEV = 8
    MTIME = 10
    ATIME = 11
    XATTR_NAME = 13
    XATTR_DATA = 14
    PATH = 15
    PATH_TO = 16
    PATH_LINK = 17
    FILE_OFFSET = 18
    DATA = 19
    CLONE_UUID = 20
    CLONE_CTRANSID = 21
    CLONE_PATH = 22
    CLONE_OFFSET = 23
    CLONE_LEN = 24
