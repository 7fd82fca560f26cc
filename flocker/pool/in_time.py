"""Calls of a pool whose storage may be out of reach: each of them ends in time, done or not.

Each call runs in its own thread. A thread that hangs stays until the storage is back, and the
caller goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

from flocker.base.errors import PoolHangs
from flocker.pool.remote_pool import RemotePool

MOST_LATE = 32  # calls that hang at the same time; then each further one is refused at once
PATIENT_SECONDS = 40.0  # a metadata server that was lost is replaced after some 20 s
LONGER = dict.fromkeys(("clone", "clone_aside", "restore", "purge_aside"), 3600.0)  # they copy
SHORTER = {
    "close": 15.0,  # a peer waits for it for 20 s, the engine for 60 s
    "asides": 10.0,  # a person waits for the list for 20 s, of which other nodes may take 5
}
ASKS_NOBODY = frozenset({"mountpoint", "opened", "cut_off"})


# Only those who read through a Glance ask for these: it has a limit, and leaves one thread behind.
GLANCED_AT = frozenset({"used_bytes", "problem"})


def in_time(pool: RemotePool) -> RemotePool:
    """The same pool; a call raises PoolHangs when its time is over."""
    return cast(RemotePool, _InTime(pool))


class _InTime:
    """See in_time."""

    def __init__(self, pool: RemotePool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._late: set[Future[Any]] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pool, name)
        is_direct = name in ASKS_NOBODY | GLANCED_AT
        return found if is_direct else partial(self._call, name, found)

    def _call(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        what = name.replace("_", " ")
        with self._lock:
            if len(self._late) >= MOST_LATE:
                raise PoolHangs(f"Ceph does not answer ({what}); `ceph -s` tells more")
        job: Future[Any] = Future()
        threading.Thread(
            target=_run, args=(job, partial(call, *arguments, **named)), name=f"ceph {what}",
            daemon=True,
        ).start()  # fmt: skip
        seconds = {**LONGER, **SHORTER}.get(name, PATIENT_SECONDS)
        try:
            return job.result(seconds)
        except TimeoutError:
            if job.done():  # the storage's own word, or an answer that has just come
                return job.result()
        with self._lock:
            self._late.add(job)
        job.add_done_callback(self._is_done)
        raise PoolHangs(f"Ceph has not answered for {seconds:g} s ({what}); `ceph -s` tells more")

    def _is_done(self, job: Future[Any]) -> None:
        with self._lock:
            self._late.discard(job)


def _run(job: Future[Any], call: Callable[[], Any]) -> None:
    try:
        job.set_result(call())
    except BaseException as error:  # whatever it was, it is the caller's
        job.set_exception(error)
