"""A volume's record as it is kept beside its data, compared with what etcd says now."""

from __future__ import annotations

from flocker.base.records import Volume
from flocker.pool.protocol import Pool


def newer_record(node: str, pool: Pool, volume: Volume) -> Volume | None:
    """The record by which this node owns a volume at a later epoch than etcd says, if there is one.

    Epochs only grow, and a record is kept beside the data only after etcd had it: so etcd has
    gone back, and containers may rightly go on to write here.
    """
    kept = pool.record(volume.id)
    if kept is None or kept.owner != node or kept.epoch <= volume.epoch:
        return None
    return kept if pool.has_writable(volume.id) else None
