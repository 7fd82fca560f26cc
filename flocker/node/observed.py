"""The time that this node's daemon has seen pass, for everything that is deleted for good.

A wall clock may be months ahead or behind, and step. So a retention is counted in seconds during
which the daemon ran, added up over its restarts in a file in the pool. What is lost with that
file is counted anew: then data is kept longer, never shorter.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from flocker.base import private
from flocker.base.records import ClusterState

log = logging.getLogger(__name__)

# The daemon looks every few seconds. One that was stopped for long has not seen the time pass.
LOOK_SECONDS = 60.0
SAVE_SECONDS = 60.0
STEP_SECONDS = 5.0  # of the wall clock, against the kernel's count, within one look
CALM_SECONDS = 3600.0  # after such a step
APART_SECONDS = 60.0  # the clocks of two nodes; each is announced every few seconds


class Observed:
    """Counts this node's own time; any number of threads may ask.

    Args:
        file: where the count is kept.
        monotonic: a clock that never steps.
        wall: the one that people set.
    """

    def __init__(
        self,
        file: Path,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._seconds, self._since = _read(file)
        self._looked_at, self._wall_at = monotonic(), wall()
        self._saved_at = self._seconds
        self._stepped_at: float | None = None
        self._step = 0.0

    def look(self, state: ClusterState) -> None:
        """See time pass, and who is away, and keep the count; to be called every few seconds."""
        self.ages("away", seen_away(state).values())
        with self._lock:
            is_due = self._seconds - self._saved_at >= SAVE_SECONDS
            kept = json.dumps({"seconds": self._seconds, "since": self._since})
        if is_due:
            self._save(kept)  # not locked: a disk that hangs would keep the node from its lease

    def away_seconds(self, node: str, state: ClusterState) -> float:
        """For how long this node has missed another one since that was last heard of."""
        return self.age("away", seen_away(state)[node])

    def age(self, kind: str, key: str) -> float:
        """For how many seconds this has been known; 0 the first time."""
        with self._lock:
            self._pass()
            since = self._since.setdefault(kind, {}).setdefault(key, self._seconds)
            return self._seconds - since

    def ages(self, kind: str, keys: Collection[str]) -> dict[str, float]:
        """The ages of all there are of one kind; what is not among them is forgotten."""
        with self._lock:
            self._pass()
            known = self._since.get(kind, {})
            self._since[kind] = {key: known.get(key, self._seconds) for key in keys}
            return {key: self._seconds - since for key, since in self._since[kind].items()}

    def doubt(self, state: ClusterState) -> str | None:
        """Why no clock can be trusted at the moment, for people; None if all of them agree."""
        with self._lock:
            self._pass()
            stepped_at, step, at = self._stepped_at, self._step, self._wall()
            since = None if stepped_at is None else self._seconds - stepped_at
        if since is not None and since < CALM_SECONDS:
            return (
                f"this node's clock stepped by {step:.0f} s; nothing is deleted for good for "
                f"{(CALM_SECONDS - since) / 60:.0f} min more"
            )
        for node in sorted(state.nodes.keys() & state.seen.keys()):
            apart = datetime.fromisoformat(state.seen[node]).timestamp() - at
            if abs(apart) > APART_SECONDS:
                return (
                    f"the clock of {node} differs from this node's by {apart:.0f} s; nothing is "
                    "deleted for good here until they agree; `timedatectl` on both tells more"
                )
        return None

    def _pass(self) -> None:
        looked_at, wall_at = self._monotonic(), self._wall()
        passed = looked_at - self._looked_at
        step = wall_at - self._wall_at - passed
        self._seconds += min(passed, LOOK_SECONDS)
        if abs(step) > STEP_SECONDS:
            log.warning("the clock of this node stepped by %.0f s", step)
            self._stepped_at, self._step = self._seconds, step
        self._looked_at, self._wall_at = looked_at, wall_at

    def _save(self, kept: str) -> None:
        try:
            private.write(self._file, kept, is_flushed=True)
        except OSError as error:  # what is not kept is counted again after a restart
            log.warning("the time this node has seen pass was not written down: %s", error)
        self._saved_at = self._seconds


def _read(file: Path) -> tuple[float, dict[str, dict[str, float]]]:
    try:
        kept = json.loads(file.read_text())
        since = {
            str(kind): {str(key): float(at) for key, at in ages.items()}
            for kind, ages in kept["since"].items()
        }
        return float(kept["seconds"]), since
    except FileNotFoundError:
        return 0.0, {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s cannot be read, so all retentions begin anew: %s", file, error)
        return 0.0, {}


def seen_away(state: ClusterState) -> dict[str, str]:
    """Node -> its present absence; another one is another key."""
    away = state.seen.keys() - state.nodes.keys()
    return {node: f"{node} {state.seen[node]}" for node in away}
