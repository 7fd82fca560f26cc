"""Changes a cluster's authorities to new ones, while its nodes work.

A node that has a certificate of a new authority is only believed where that one is trusted
already. So there are three steps, and between them all nodes get what the last one made: trust the
new one too, let it sign, drop the old one. With each step nodes that have it, and nodes that
have the one before, believe each other.

An authority's folder says how far it is: `next` has the new one until it signs; `ca.pem` has all
that are trusted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path

from flocker.base import private
from flocker.certificates import signing
from flocker.certificates.signing import Wanted


class Step(IntEnum):
    """The steps, in their order."""

    TRUST = 1
    SIGN = 2
    DROP = 3


class NotYet(Exception):
    """Nodes have not been given what the step before made."""


def change(authorities: Mapping[Path, tuple[Wanted, Iterable[Path]]]) -> Step:
    """Go one step with all authorities, and tell which; safe to repeat after an interruption.

    Args:
        authorities: folder -> what is to be made, and the authorities of nodes below it.

    Raises:
        NotYet: nothing was changed.
        SigningFailed, OSError: it was not changed whole.
    """
    due = {folder: _due(folder) for folder in authorities}
    # Of an interrupted step one authority has it already, and then a new change would begin. Its
    # nodes cannot have it yet.
    is_last = set(due.values()) == {Step.DROP, Step.TRUST}
    step = Step.DROP if is_last else min(due.values())
    left = [folder for folder in authorities if due[folder] == step]
    if len(left) == len(due):
        for folder, (_, below) in authorities.items():
            for each in below:
                if not signing.is_good(each, folder, left_seconds=0):
                    raise NotYet(f"{each} is not of {folder} as it is now")
    for folder in left:
        _go(folder, step, authorities[folder][0])
    return step


def _due(folder: Path) -> Step:
    trusted, cert, new = folder / "ca.pem", folder / "cert.pem", folder / "next" / "cert.pem"
    if not new.exists():
        return Step.TRUST if trusted.read_text() == cert.read_text() else Step.DROP
    return Step.SIGN if new.read_text() in trusted.read_text() else Step.TRUST


def _go(folder: Path, step: Step, wanted: Wanted) -> None:
    new = folder / "next"
    if step == Step.TRUST:
        new.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
        signing.make(new, wanted, None)
        both = (folder / "cert.pem").read_text() + (new / "cert.pem").read_text()
        private.write_together(folder, {"ca.pem": both})
    elif step == Step.SIGN:
        pair = {name: (new / name).read_text() for name in ("key.pem", "cert.pem")}
        private.write_together(folder, pair)
        shutil.rmtree(new)
    else:
        private.write_together(folder, {"ca.pem": (folder / "cert.pem").read_text()})
