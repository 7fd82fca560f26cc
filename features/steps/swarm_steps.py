"""Steps about services that Docker Swarm starts on a node of its choice."""

from behave import given, then, when

from acceptance.base.waiting import eventually_true
from acceptance.context import Context
from acceptance.words import service as commands
from acceptance.words.volume_commands import SAID

STARTED_SECONDS = 60
LINES = 3
WRITTEN_SECONDS = 30


@given("the nodes are a swarm")
def form_swarm(context: Context) -> None:
    context.swarm.form()


@given('"{node}" has started the service "{service}" with the volume "{volume}"')
def start_service(context: Context, node: str, service: str, volume: str) -> None:
    context.operator.type(node, commands.start(service, volume)).must_succeed()


@given('the service "{service}" keeps writing to its volume')
def wait_for_lines(context: Context, service: str) -> None:
    node = context.swarm.wait_for(service, within=STARTED_SECONDS)
    context.notes.service_node = node
    context.notes.service_lines = eventually_true(
        lambda: context.swarm.lines(service, node, SAID),
        lambda lines: len(lines) >= LINES,
        what=f"{LINES} lines",
        within=WRITTEN_SECONDS,
    )


@when("the node of the service is drained")
def drain(context: Context) -> None:
    name = context.notes.service_node.name
    context.operator.type(name, f"docker node update --availability drain {name}").must_succeed()


@when("the node of the service loses its power")
def power_off(context: Context) -> None:
    context.faults.power_off(context.notes.service_node)


@then('the service "{service}" runs on another node within {seconds:d} seconds')
def check_runs_elsewhere(context: Context, service: str, seconds: int) -> None:
    before = context.notes.service_node
    context.notes.service_node = context.swarm.wait_for(
        service, elsewhere=before.name, within=seconds
    )


@then('the service "{service}" goes on after every line it had written')
def check_lines(context: Context, service: str) -> None:
    before = context.notes.service_lines
    after = eventually_true(
        lambda: context.swarm.lines(service, context.notes.service_node, SAID),
        lambda lines: len(lines) > len(before),
        what=f"more than {len(before)} lines",
        within=WRITTEN_SECONDS,
    )
    assert after[: len(before)] == before, f"{before} before, {after} after"
