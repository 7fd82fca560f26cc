"""Steps about a container that writes to a volume all the time."""

from behave import given, then, when

from acceptance.base.waiting import eventually
from acceptance.cluster import copies, writer
from acceptance.context import Context
from acceptance.words import volume_commands as commands

STOPPED_SECONDS = 30


@given('a container on "{node}" keeps writing to the volume "{volume}"')
def start_writer(context: Context, node: str, volume: str) -> None:
    context.operator.type(node, writer.command(volume)).must_succeed()


@given('a container on "{node}" keeps syncing what it writes to the volume "{volume}"')
def start_syncing_writer(context: Context, node: str, volume: str) -> None:
    context.operator.type(node, writer.command(volume, writer.SYNC)).must_succeed()


@then('the container on "{node}" still writes')
@given('the container on "{node}" has written some more lines')
@when('the container on "{node}" has written some more lines')
def check_writes(context: Context, node: str) -> None:
    writer.keeps_writing(context.cluster.node(node))


@given('all nodes hold what the container on "{node}" has written to the volume "{volume}"')
def wait_for_lines(context: Context, node: str, volume: str) -> None:
    context.notes.copied_lines = writer.written(context.cluster.node(node))
    copies.wait_for_all(context.cluster, volume)


@then('the container on "{node}" is stopped')
def check_stopped(context: Context, node: str) -> None:
    engine = context.cluster.node(node).engine
    eventually(lambda: engine.is_running(writer.NAME), is_=False, within=STOPPED_SECONDS)


@then('the container on "{node}" had stopped before the volume "{volume}" was taken over')
def check_stopped_before(context: Context, node: str, volume: str) -> None:
    engine = context.cluster.node(node).engine
    assert not engine.is_running(writer.NAME), f"the container on {node} still runs"
    stopped_at = engine.stopped_at(writer.NAME)
    taken_over_at = copies.taken_over_at(context.cluster, volume)
    assert stopped_at < taken_over_at, f"stopped {stopped_at}, taken over {taken_over_at}"


@when('the operator stops the container on "{node}"')
def stop_writer(context: Context, node: str) -> None:
    context.operator.type(node, writer.STOP).must_succeed()


@then('the volume "{volume}" can move to "{other}" when the container on "{node}" has stopped')
def check_free(context: Context, volume: str, other: str, node: str) -> None:
    context.operator.type(node, writer.STOP).must_succeed()
    context.operator.type(other, commands.look(volume)).must_succeed()


@when('the container on "{node}" stops while its driver is down')
def stop_writer_unseen(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, writer.STOP_UNSEEN)


@when('the operator copies a file out of the container on "{node}"')
def copy_from_writer(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, writer.COPY)
