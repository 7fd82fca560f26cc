"""Lifetimes: nodes live for the run, a clean cluster and a browser for a scenario."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from behave import fixture, use_fixture
from behave.model import Scenario

from acceptance.app.browser import Browser
from acceptance.app.move import AppMove
from acceptance.app.visitor import Visitor
from acceptance.base import evidence
from acceptance.base.direct import direct_connections
from acceptance.cluster import needs
from acceptance.cluster.cluster import Cluster
from acceptance.cluster.faults import Faults
from acceptance.cluster.made import NotOurs
from acceptance.cluster.swarm import Swarm
from acceptance.context import Context, Notes
from acceptance.nodes.access import NodeAway
from acceptance.operator import Operator
from host import ROOT
from report import formatter


@fixture
def running_nodes(context: Context) -> Iterator[Cluster]:
    """Bring up the nodes that are not up; take those down again, also when `up` fails."""
    context.cluster = Cluster.from_userdata(context.config.userdata)
    with direct_connections():
        try:
            context.cluster.up()
            yield context.cluster
        finally:
            context.cluster.down()


@fixture
def app_move(context: Context) -> Iterator[AppMove]:
    """A watch over the app, which ends with the scenario."""
    context.app_move = AppMove(context.cluster.machines.is_reachable)
    try:
        yield context.app_move
    finally:
        context.app_move.close()


@fixture
def faults(context: Context) -> Iterator[Faults]:
    """Mend whatever a scenario broke when it ends."""
    context.faults = Faults(context.cluster)
    try:
        yield context.faults
    finally:
        context.faults.heal()


@fixture
def swarm(context: Context) -> Iterator[Swarm]:
    """A swarm to form, which all nodes leave when the scenario ends."""
    context.swarm = Swarm(context.cluster)
    try:
        yield context.swarm
    finally:
        context.swarm.leave()


@fixture
def visitor(context: Context) -> Iterator[Visitor]:
    """Somebody with a browser of their own."""
    hosts = [node.address for node in context.cluster.nodes]
    context.visitor = Visitor(Browser(hosts))
    try:
        yield context.visitor
    finally:
        context.visitor.leave()


def before_all(context: Context) -> None:
    """Bring the nodes up, and refuse those with things that no scenario made."""
    is_reported = formatter.is_in_use(context.config)
    if not is_reported:
        print(f"No report of this run: for one, start behave in {ROOT}.", file=sys.stderr)
    use_fixture(running_nodes, context)
    context.cluster.refuse_others()
    if is_reported:
        with Browser() as browser:
            evidence.environment({**context.cluster.environment(), **browser.versions})


def before_scenario(context: Context, scenario: Scenario) -> None:
    """Skip what cannot run here; else clean the nodes and make what the steps use."""
    reason = needs.unmet(scenario.effective_tags, context.cluster)
    if reason is not None:
        print(f"Skipped: {scenario.name}: {reason}", file=sys.stderr)
        scenario.skip(reason)
        return
    # Before and not after: what a scenario leaves stays to be looked at.
    try:
        context.cluster.clean()
    except (NotOurs, NodeAway) as error:
        context.abort(str(error))  # each of the others would end like this one
        raise
    context.operator = Operator(context.cluster)
    context.notes = Notes()
    use_fixture(app_move, context)
    if "swarm" in scenario.effective_tags:
        use_fixture(swarm, context)  # before faults: nodes without power cannot leave
    use_fixture(faults, context)
    if "browser" in scenario.effective_tags:
        use_fixture(visitor, context)


def after_scenario(context: Context, scenario: Scenario) -> None:
    """Keep the nodes' logs of a scenario that failed."""
    if scenario.status.has_failed() and "faults" in context:  # else it has not begun
        try:
            context.faults.heal()  # a node that is off or paused says nothing
        finally:
            evidence.logs(context.cluster.logs())
