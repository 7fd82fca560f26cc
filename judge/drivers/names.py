"""Names of volumes and containers that trials make."""

from __future__ import annotations

import uuid


def fresh_name() -> str:
    """A name that nothing has had."""
    return f"judged-{uuid.uuid4().hex[:12]}"
