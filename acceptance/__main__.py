"""`python -m acceptance up|down INVENTORY`: make nodes of existing servers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from acceptance.base.direct import direct_connections
from acceptance.base.waiting import NeverCame
from acceptance.cluster.cluster import Cluster
from acceptance.machines.inventory import BadInventory
from acceptance.machines.protocol import NodesNotUp
from acceptance.machines.servers import Servers
from acceptance.nodes.access import NodeAway
from host import turn
from host.problem import Problem
from host.progress import step


def up(servers: Servers) -> None:
    """Make nodes of the servers, or bring those that are nodes up to date."""
    servers.install()


def down(servers: Servers) -> None:
    """Remove what scenarios left on the servers, which stay nodes."""
    if not servers.are_used_by_scenarios():
        print("scenarios have left nothing on these servers; they stay nodes", file=sys.stderr)
        return
    cluster = Cluster(servers, keeps_nodes=True)
    cluster.connect()
    with step("Removing what scenarios left on the servers"):
        cluster.remove_made()
    cluster.down()
    servers.give_back()


def main() -> int:
    """Exit status 0: done; 1: not, with the reason; 2: usage."""
    parser = argparse.ArgumentParser(prog="python -m acceptance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (up, down):
        title = (run.__doc__ or "").splitlines()[0]
        command = commands.add_parser(run.__name__, help=title, description=title)
        command.add_argument("inventory", type=Path, metavar="INVENTORY")
        command.set_defaults(run=run)
    arguments = parser.parse_args()
    try:
        servers = Servers(arguments.inventory)
        with direct_connections(), turn.taken(servers.lock):
            arguments.run(servers)
    except (BadInventory, NodesNotUp, NodeAway, NeverCame, Problem) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
