"""Asks every node again and again for what its driver says, and notes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from judge.clients.cluster import Refused, Unanswered
from judge.nodes.cluster import Nodes
from judge.nodes.promotions import History
from judge.recorder import Recorder

SAMPLE_SECONDS = 2.0
HISTORY_EACH = 15  # samples


class Watch:
    """A thread that looks all the time.

    Args:
        nodes: with a connection that nobody else uses.
    """

    def __init__(self, nodes: Nodes, recorder: Recorder, history: History) -> None:
        self._nodes = nodes
        self._recorder = recorder
        self._history = history
        self._over = threading.Event()
        self._error: Exception | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look for as long as the block takes.

        Raises:
            RuntimeError: at the end, if an error has ended the looks before.
        """
        thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        if self._error is not None:
            raise RuntimeError("nobody has watched the run to its end") from self._error

    def _watch(self) -> None:
        try:
            self._look_until_over()
        except Exception as error:  # of a thread that nobody would see end
            self._error = error

    def _look_until_over(self) -> None:
        looks = 0
        while not self._over.wait(SAMPLE_SECONDS):
            looks += 1
            for node in self._nodes.nodes:
                self._recorder.note(*self._nodes.sample(node))
            if looks % HISTORY_EACH == 0:
                with suppress(Refused, Unanswered):
                    self._history.see(self._nodes.ask(self._nodes.nodes[0], "history")["events"])
