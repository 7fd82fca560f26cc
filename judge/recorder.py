"""Writes down a run while it happens, by one clock. Any number of threads may tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from judge.clients.cluster import Cluster, Refused, Request, Unanswered
from judge.history import Action, Answered, AnyEvent, Asked, Outcome, Read, ordered


class Recorder:
    """The history of a run, as it grows.

    Args:
        now: seconds since the run began.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._lock = threading.Lock()
        self._events: list[AnyEvent] = []
        self._calls = count(1)

    def note(self, *events: AnyEvent) -> None:
        """Add events; they may be of an earlier time, as when a log is read later."""
        with self._lock:
            self._events += events

    def history(self) -> list[AnyEvent]:
        """All events so far, in the order of time."""
        with self._lock:
            return ordered(self._events)

    def do(self, client: str, cluster: Cluster, request: Request) -> Answered:
        """Have a request done, and note it and its answer."""
        return self._ask(client, request, lambda: cluster.do(request))

    def read(self, client: str, cluster: Cluster, node: str, volume: str) -> Answered:
        """Read all lines in a volume, and note them, with the request and its answer."""

        def look() -> str:
            began = self.now()
            content = cluster.read(node, volume)
            self.note(
                Read(
                    at=self.now(), began=began, node=node, volume=volume,
                    seen=content.seen, damaged=content.damaged,
                )
            )  # fmt: skip
            return ""

        return self._ask(client, Request(action=Action.READ, node=node, volume=volume), look)

    def _ask(self, client: str, request: Request, work: Callable[[], str]) -> Answered:
        call = next(self._calls)
        self.note(Asked(at=self.now(), call=call, client=client, **request.model_dump()))
        outcome, message, reference = Outcome.DONE, "", ""
        try:
            reference = work()
        except Refused as error:
            outcome, message = Outcome.REFUSED, str(error)
        except Unanswered as error:
            outcome, message = Outcome.UNKNOWN, str(error)
        answer = Answered(
            at=self.now(), call=call, outcome=outcome, message=message, reference=reference
        )
        self.note(answer)
        return answer
