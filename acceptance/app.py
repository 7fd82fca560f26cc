"""moby-counter over HTTP, as a script sees it; and how long it does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import requests

from acceptance.speed import NODES

Whales = list[tuple[int, int]]
"""Where the whales are, (x, y) in CSS pixels from the sea's top left corner, oldest first."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
SAVE_SECONDS = 30.0  # the app answers after the whale is on disk
PROBES_PER_SECOND = 10
PROBE_SECONDS = 1.0

CORRECT = "correct"
NODE_DOWN = "node down, not asked"


class MobyCounter:
    """The app at one address.

    Every call is bounded in time (see acceptance.speed) and raises requests' exceptions:
    ConnectionError, Timeout, and HTTPError with what the app said.
    """

    def __init__(self, address: str) -> None:
        """`address` is a node's, e.g. 172.16.78.250; with a port only where it is not 80."""
        self._url = f"http://{address}"
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the host's is no way to a node

    def whales(self, *, timeout_seconds: float = READ_SECONDS) -> Whales:
        """All whales.

        Raises:
            ValueError: the answer is not a list of "x:y".
        """
        answer = self._ask("GET", "/v1/whales", timeout_seconds).json()
        if not isinstance(answer, list):
            raise ValueError(f"expected a list of whales from {self._url}, got {answer!r}")
        return [_parse_whale(whale) for whale in answer]

    def place(self, x: int, y: int) -> None:
        """Place a whale; when this returns, it is on disk.

        Raises:
            ValueError: the app answered something else than `ok`.
        """
        answer = self._ask("POST", "/v1/whales", SAVE_SECONDS, body=f"{x}:{y}").text
        if answer != "ok":
            raise ValueError(f"expected ok from {self._url}, got {answer!r}")

    def ping(self) -> bool:
        """Whether the app reaches its Redis."""
        return bool(self._ask("GET", "/v1/ping", READ_SECONDS).json()["connected"])

    def _ask(
        self, method: str, path: str, timeout_seconds: float, body: str | None = None
    ) -> requests.Response:
        seconds = NODES.allow(timeout_seconds)
        response = self._session.request(
            method,
            self._url + path,
            data=body,
            timeout=(min(NODES.allow(CONNECT_SECONDS), seconds), seconds),
            # A connection kept open would outlive the app's move and hide it.
            headers={"Connection": "close", "Content-Type": "text/plain"},
        )
        if not response.ok:
            said = response.text.strip()[:200]
            raise requests.HTTPError(
                f"{method} {self._url}{path}: {response.status_code} {said}", response=response
            )
        return response


def _parse_whale(whale: object) -> tuple[int, int]:
    x, colon, y = str(whale).partition(":")
    if not (colon and x.isdecimal() and y.isdecimal()):
        raise ValueError(f"expected a whale as x:y, got {whale!r}")
    return int(x), int(y)


@dataclass(frozen=True)
class Probe:
    """One question to the app: when it was answered, where it went, what came of it."""

    at_seconds: float  # since the gap began
    address: str
    outcome: str  # CORRECT, or what was wrong in a few words


@dataclass(frozen=True)
class Gap:
    """How long the app was away: from the start to the first correct answer at the new address."""

    seconds: float
    old_address: str
    new_address: str
    probes: tuple[Probe, ...]


class GapNeverEnded(AssertionError):
    """The new address gave no correct answer in time; the message holds the last one."""


class AppGap:
    """Asks the app ten times a second where its whales are, while it moves; slow nodes less often.

    Entered at the moment the app is told to stop. The old address is asked until `turn_to_new`,
    from then on the new one. A node that is not up is not asked: on a host whose nodes are down
    the packets would leave by the default route.

        with AppGap(old, new, expected=whales, is_up=cluster.machines.is_reachable) as running:
            ...  # docker-compose stop on the old node
            running.turn_to_new()
            ...  # docker-compose up -d on the new node
            gap = running.wait(within=5)
    """

    def __init__(
        self, old: str, new: str, *, expected: Sequence[tuple[int, int]], is_up: Callable[[], bool]
    ) -> None:
        """Prepare; `is_up` is called before each question and must be quick and not raise."""
        self._old = old
        self._new = new
        self._expected = list(expected)
        self._is_up = is_up
        self._started = 0.0
        self._probes: list[Probe] = []
        self._turned = threading.Event()
        self._ended = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="app-gap", daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def turn_to_new(self) -> None:
        """Ask the new address from now on."""
        self._turned.set()

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All questions so far, oldest first."""
        return tuple(self._probes)

    def wait(self, *, within: float) -> Gap:
        """Wait for the first correct answer of the new address, at most `within` seconds.

        Raises:
            GapNeverEnded: there was none.
        """
        if not self._ended.wait(within):
            last = self.probes[-1:]
            seen = f"{last[0].address}: {last[0].outcome}" if last else "nothing was asked"
            raise GapNeverEnded(
                f"no correct answer from {self._new} within {within:g} s; last: {seen}"
            )
        probes = self.probes
        return Gap(probes[-1].at_seconds, self._old, self._new, probes)

    def _run(self) -> None:
        beat_seconds = NODES.allow(1 / PROBES_PER_SECOND)
        question = 0
        while not self._ended.is_set():
            is_new = self._turned.is_set()
            address = self._new if is_new else self._old
            outcome = self._ask(address) if self._is_up() else NODE_DOWN
            self._probes.append(Probe(self._since_start(), address, outcome))
            if is_new and outcome == CORRECT:
                self._ended.set()
            # On the beat of the start; beats missed while waiting for an answer are left out.
            question = max(question + 1, int(self._since_start() / beat_seconds) + 1)
            if self._stop.wait(question * beat_seconds - self._since_start()):
                return

    def _ask(self, address: str) -> str:
        try:
            seen = MobyCounter(address).whales(timeout_seconds=PROBE_SECONDS)
        except requests.Timeout:
            return "no answer"
        except requests.ConnectionError:
            return "no connection"
        except requests.HTTPError as error:
            return f"status {error.response.status_code}"
        except (requests.RequestException, ValueError) as error:
            return f"unreadable: {error}"
        return CORRECT if seen == self._expected else f"wrong whales: {seen}"

    def _since_start(self) -> float:
        return time.monotonic() - self._started
