"""Ownership kept in etcd: every change is one compare-and-swap transaction (transactions.py).

Modules of their own hold the subjects of transactions; this class is made of them.
"""

from __future__ import annotations

from flocker.base.config import Certificates
from flocker.consensus.copy_records import CopyRecords
from flocker.consensus.etcd_wire import Members
from flocker.consensus.move_records import MoveRecords
from flocker.consensus.node_records import NodeRecords
from flocker.consensus.session_records import SessionRecords
from flocker.consensus.volume_records import VolumeRecords


class EtcdOwnership(VolumeRecords, MoveRecords, CopyRecords, SessionRecords, NodeRecords):
    """Ownership as one node sees it, through any of `endpoints` that answers.

    Args:
        endpoints: `http(s)://host:port`, the nearest first.
        lease_seconds: how long the node counts as alive after its last `announce`.
        certificates: for https; None for plain http.
    """

    def __init__(
        self, endpoints: list[str], lease_seconds: int, certificates: Certificates | None
    ) -> None:
        super().__init__(Members(endpoints, certificates), lease_seconds)
