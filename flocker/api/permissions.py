"""The one list of who may ask what on the port for other machines.

A route that is not listed here is refused to everybody. Some are for one node alone: the check
beside such a route looks at the cluster's records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flocker.api.callers import Caller, Role
from flocker.api.rights import Rights
from flocker.base.errors import NotAllowed

# Called with the name or id in the route's path and the name of the node that asks.
Check = Callable[[Rights, str, str], None]


@dataclass(frozen=True)
class Permission:
    """The callers who may ask a route.

    Attributes:
        roles: of those who may.
        check: refuses nodes that are not the right one for the volume.
        is_change: whether it changes something, and so is written to the journal.
        is_for_retired: retired nodes may ask, too.
    """

    roles: frozenset[Role]
    check: Check | None = None
    is_change: bool = False
    is_for_retired: bool = False


_NODES: frozenset[Role] = frozenset({"node"})
_PEOPLE: frozenset[Role] = frozenset({"node", "operator"})  # a node forwards what people ask for
_WATCHERS: frozenset[Role] = frozenset({"operator", "monitor"})

ROUTES: dict[tuple[str, str], Permission] = {
    ("POST", "/volumes/{name}/check-unused"): Permission(_NODES),
    ("POST", "/volumes/{name}/prepare"): Permission(_NODES, Rights.check_target, is_change=True),
    ("POST", "/volumes/{name}/release"): Permission(_NODES, Rights.check_target, is_change=True),
    ("POST", "/volumes/{name}/put-away"): Permission(_NODES, Rights.check_owner, is_change=True),
    ("POST", "/volumes/{name}/create"): Permission(_PEOPLE, is_change=True),
    ("POST", "/volumes/{name}/remove"): Permission(_PEOPLE, is_change=True),
    ("POST", "/operations/{operation}"): Permission(_PEOPLE, is_change=True),
    ("POST", "/copies/{volume_id}/discard"): Permission(
        _NODES, Rights.check_remover, is_change=True
    ),
    ("GET", "/copies/{volume_id}/snapshots"): Permission(_NODES, Rights.check_reader),
    ("GET", "/copies/{volume_id}/snapshots/{number}"): Permission(_NODES, Rights.check_reader),
    ("GET", "/copies/{volume_id}/snapshots/{number}/bytes"): Permission(
        _NODES, Rights.check_reader
    ),
    ("POST", "/increments"): Permission(_NODES),  # of each volume asked for: see peer_api
    ("GET", "/standing"): Permission(_NODES, is_for_retired=True),  # only whether it is
    ("GET", "/asides"): Permission(_PEOPLE),
    ("GET", "/maintenance/strays"): Permission(_PEOPLE),
    ("POST", "/maintenance/purge"): Permission(_PEOPLE, is_change=True),
    ("POST", "/verification/verify"): Permission(_PEOPLE),
    ("POST", "/verification/digest"): Permission(_NODES),  # of the volume: see verification_api
    ("GET", "/health"): Permission(_WATCHERS),
    ("GET", "/metrics"): Permission(_WATCHERS),
}

_NOBODY = Permission(frozenset())


def permission(method: str, path: str) -> Permission:
    """The permission of a route; nobody may ask one that is not listed."""
    return ROUTES.get((method, path), _NOBODY)


def check(asked: Permission, caller: Caller, about: str, rights: Rights) -> None:
    """Refuse a caller who may not ask.

    Args:
        about: the volume in the route's path, by name or id; or empty.

    Raises:
        NotAllowed: it is another role's, another node's, or the node was retired.
    """
    if caller.role not in asked.roles:
        raise NotAllowed(f"{caller} may not ask this")
    if caller.role == "node":
        if not asked.is_for_retired:
            rights.check_not_retired(caller)
        if asked.check is not None:
            asked.check(rights, about, caller.name)
