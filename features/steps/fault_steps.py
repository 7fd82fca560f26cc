"""Steps about what breaks, and is mended again."""

from behave import given, then, when

from acceptance.base import evidence
from acceptance.base.waiting import eventually
from acceptance.context import Context

NOTICED_SECONDS = 40


@given('"{node}" has lost its power')
@when('"{node}" loses its power')
def power_off(context: Context, node: str) -> None:
    context.faults.power_off(context.cluster.node(node))


@when('"{node}" has its power back')
def power_on(context: Context, node: str) -> None:
    context.faults.power_on(context.cluster.node(node))


@when('"{node}" loses its power, and has it back')
def cut_power(context: Context, node: str) -> None:
    context.faults.power_off(context.cluster.node(node))
    context.faults.power_on(context.cluster.node(node))


@given('"{node}" has been paused')
def pause(context: Context, node: str) -> None:
    context.faults.pause(context.cluster.node(node))


@when('"{node}" resumes')
def resume(context: Context, node: str) -> None:
    context.faults.resume(context.cluster.node(node))


@given('"{node}" has been cut off from the others')
@when('"{node}" is cut off from the others')
def cut_off(context: Context, node: str) -> None:
    context.faults.cut_off(context.cluster.node(node))


@when('"{node}" is connected again')
def reconnect(context: Context, node: str) -> None:
    context.faults.reconnect(context.cluster.node(node))


@given('etcd has stopped on "{first}" and "{second}"')
@when('etcd stops on "{first}" and "{second}"')
def stop_etcd(context: Context, first: str, second: str) -> None:
    context.faults.stop_etcd([context.cluster.node(name) for name in (first, second)])


@given("etcd has stopped on all nodes")
def stop_all_etcd(context: Context) -> None:
    context.faults.stop_etcd(context.cluster.nodes)


@when("etcd is back on all nodes")
def start_etcd(context: Context) -> None:
    context.faults.start_etcd()


@given("etcd is held up for {seconds:d} seconds on all nodes")
def hold_etcd_up(context: Context, seconds: int) -> None:
    context.faults.hold_etcd_up(seconds)


@given('the engine of "{node}" lets containers run without it')
def keep_containers(context: Context, node: str) -> None:
    context.faults.keep_containers(context.cluster.node(node))


@when('the engine of "{node}" is killed')
def kill_engine(context: Context, node: str) -> None:
    context.faults.kill_engine(context.cluster.node(node))


@given('the engine of "{node}" has been restarted')
@when('the engine of "{node}" is restarted')
def restart_engine(context: Context, node: str) -> None:
    context.cluster.node(node).restart("docker")


@given('the fence of "{node}" has stopped')
def stop_fence(context: Context, node: str) -> None:
    context.faults.stop_fence(context.cluster.node(node))


@when('the fence of "{node}" runs again')
def start_fence(context: Context, node: str) -> None:
    context.faults.start_fence(context.cluster.node(node))


@when('the driver on "{node}" is killed')
def kill_driver(context: Context, node: str) -> None:
    context.faults.kill_driver(context.cluster.node(node))


@when('the driver on "{node}" is replaced by a newer one')
def upgrade_driver(context: Context, node: str) -> None:
    context.faults.upgrade_driver(context.cluster.node(node))


@given('the pool of "{node}" has become read-only')
@when('the pool of "{node}" becomes read-only')
def make_read_only(context: Context, node: str) -> None:
    context.faults.make_read_only(context.cluster.node(node))


@given('the disk of "{node}" can fail')
def replace_by_failing_disk(context: Context, node: str) -> None:
    context.faults.replace_by_failing_disk(context.cluster.node(node))


@when('the disk of "{node}" {fails}')
def fail_disk(context: Context, node: str, fails: str) -> None:
    context.faults.fail_disk(context.cluster.node(node), fails)


@when('the driver on "{node}" starts under the name "{other}"')
def rename_driver(context: Context, node: str, other: str) -> None:
    context.faults.rename_driver(context.cluster.node(node), other)


@given('the disk of "{node}" has been replaced by an empty one')
def replace_disk(context: Context, node: str) -> None:
    context.faults.replace_disk(context.cluster.node(node))


@given('"{node}" has noticed that "{other}" is away')
def wait_until_noticed(context: Context, node: str, other: str) -> None:
    knows = context.cluster.node(node).knows
    eventually(lambda: other in knows(), is_=False, within=NOTICED_SECONDS)


@given('"{node}" has noticed that etcd has no majority')
@then('"{node}" notices that etcd has no majority')
def wait_until_alone(context: Context, node: str) -> None:
    read = context.cluster.node(node).flocker
    eventually(lambda: read("status")["is_connected"], is_=False, within=NOTICED_SECONDS)


@given('a start of the engine of "{node}" has been timed, without volumes')
def note_start_seconds(context: Context, node: str) -> None:
    context.notes.start_seconds = context.cluster.node(node).restart("docker")


@then('the engine of "{node}" starts at most {seconds:g} seconds slower than without volumes')
def check_start_seconds(context: Context, node: str, seconds: float) -> None:
    before = context.notes.start_seconds
    slower = context.cluster.node(node).restart("docker") - before
    allowed = evidence.figure(
        "Engine start, longer than without volumes", measured=slower, promised=seconds
    )
    assert slower <= allowed, f"it took {before:.1f} s, and now {slower:.1f} s more"
