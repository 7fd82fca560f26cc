"""Steps about a container that writes to a volume all the time."""

from behave import given, then, when

from acceptance.base.waiting import eventually
from acceptance.cluster import copies, writer
from acceptance.context import Context

STOPPED_SECONDS = 30


@given('a container on "{node}" keeps writing to the volume "{volume}"')
def start_writer(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, writer.command(volume))
    assert typed.exit_status == 0, typed.output


@then('the container on "{node}" still writes')
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


@then('it prints every line the container on "{node}" has written')
def check_all_lines(context: Context, node: str) -> None:
    missing = set(writer.written(context.cluster.node(node))) - set(context.typed.output.split())
    assert not missing, f"missing: {sorted(missing, key=int)}"


@then("it prints every line that had been copied")
def check_copied_lines(context: Context) -> None:
    missing = set(context.notes.copied_lines) - set(context.typed.output.split())
    assert not missing, f"missing: {sorted(missing, key=int)}"


@then('"{other}" is refused the volume "{volume}" because of the container on "{node}"')
@given('"{other}" is refused the volume "{volume}" because of the container on "{node}"')
def check_in_use(context: Context, other: str, volume: str, node: str) -> None:
    typed = context.operator.type(other, f"docker run --rm -v {volume}:/data busybox ls /data")
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    expected = f"volume '{volume}' is in use by container '{writer.NAME}' on {node}"
    assert expected in typed.output, typed.output
