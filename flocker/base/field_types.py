"""The types of a record's fields, by which it is checked what others have written.

Any node can write anything to etcd. A number that is text would fail only where it is compared or
listed, and with it everything in that list.
"""

from __future__ import annotations

from collections.abc import Mapping, ValuesView
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MOST = 1 << 63  # bytes of anything; metrics are floats, which have an end


@dataclass(frozen=True)
class FieldType:
    """The values that a field may have.

    Attributes:
        kinds: of a value.
        inside: of all that is in a tuple or a mapping.
    """

    kinds: tuple[type, ...]
    inside: type | None

    def fits(self, value: Any) -> bool:
        """Tell whether a value is of this type."""
        if not isinstance(value, self.kinds):
            return False
        if isinstance(value, int):
            return abs(value) < MOST
        held = value.values() if isinstance(value, Mapping) else value
        if self.inside is None or not isinstance(held, (tuple, ValuesView)):
            return True
        return all(isinstance(each, self.inside) for each in held)


_KNOWN: dict[type, Mapping[str, FieldType]] = {}


def field_types(record: type) -> Mapping[str, FieldType]:
    """The fields of a dataclass, but for `unknown`; collected once, as records are read all day."""
    if record not in _KNOWN:
        hints = get_type_hints(record)
        known = [each.name for each in fields(record) if each.name != "unknown"]
        _KNOWN[record] = {name: _type(hints[name]) for name in known}
    return _KNOWN[record]


def _type(hint: Any) -> FieldType:
    kinds: list[type] = []
    inside = None
    for each in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin = get_origin(each)
        if origin is Literal:
            kinds.append(str)  # a newer version may know more words
        elif origin is None:
            kinds.append(each)
        else:
            kinds.append(origin)
            inside = get_args(each)[0 if origin is tuple else 1]
    return FieldType(tuple(kinds), inside)
