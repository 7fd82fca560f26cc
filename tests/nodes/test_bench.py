"""`make bench` says what it was measured on, and every fact of that can be had from the nodes."""

from __future__ import annotations

import pytest

from acceptance.base.direct import direct_connections
from acceptance.cluster.cluster import Cluster
from acceptance.machines.vagrant import VagrantMachines
from bench import machine

pytestmark = pytest.mark.nodes


def test_each_fact_about_the_nodes_can_be_had() -> None:
    with direct_connections():
        cluster = Cluster(VagrantMachines(), keeps_nodes=True)
        cluster.up()
        try:
            facts = machine.facts(cluster)
        finally:
            cluster.down()
    assert [name for name, value in facts.items() if not value] == []
