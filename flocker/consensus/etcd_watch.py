"""Everything that is in etcd, now and after every change."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator

from flocker.base.errors import ControlPlaneAway
from flocker.base.records import ClusterState
from flocker.consensus.etcd_wire import Json, Members, key_of, read_below, value_of, watch_from
from flocker.consensus.keyspace import KINDS, Tables

log = logging.getLogger(__name__)

# Each node is announced every 3 s, so a watch that works is never silent for so long.
SILENCE_SECONDS = 6
POLL_SECONDS = 0.5  # how late `stopping` may be noticed
AGAIN_SECONDS = 0.2  # between two watches, so that one that ends at once keeps nobody busy


def read_tables(members: Members) -> tuple[Tables, int]:
    """All records there are, read in one step, and the revision they are of.

    History is left out: it is long, and only ever asked for by itself.
    """
    answer = members.ask("/kv/txn", {"success": [read_below(f"{kind}/") for kind in KINDS]})
    tables = Tables()
    for response in answer["responses"]:
        for stored in response["response_range"].get("kvs", []):
            tables.put(key_of(stored), value_of(stored))
    return tables, int(answer["header"]["revision"])


def follow(members: Members, stopping: threading.Event) -> Iterator[ClusterState]:
    """See Ownership.follow.

    Whenever a watch ends, for whatever reason, everything is read anew: etcd may have
    forgotten the changes since, and the member that was watched may be gone.
    """
    told: ClusterState | None = None
    while not stopping.is_set():
        tables, revision = read_tables(members)
        state = tables.state()
        if state != told:
            told = state
            yield told
        for changes in _watch(members, revision + 1, stopping):
            for change in changes:
                if change.get("type") == "DELETE":
                    tables.delete(key_of(change["kv"]))
                else:
                    tables.put(key_of(change["kv"]), value_of(change["kv"]))
            told = tables.state()
            yield told
        stopping.wait(AGAIN_SECONDS)


def _watch(  # noqa: C901  either of two threads may end it, and both are here
    members: Members, revision: int, stopping: threading.Event
) -> Iterator[list[Json]]:
    """The changes since `revision`, those that arrived together at once, until it breaks off."""
    arrived: queue.SimpleQueue[list[Json] | None] = queue.SimpleQueue()
    is_over = threading.Event()

    def listen() -> None:
        # In a thread of its own: nothing else ends a read when `stopping` is set. It ends with
        # the next message, or for lack of one.
        try:
            for message in members.listen("/watch", watch_from(revision), SILENCE_SECONDS):
                if is_over.is_set():
                    return
                if message.get("canceled"):
                    log.info("what changed since revision %s is forgotten by etcd", revision)
                    return
                arrived.put(message.get("events", []))
        except ControlPlaneAway as error:
            log.debug("the watch broke off: %s", error)
        finally:
            arrived.put(None)

    threading.Thread(target=listen, name="etcd-watch", daemon=True).start()
    try:
        while not stopping.is_set():
            try:
                batch = [arrived.get(timeout=POLL_SECONDS)]
            except queue.Empty:
                continue
            while not arrived.empty():
                batch.append(arrived.get())
            changes = [change for message in batch if message for change in message]
            if changes:
                yield changes
            if batch[-1] is None:
                return
    finally:
        is_over.set()
