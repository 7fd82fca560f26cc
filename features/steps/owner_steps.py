"""Steps about volumes: who owns them, who holds copies, where they can go, what engines show.

The verbs are in volume_steps.py, what volumes say is in reading_steps.py.
"""

from behave import given, then, when

from acceptance.base import evidence, listing
from acceptance.base.waiting import eventually, eventually_true
from acceptance.cluster import copies, driver_usage
from acceptance.context import Context
from acceptance.words import volume_commands as commands
from report.figure import LAG, TAKEOVER

OWNER_SECONDS = 10
SHOWN_SECONDS = 15  # the driver looks up what Docker does not tell it
MB = 1_000_000


@then('"{node}" owns the volume "{volume}"')
def check_owner(context: Context, node: str, volume: str) -> None:
    cluster = context.cluster
    eventually(lambda: cluster.owner_of(volume), is_=node, within=OWNER_SECONDS)


@then('all nodes say that "{node}" owns the volume "{volume}"')
def check_agreement(context: Context, node: str, volume: str) -> None:
    for known in context.cluster.nodes:
        owners = known.engine.volume_owners([volume])
        assert owners == {volume: node}, f"{known.name} says: {owners}"


@given('"{node}" has begun to copy the volume "{volume}"')
def begin_move(context: Context, node: str, volume: str) -> None:
    copies.begin_move(context.cluster.node(node), volume)


@given('another node owns the volume "{volume}" within {seconds:g} seconds')
@then('another node owns the volume "{volume}" within {seconds:g} seconds')
def check_new_owner(context: Context, volume: str, seconds: float) -> None:
    took_seconds = context.faults.wait_for_owner(volume, within=seconds)
    allowed = evidence.figure(TAKEOVER, measured=took_seconds, promised=seconds)
    assert took_seconds <= allowed, f"it took {took_seconds:.1f} s"


@then('the volume "{volume}" is in the pool "{pool}"')
def check_pool(context: Context, volume: str, pool: str) -> None:
    status = context.cluster.well_nodes[0].engine.volume_status(volume)
    assert status["pool"] == pool, status


@then('all nodes name the same owner of the volume "{volume}"')
def check_same_owner(context: Context, volume: str) -> None:
    eventually_true(
        lambda: [node.engine.volume_owners([volume]).get(volume) for node in context.cluster.nodes],
        lambda owners: None not in owners and len(set(owners)) == 1,
        what="one owner",
        within=OWNER_SECONDS,
    )


@given('all nodes hold all of the volume "{volume}"')
@when('all nodes hold all of the volume "{volume}"')
def wait_for_copies(context: Context, volume: str) -> None:
    copies.wait_for_all(context.cluster, volume)


@then('the copies of the volume "{volume}" are never more than {seconds:g} seconds behind')
def check_behind(context: Context, volume: str, seconds: float) -> None:
    behind = copies.seconds_behind(context.cluster, volume)
    allowed = evidence.figure(LAG, measured=max(behind), promised=seconds)
    assert max(behind) <= allowed, f"seconds behind: {behind}"


@then('no other node holds a copy of the volume "{volume}"')
def check_no_copies(context: Context, volume: str) -> None:
    nodes = copies.holders(context.cluster, volume)
    assert nodes == set(), f"copies on {nodes}"


@then('the volume "{volume}" can move to "{node}"')
def check_movable(context: Context, volume: str, node: str) -> None:
    context.operator.type(node, commands.look(volume)).must_succeed()


@then('the volume "{volume}" can move to "{node}" within {seconds:g} seconds')
def check_movable_soon(context: Context, volume: str, node: str, seconds: float) -> None:
    eventually(
        lambda: context.operator.type(node, commands.look(volume)).exit_status,
        is_=0,
        within=seconds,
    )


@then('there is no volume on "{node}"')
def check_no_volume(context: Context, node: str) -> None:
    there = [each.name for each in context.cluster.node(node).things() if each.kind == "volume"]
    assert there == [], f"{node} has volumes: {there}"


@then("there is no volume on any node")
def check_no_volume_anywhere(context: Context) -> None:
    there = [
        (node.name, each.name)
        for node in context.cluster.nodes
        for each in node.things()
        if each.kind == "volume"
    ]
    assert there == [], f"volumes: {there}"


@then('"{node}" shows the volume "{volume}" with a size of {size}')
def check_size(context: Context, node: str, volume: str, size: str) -> None:
    status = context.cluster.node(node).engine.volume_status(volume)
    assert status["size"] == size, status


@then('"{node}" shows for the volume "{volume}" that {difference}')
def check_difference(context: Context, node: str, volume: str, difference: str) -> None:
    engine = context.cluster.node(node).engine
    eventually_true(
        lambda: engine.volume_status(volume),
        lambda status: difference in status.values(),
        what=difference,
        within=SHOWN_SECONDS,
    )


@given('"{node}" has begun to count what it receives')
def begin_counting(context: Context, node: str) -> None:
    context.notes.received = driver_usage.Received(context.cluster.node(node))


@then("it finds the copy of every node the same")
def check_verified(context: Context) -> None:
    typed = context.typed.must_succeed()
    listed = listing.columns(typed.output, ["NODE", "RESULT"])
    expected = {(node.name, "same") for node in context.cluster.nodes}
    assert expected <= set(listed), f"it found {listed}: {typed.output}"


@then("it has received at most {most:d} MB")
def check_received(context: Context, most: int) -> None:
    received = context.notes.received.count() / MB
    allowed = evidence.figure("Received for a move", measured=received, promised=most, unit="MB")
    assert received <= allowed, f"it received {received:.1f} MB"
