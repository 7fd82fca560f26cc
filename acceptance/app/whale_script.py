"""A script that places whales one after another, and knows which the app has acknowledged."""

from __future__ import annotations

import itertools
import threading

import requests

from acceptance.app.client import MobyCounter
from acceptance.app.whale import Whale
from acceptance.base.waiting import eventually, eventually_true
from acceptance.nodes.node import Node

COLUMNS, ROWS, STEP = 30, 18, 40  # CSS pixels of the sea; no two whales of a run at one place
FIRST = 10  # enough to know that it goes on
FIRST_SECONDS = 30


class WhaleScript:
    """Places whales on a node, once the app answers, until it no longer does or is told to stop.

    Raises:
        NeverCame: the app does not answer.
    """

    def __init__(self, node: Node) -> None:
        self._app = MobyCounter(node.address)
        self._acknowledged: list[Whale] = []
        self._stopping = threading.Event()
        eventually(self._app.ping, is_=True, within=FIRST_SECONDS)
        threading.Thread(target=self._run, name="whale-script", daemon=True).start()

    @property
    def acknowledged(self) -> list[Whale]:
        """Where the app has said that a whale is, on disk, oldest first."""
        return list(self._acknowledged)

    def wait_until_it_goes_on(self) -> None:
        """Wait until some whales were acknowledged.

        Raises:
            NeverCame: the app keeps none.
        """
        eventually_true(
            lambda: len(self._acknowledged),
            lambda number: number >= FIRST,
            what=f"{FIRST} whales to be acknowledged",
            within=FIRST_SECONDS,
        )

    def stop(self) -> None:
        """Place no more. A question to a node that is gone is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        for number in itertools.count():
            if self._stopping.is_set() or number == COLUMNS * ROWS:
                return
            row, column = divmod(number, COLUMNS)
            whale = Whale(STEP * (column + 1), STEP * (row + 1))
            try:
                self._app.place(whale)
            except requests.RequestException:
                return
            self._acknowledged.append(whale)
