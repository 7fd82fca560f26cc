"""A line in the journal for each change, and a name in the history, that say who asked.

The asker is known where the question comes in, and is kept beside the thread's work in a
context variable: what that work records in the history names it (`records.Event.by`). Work that
nobody asked for names nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from flocker.base.errors import FlockerError
from flocker.base.printable import printable

log = logging.getLogger("flocker.audit")

# A node says beside a question that it forwards for whom it asks. The node's name is its
# certificate's, so nobody is named that is not on that node.
FORWARDED_HEADER = "flocker-asked-by"

Kind = Literal["operator", "engine", "node", "person"]


@dataclass(frozen=True)
class Asker:
    """The one that asks.

    An operator or the engine on a node, the node itself, or, with a certificate of their own, an
    operator elsewhere.

    Attributes:
        name: the node's, or that in an operator's certificate.
        address: where the question comes from; empty for this node's own socket.
    """

    kind: Kind
    name: str
    address: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "node":
                return self.name
            case "person":
                return f"operator {self.name}"
            case _:
                return f"{self.kind} on {self.name}"


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker | None:
    """The asker of this thread's work; None: nobody asked for it."""
    return _asker.get()


def by() -> str:
    """The asker of this thread's work, for the history."""
    return str(_asker.get() or "")


@contextmanager
def asked(by: Asker, verb: str, about: str, *, is_change: bool = True) -> Iterator[None]:
    """Have the work inside know who asked for it; write a change and its outcome to the journal.

    Args:
        verb: what is asked for.
        about: the volumes, nodes or snapshots that it is asked for.
    """
    token = _asker.set(by)
    outcome = "done"
    try:
        yield
    except FlockerError as error:
        outcome = f"refused: {error}"
        raise
    except BaseException as error:
        outcome = f"failed: {type(error).__name__}"
        raise
    finally:
        _asker.reset(token)
        if is_change:
            who = f"{by} ({by.address})" if by.address else str(by)
            log.info("%s asked: %s %s: %s", *map(printable, (who, verb, about, outcome)))


def refused(caller: str, verb: str, about: str, why: str) -> None:
    """Write to the journal that a caller may not ask."""
    log.warning("%s asked: %s %s: refused: %s", *map(printable, (caller, verb, about, why)))
