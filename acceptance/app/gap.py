"""The app's downtime while it moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import requests

from acceptance.app.client import MobyCounter
from acceptance.app.whale import Whale
from acceptance.base.speed import Limit
from report import attachments

PROBES_PER_SECOND = 10
PROBE_SECONDS = 1.0

CORRECT = attachments.CORRECT
NODE_DOWN = "node down, not asked"


@dataclass(frozen=True)
class Probe:
    """One question to the app: when it was answered, where it went, what came of it."""

    at_seconds: float  # since the gap began
    address: str
    outcome: str  # CORRECT, or what was wrong in a few words


@dataclass(frozen=True)
class Gap:
    """The app's downtime: from the start to the first correct answer at the new address."""

    seconds: float
    old_address: str
    new_address: str
    probes: tuple[Probe, ...]


class GapNeverEnded(AssertionError):
    """The new address gave no correct answer in time; the message holds the last one."""


class GapWatch:
    """Asks the app ten times a second where its whales are, while it moves; slow nodes less often.

    Entered at the moment the app is told to stop. The old address is asked until `turn_to_new`,
    from then on the new one. A node that is not up is not asked: on a host whose nodes are down
    the packets would leave by the default route.

        with GapWatch(old, new, expected=whales, is_up=cluster.machines.is_reachable) as running:
            ...  # docker-compose stop on the old node
            running.turn_to_new()
            ...  # docker-compose up -d on the new node
            gap = running.wait(within=5)
    """

    def __init__(
        self, old: str, new: str, *, expected: Sequence[Whale], is_up: Callable[[], bool]
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
        """Wait for the first correct answer of the new address.

        Args:
            within: seconds from now, on nodes as quick as this machine.

        Raises:
            GapNeverEnded: there was none.
        """
        seconds = Limit(within).seconds
        if not self._ended.wait(seconds):
            last = self.probes[-1:]
            seen = f"{last[0].address}: {last[0].outcome}" if last else "nothing was asked"
            raise GapNeverEnded(
                f"no correct answer from {self._new} within {seconds:g} s; last: {seen}"
            )
        probes = self.probes
        return Gap(probes[-1].at_seconds, self._old, self._new, probes)

    def _run(self) -> None:
        beat_seconds = Limit(1 / PROBES_PER_SECOND).seconds
        question = 0
        while not self._ended.is_set():
            is_new = self._turned.is_set()
            address = self._new if is_new else self._old
            outcome = self._probe(address) if self._is_up() else NODE_DOWN
            self._probes.append(Probe(self.since_start(), address, outcome))
            if is_new and outcome == CORRECT:
                self._ended.set()
            # On the beat of the start; beats missed while waiting for an answer are left out.
            question = max(question + 1, int(self.since_start() / beat_seconds) + 1)
            if self._stop.wait(question * beat_seconds - self.since_start()):
                return

    def _probe(self, address: str) -> str:
        try:
            seen = MobyCounter(address).whales(within=PROBE_SECONDS)
        except requests.Timeout:
            return "no answer"
        except requests.ConnectionError:
            return "no connection"
        except requests.HTTPError as error:
            return f"status {error.response.status_code}"
        except (requests.RequestException, ValueError) as error:
            return f"unreadable: {error}"
        return CORRECT if seen == self._expected else f"wrong whales: {seen}"

    def since_start(self) -> float:
        """Seconds since the app was told to stop."""
        return time.monotonic() - self._started
