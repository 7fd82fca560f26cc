"""Remember the options that this node's engine was given when a volume was created here.

The engine asks the driver to create only what does not exist anywhere. On another
node it keeps the options that were typed to itself, so a size that differs
would never be noticed (docs/decisions/0001). It can be asked for them, but not
from within its own question: it would ask the driver again.

The engine remembers by name, and does not hear of a volume that another node removes. So when a
new volume has the name, the options it tells may be those of the one before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flocker.base.errors import BadRequest, EngineAway
from flocker.base.options import differences, read_options
from flocker.base.records import Volume

log = logging.getLogger(__name__)

LATER_SECONDS = 0.5  # the engine remembers the options once our answer is with it
AGAIN_SECONDS = 10.0


@dataclass(frozen=True)
class _Typed:
    """The options that were typed for the volume of an id."""

    volume_id: str
    options: dict[str, str]


class TypedOptions:
    """The options typed here, read from the engine a moment after it asked about a volume."""

    def __init__(self, read: Callable[[str], dict[str, str] | None]) -> None:
        """`read` asks the engine for a volume's options; it may raise EngineAway."""
        self._read = read
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}
        self._typed: dict[str, _Typed] = {}  # by name

    def look_later(self, volume: Volume) -> None:
        """The engine has just asked about a volume: look what it was told about it."""
        with self._lock:
            last = self._looked_at.get(volume.id)
            if last is not None and time.monotonic() - last < AGAIN_SECONDS:
                return
            self._looked_at[volume.id] = time.monotonic()
        self._later(lambda: self.look(volume))

    def look(self, volume: Volume) -> None:
        """Read what the engine was told."""
        options = self._read_now(volume.name)
        if options is None:
            return
        with self._lock:
            last = self._typed.get(volume.name)
            # The same words may have been typed again. Rather tell of nothing than of what was
            # asked for a volume that is gone.
            if last is None or last.volume_id == volume.id or last.options != options:
                self._typed[volume.name] = _Typed(volume.id, options)

    def removed(self, volume: Volume) -> None:
        """Another node has removed a volume: have the engine ask, and forget it."""
        with self._lock:
            self._looked_at.pop(volume.id, None)
        self._later(lambda: self._read_now(volume.name))

    def differences(self, volume: Volume) -> list[str]:
        """The options typed here that differ from the record, a sentence each."""
        typed = self._typed.get(volume.name)
        if typed is None or typed.volume_id != volume.id:
            return []
        try:
            return differences(read_options(typed.options), volume)
        except BadRequest as error:
            return [str(error)]

    def _read_now(self, name: str) -> dict[str, str] | None:
        """None if the engine does not answer."""
        try:
            return self._read(name) or {}
        except EngineAway as error:
            log.debug("%s", error)
            return None

    def _later(self, action: Callable[[], object]) -> None:
        timer = threading.Timer(LATER_SECONDS, action)
        timer.daemon = True
        timer.start()
