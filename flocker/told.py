"""What this node's engine was told when a volume was created here.

The engine asks the driver to create only what does not exist anywhere. On another
node it keeps the options that were typed to itself, so a size that differs
would never be noticed (docs/decisions/0001). It can be asked for them, but not
from within its own question: it would ask the driver again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flocker.errors import BadRequest, EngineAway
from flocker.options import differences, read_options
from flocker.records import Volume

log = logging.getLogger(__name__)

LATER_SECONDS = 0.5  # the engine remembers the options once our answer is with it
AGAIN_SECONDS = 10.0


class Told:
    """The options typed here, read from the engine a moment after it asked about a volume."""

    def __init__(self, read: Callable[[str], dict[str, str] | None]) -> None:
        """`read` asks the engine for a volume's options; it may raise EngineAway."""
        self._read = read
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}
        self._options: dict[str, dict[str, str]] = {}

    def look_later(self, name: str) -> None:
        """The engine has just asked about a volume: look what it was told about it."""
        with self._lock:
            last = self._looked_at.get(name)
            if last is not None and time.monotonic() - last < AGAIN_SECONDS:
                return
            self._looked_at[name] = time.monotonic()
        timer = threading.Timer(LATER_SECONDS, self.look, [name])
        timer.daemon = True
        timer.start()

    def look(self, name: str) -> None:
        """Read what the engine was told."""
        try:
            options = self._read(name)
        except EngineAway as error:
            log.debug("%s", error)
            return
        with self._lock:
            if options:
                self._options[name] = options
            else:
                self._options.pop(name, None)

    def differences(self, volume: Volume) -> list[str]:
        """What was asked for here and is otherwise, a sentence each."""
        options = self._options.get(volume.name, {})
        try:
            return differences(read_options(options), volume)
        except BadRequest as error:
            return [str(error)]
