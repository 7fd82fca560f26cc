"""A visitor of moby-counter: opens the page, clicks, and looks at what is there."""

from __future__ import annotations

from acceptance.app import pictures
from acceptance.app.browser import Browser
from acceptance.app.client import MobyCounter
from acceptance.app.whale import Whale
from acceptance.base import evidence
from acceptance.base.waiting import eventually
from acceptance.nodes.node import Node
from report import attachments

PAGE_SECONDS = 30
# CSS pixels of the sea, far enough from each other to be told apart on a picture.
PLACES = [Whale(200, 140), Whale(420, 310), Whale(700, 90), Whale(930, 420), Whale(1100, 200)]
CLICK_SECONDS = 30  # a whale is there when it is on disk


class Visitor:
    """One person with one browser, who remembers where the whales were placed."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._picture: tuple[str, bytes] | None = None
        self.placed: list[Whale] = []

    def open(self, node: Node) -> None:
        """Open the app on a node, once it answers, and wait until it has its data.

        Raises:
            NeverCame: it did not answer in time.
        """
        self._app = MobyCounter(node.address)
        eventually(self._app.ping, is_=True, within=PAGE_SECONDS)
        self._browser.open(f"http://{node.address}/")
        eventually(self._browser.shows_preloader, is_=False, within=PAGE_SECONDS)

    def click(self, count: int) -> None:
        """Click where there is no whale yet, so often, each time when the page can take it.

        Raises:
            NeverCame: the app did not keep a whale.
        """
        for whale in self._free_places(count):
            eventually(self._browser.shows_preloader, is_=False, within=PAGE_SECONDS)
            self._browser.click_at(*whale)
            self.placed.append(whale)
            eventually(self._app.whales, is_=self.placed, within=CLICK_SECONDS)

    def place_by_script(self) -> None:
        """Place a whale without the page, as a program would.

        Raises:
            requests.RequestException: the app refused it or does not answer.
        """
        [whale] = self._free_places(1)
        self._app.place(whale)
        self.placed.append(whale)

    def complaints(self) -> list[str]:
        """Faults that the page reported since last asked."""
        return self._browser.console_errors()

    def seen(self) -> list[Whale]:
        """Where whales are drawn on the page, in whole pixels, in the order of the page."""
        return [Whale.at(x, y) for x, y in self._browser.whale_centres()]

    def is_asked_to_click(self) -> bool:
        """True if the page shows the message of an empty sea."""
        return self._browser.shows_click_message()

    def serving_node(self) -> str:
        """The node the page's badge names."""
        return self._browser.serving_node()

    def take_picture(self, title: str) -> None:
        """Put a picture of the page into the report, from the second on beside the one before."""
        picture = self._browser.screenshot()
        evidence.picture(title, picture, attachments.PICTURE)
        if self._picture is not None:
            before, earlier = self._picture
            pictures.side_by_side(earlier, picture, (before, title))
        self._picture = (title, picture)

    def leave(self) -> None:
        """Close the browser."""
        self._browser.close()

    def _free_places(self, count: int) -> list[Whale]:
        taken = len(self.placed)
        assert taken + count <= len(PLACES), f"no room for {count} more whales than {taken}"
        return PLACES[taken : taken + count]
