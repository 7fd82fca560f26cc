"""Keep a machine that may not join from a part of the node, but for some of its calls.

membership.py says which machine may join.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

Part = TypeVar("Part")


def admitted(
    part: Part, check: Callable[[], None], free: Collection[str] = (), **instead: Callable[..., Any]
) -> Part:
    """The same part, which may be used only while `check` does not refuse. See OnlyWhenAdmitted."""
    return cast(Part, OnlyWhenAdmitted(part, check, free, **instead))


class OnlyWhenAdmitted:
    """A part that may be used only while `check` does not refuse, but for the calls in `free`.

    Args:
        instead: calls that are answered by something else.
    """

    def __init__(
        self,
        part: object,
        check: Callable[[], None],
        free: Collection[str] = (),
        **instead: Callable[..., Any],
    ) -> None:
        self._part = part
        self._check = check
        self._free = free
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        if name in self._instead:
            return self._instead[name]
        found = getattr(self._part, name)
        if name in self._free or not callable(found):
            return found

        def checked(*arguments: Any, **named: Any) -> Any:
            self._check()
            return found(*arguments, **named)

        return checked
