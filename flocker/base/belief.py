"""A caller's belief, which must still be true at the moment a pool takes data away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Belief:
    """Why a caller wants the data of a volume taken away.

    The caller looked some time ago. The pool asks again, with the volume locked, so that the
    look is not older than the lock.

    Attributes:
        confirm: looks into etcd; raises a FlockerError if the data is wanted after all.
        epoch: the latest that the writable copy may be at; None for any.
    """

    confirm: Callable[[], None]
    epoch: int | None = None
