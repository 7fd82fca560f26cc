"""The one spelling of a volume's id: a UUID in lower case, with dashes and without anything else.

Python's `uuid` also reads capitals, braces, `urn:uuid:` and no dashes. Two spellings of one id
would be one volume on disk and two in every record, lock and check.
"""

from __future__ import annotations

import re

from flocker.base.errors import BadRequest

PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ID = re.compile(PATTERN)


def is_uuid(text: str) -> bool:
    """Tell whether it is spelled so; then it may become part of a path."""
    return _ID.fullmatch(text) is not None


def check_id(text: str) -> str:
    """Return the id, or refuse it.

    Raises:
        BadRequest: it is no UUID, or another spelling of one.
    """
    if not is_uuid(text):
        raise BadRequest(f"{text[:80]!r} is no volume's id: a UUID in lower case, with dashes")
    return text
