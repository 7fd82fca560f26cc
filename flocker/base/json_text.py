"""JSON from elsewhere, with text that can be shown and sent on."""

from __future__ import annotations

import json
import re
from typing import Any

# Half a pair of surrogates is text to Python, and to nothing that writes UTF-8: one in one record
# would end each answer that has the record in it.
_HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def read_json(text: str) -> Any:
    """Read a value.

    Raises:
        ValueError: it is no JSON, or has half a pair of surrogates.
    """
    value = json.loads(text)
    if _HALF.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value
