"""The app while it is moved from one node to another: how long it is away, for the report.

gap.py asks the app and counts, gap_drawing.py draws what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from acceptance.app import gap_drawing
from acceptance.app.gap import Gap, GapNeverEnded, GapWatch
from acceptance.app.whale import Whale
from acceptance.base import evidence
from acceptance.nodes.node import Node
from report.figure import APP_STARTED


class AppMove:
    """Watches the app while somebody moves it; one move at a time."""

    def __init__(self, is_up: Callable[[], bool]) -> None:
        """Prepare; see GapWatch for `is_up`."""
        self._is_up = is_up
        self._gap_watch: GapWatch | None = None
        self._watching = ExitStack()

    @contextmanager
    def leaving(self, old: Node, new: Node, whales: Sequence[Whale]) -> Iterator[None]:
        """Watch from the moment this block begins; the block stops the app on its old node.

        The app is asked ten times a second whether it shows `whales`: at the old node while the
        block runs, then at the new one, until `close`.
        """
        self.close()
        self._gap_watch = GapWatch(old.address, new.address, expected=whales, is_up=self._is_up)
        self._watching.enter_context(self._gap_watch)
        yield
        self._gap_watch.turn_to_new()

    def wait_until_back(self, within: float) -> Gap:
        """Return how long the app was away, once it shows its whales on the new node.

        Args:
            within: seconds from now, on nodes as quick as this machine.

        Raises:
            GapNeverEnded: it does not; the message says what it answered last.
        """
        assert self._gap_watch is not None, "nobody has moved the app"
        asked_at_seconds = self._gap_watch.since_start()
        try:
            gap = self._gap_watch.wait(within=within)
        except GapNeverEnded:
            gap_drawing.attach_probes(self._gap_watch.probes)
            raise
        gap_drawing.attach(gap)
        after_start = max(gap.seconds - asked_at_seconds, 0)
        evidence.figure(APP_STARTED, measured=after_start, promised=within)
        return gap

    def close(self) -> None:
        """Ask the app no more."""
        self._watching.close()
