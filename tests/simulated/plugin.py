"""The driver of a simulated machine, as its engine calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flocker.base.errors import FlockerError
from judge.clients.cluster import Refused
from tests.simulated.network import Gone, NoReply, ask
from tests.simulated.scheduler import Scheduler

if TYPE_CHECKING:
    from tests.simulated.node import Daemon, Node

ANSWER_SECONDS = 120.0  # that an engine gives a call of a plugin


class Plugin:
    """Mount and Unmount, asked for once each, as engines do."""

    def __init__(self, node: Node, running: Scheduler) -> None:
        self._node = node
        self._running = running

    def mount(self, volume: str, mount_id: str) -> None:
        """Raises Refused: the driver refuses, or does not answer."""
        self._call(lambda daemon: daemon.driver.mount(volume, mount_id))

    def unmount(self, volume: str, mount_id: str) -> None:
        """An answer that does not come changes nothing."""
        with suppress(Refused):
            self._call(lambda daemon: daemon.driver.unmount(volume, mount_id))

    def _call(self, call: Callable[[Daemon], Any]) -> None:
        daemon = self._node.daemon
        try:
            if daemon is None:
                raise Gone("the plugin")
            ask(self._running, daemon.process, "plugin", lambda: call(daemon), ANSWER_SECONDS)
        except (FlockerError, OSError) as error:
            raise Refused(str(error)) from error
        except (Gone, NoReply) as error:
            raise Refused(f"the plugin does not answer: {error}") from error
