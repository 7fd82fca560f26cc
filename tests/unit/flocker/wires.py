"""What stands between the nodes of a model and everything outside: where things go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flocker.base.errors import ControlPlaneAway, FlockerError, OwnerAway, PoolError
from flocker.base.records import Claim, ClusterState, Volume

# Calls that tell what etcd did not say, but their node knows: that its lease is a new one.
LOST_WITHIN = ("announce",)
IN_MEMORY = ("holder", "is_held_back", "has_writable")  # calls of a pool that no disk can fail


class PowerCut(BaseException):
    """The node is gone in the middle of what it did."""


class Wire:
    """What stands between a node's rules and everything outside of them.

    Attributes:
        fuse: calls until something goes wrong; None for never.
        fault: what then goes wrong: "before" or "after" for a power cut on that side of the
            call, "lost" for an answer that does not arrive, "pause" for a node that stands still
            until it is told to go on; "late" for changes in etcd that may be made much later.
        is_cut_off: neither etcd nor peers can be reached.
        is_working: the node does something of its own accord; what it is doing for a peer is the
            peer's work, and only that stands still.
        is_at_rest: set while nothing happens on the node: it is done, or it stands still.
        tick: called at each call, for the time that it takes.
        spoilt: the id of a volume that the disk fails with, while all others are well.
    """

    def __init__(self, tick: Callable[[], object]) -> None:
        self.tick = tick
        self.spoilt = ""
        self.fuse: int | None = None
        self.fault = ""
        # `is_on` while this thread's changes in etcd are held back, `is_deaf` while it does not
        # hear of those it makes.
        self.held = threading.local()
        self.is_dead = False
        self.is_cut_off = False
        self.is_paused = False
        self.is_working = False
        self.is_at_rest = threading.Event()
        self.may_go_on = threading.Event()

    def call(self, target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.tick()
        is_now = self.fuse == 0
        if self.fuse is not None:
            self.fuse -= 1
        if is_now and self.fault == "pause" and self.is_working:
            self._pause()
        if is_now and self.fault == "before":
            self.is_dead = True
        if self.is_dead:
            raise PowerCut
        if self.is_cut_off and target != "pool":
            raise silence(target)
        if target == "pool" and self._is_spoilt(function, *args):
            raise PoolError(f"volume {self.spoilt}: Input/output error")
        self.held.is_on = is_now and self.fault == "late" and target == "ownership"
        is_lost = is_now and self.fault == "lost" and target != "pool"
        self.held.is_deaf = is_lost and function.__name__ in LOST_WITHIN
        result = self._reach(target, function, *args, **kwargs)
        if is_now and self.fault == "after":
            self.is_dead = True
            raise PowerCut
        if is_lost and function.__name__ not in LOST_WITHIN:
            raise silence(target)
        return result

    def _is_spoilt(self, function: Callable[..., Any], subject: object = "", *_: object) -> bool:
        is_read = function.__name__ not in IN_MEMORY
        return is_read and bool(self.spoilt) and self.spoilt == _volume_id(subject)

    def _reach(self, target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PowerCut:
            if self.is_dead:
                raise
            raise silence(target) from None  # it is the peer that died of this call

    def _pause(self) -> None:
        self.is_paused = True
        self.may_go_on.clear()
        self.is_at_rest.set()
        self.may_go_on.wait()
        self.is_paused = False


def silence(target: str) -> FlockerError:
    """What a node is told that hears nothing."""
    if target == "ownership":
        return ControlPlaneAway("etcd does not answer")
    return OwnerAway("of the model", "the peer", "no answer")


def nothing_changes(last: ClusterState | None, within: float) -> ClusterState:  # noqa: ARG001
    """Stand in for a wait for changes, where every change is a rule of its own."""
    raise OwnerAway("of the model", "its owner", "nobody takes it over meanwhile")


def _volume_id(subject: object) -> str:
    match subject:
        case Claim(volume_id=volume_id) | Volume(id=volume_id) | str(volume_id):
            return volume_id
    return ""


class Wired:
    """Passes calls on to a part of the node, by its wire."""

    def __init__(self, target: str, part: Any, wire: Wire) -> None:
        self._target = target
        self._part = part
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._part, name)
        if not callable(part):
            return part
        return lambda *args, **kwargs: self._wire.call(self._target, part, *args, **kwargs)


class DeafToMoves:
    """Peers that never tell the old owner of a finished move: hearing of it is a rule of its own,
    which may come late or never."""

    def __init__(self, peers: Any) -> None:
        self._peers = peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)

    def put_away(self, volume: object, source: str) -> None:
        pass
