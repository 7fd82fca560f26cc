"""The spelling of a volume's name, as Docker has it.

People type names through Docker, which checks them, but they also come raw to the plugin socket and
from other nodes; and Docker prints those that it gets.
"""

from __future__ import annotations

import re

# Source: volume-name pattern of Docker; 255 is the longest name a directory entry can hold.
PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"
_NAME = re.compile(PATTERN)


def is_name(text: str) -> bool:
    """Tell whether it is spelled so."""
    return _NAME.fullmatch(text) is not None
