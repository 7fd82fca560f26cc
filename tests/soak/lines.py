"""Lines through which a twin node reaches everything, and where faults come at random.

Longer waits are cut short when the node loses its power: nothing of it goes on then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import Any

from flocker.base.errors import OwnerAway, TransferFailed
from tests.unit.flocker.wires import LOST_WITHIN, PowerCut, silence

ANSWER_SECONDS = 5.0  # for which a peer is waited for, or the next piece of its stream
LOST, LATE, BROKEN = 0.005, 0.0025, 0.002  # of all calls: answers, changes in etcd, streams
END = object()  # of a stream


def seeded(*of: object) -> Random:
    """Chance that is the same in every run with the same seed."""
    return Random(" ".join(map(str, of)))  # noqa: S311 - nothing is kept secret with it


@dataclass
class Weather:
    """The faults of one node at the moment, and how often each came.

    Attributes:
        is_paused: nothing on the node goes on.
        pool_hangs: no call to its pool returns.
        is_cut_off: neither etcd nor peers can be reached.
        is_fair: nothing goes wrong by chance.
    """

    random: Random
    is_paused: bool = False
    pool_hangs: bool = False
    is_cut_off: bool = False
    is_fair: bool = False
    calls: int = 0
    faults: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def set(self, **how: bool) -> None:
        with self.changed:
            for name, is_so in how.items():
                setattr(self, name, is_so)
            self.changed.notify_all()

    def stops(self, target: str) -> bool:
        return self.is_paused or (self.pool_hangs and target == "pool")


class Line:
    """The way out of one run of a daemon; when that ends, nobody gets any further.

    Args:
        held: `is_on` while this thread's changes in etcd are to be made late, `is_deaf` while it
            does not hear of those it makes.
    """

    def __init__(self, weather: Weather, held: threading.local) -> None:
        self._weather = weather
        self._held = held
        self.is_dead = False

    def cut(self) -> None:
        with self._weather.changed:
            self.is_dead = True
            self._weather.changed.notify_all()

    def call(self, target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        weather = self._weather
        self._wait(target)
        if target != "pool" and weather.is_cut_off:
            raise silence(target)
        chance = 1.0 if weather.is_fair or target == "pool" else weather.random.random()
        weather.calls += 1
        weather.faults += chance < LOST + LATE
        self._held.is_on = LOST <= chance < LOST + LATE and target == "ownership"
        is_within = function.__name__ in LOST_WITHIN
        self._held.is_deaf = chance < LOST and is_within
        try:
            answer = function(*args, **kwargs)
        finally:
            self._held.is_on = self._held.is_deaf = False
        self._wait(target)
        if chance < LOST and not is_within:
            raise silence(target)
        return self._each(target, answer) if isinstance(answer, Iterator) else answer

    def _each(self, target: str, stream: Iterator[Any]) -> Iterator[Any]:
        for piece in stream:
            self._wait(target)
            if target != "pool" and self._weather.is_cut_off:
                raise silence(target)
            yield piece

    def _wait(self, target: str) -> None:
        with self._weather.changed:
            self._weather.changed.wait_for(lambda: self.is_dead or not self._weather.stops(target))
        if self.is_dead:
            raise PowerCut


class Answers:
    """Peers that are waited for only so long, as over the network; what they were asked goes on.

    Their streams break off now and then.
    """

    def __init__(self, peers: object, weather: Weather) -> None:
        self._peers = peers
        self._weather = weather

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._peers, name)

        def ask(*args: Any, **kwargs: Any) -> Any:
            answer = _within(ANSWER_SECONDS, lambda: call(*args, **kwargs))
            return self._pieces(answer) if isinstance(answer, Iterator) else answer

        return ask

    def _pieces(self, stream: Iterator[Any]) -> Iterator[Any]:
        while True:
            try:
                piece = _within(ANSWER_SECONDS, lambda: next(stream, END))
            except OwnerAway as error:
                raise TransferFailed(str(error)) from error
            if piece is END:
                return
            if not self._weather.is_fair and self._weather.random.random() < BROKEN:
                self._weather.faults += 1
                raise TransferFailed("the stream broke off")
            yield piece


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    result: Future[Any] = Future()

    def ask() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=ask, name="peer", daemon=True).start()
    try:
        return result.result(seconds)
    except PowerCut:
        raise OwnerAway("of a twin", "the peer", "the connection broke off") from None
    except TimeoutError:
        raise OwnerAway("of a twin", "the peer", f"no answer for {seconds:.0f} s") from None
