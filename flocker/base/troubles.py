"""Trouble that background work has with single things, kept for people until the work succeeds.

Each task goes over its things in rounds. A thing that fails neither stops the
others nor disappears in the log: its trouble is listed until a later round
goes well, or finds that the thing is gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flocker.base.errors import ControlPlaneAway, FlockerError, StaleEpoch

log = logging.getLogger(__name__)


class Round:
    """One round of a task; `troubles` maps each thing that failed to the reason."""

    def __init__(self, former: dict[str, str]) -> None:
        self._former = former
        self.troubles: dict[str, str] = {}

    def attempt(self, thing: str, action: Callable[[], object]) -> bool:
        """Do one thing's share of the task and return True if it went well.

        Args:
            thing: as people know it, e.g. `volume 'demo'`.

        Raises:
            ControlPlaneAway: without etcd the other things would fail as well.
        """
        try:
            action()
        except ControlPlaneAway:
            raise
        except StaleEpoch as error:  # it changed under this round; the next one sees that
            log.info("%s: %s", thing, error)
            return False
        except (FlockerError, OSError) as error:
            self._note(thing, str(error))
            return False
        except Exception as error:  # a defect must not reach the other things either
            if self._note(thing, repr(error)):
                log.exception("%s: unforeseen", thing)
            return False
        return True

    def _note(self, thing: str, reason: str) -> bool:
        """Remember the trouble; return True and log it if the last round did not have it."""
        self.troubles[thing] = reason
        is_new = self._former.get(thing) != reason
        if is_new:
            log.warning("%s: %s", thing, reason)
        return is_new


class Troubles:
    """The troubles of all tasks; any number of threads may work and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_task: dict[str, dict[str, str]] = {}

    @contextmanager
    def round(self, task: str) -> Iterator[Round]:
        """Begin a round; its troubles replace those of the task's last round.

        A round that is broken off by an error says nothing about the things it
        did not reach, so their former troubles stay.
        """
        with self._lock:
            former = self._by_task.get(task, {})
        this = Round(former)
        try:
            yield this
        except BaseException:
            self._replace(task, former | this.troubles)
            raise
        self._replace(task, this.troubles)

    def all(self) -> list[str]:
        """Every trouble as one sentence, sorted."""
        with self._lock:
            by_task = list(self._by_task.values())
        return sorted({f"{thing}: {why}" for each in by_task for thing, why in each.items()})

    def _replace(self, task: str, troubles: dict[str, str]) -> None:
        with self._lock:
            self._by_task[task] = troubles
