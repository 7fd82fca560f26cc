"""Steps about the driver as its engine asks it, without an engine between."""

import json

from behave import then, when

from acceptance.base import evidence
from acceptance.base.waiting import eventually_true
from acceptance.cluster import driver_usage, plugin
from acceptance.context import Context

IDLE_SECONDS = 60  # the copies of what was made before are still under way
MB = 1_000_000


@when('Docker asks "{node}" for {call}')
def ask(context: Context, node: str, call: str) -> None:
    asked = (context.cluster, context.cluster.node(node))
    context.answer = plugin.post(*asked, call, context.text)
    if call == plugin.MOUNT and context.answer.error == "":
        context.add_cleanup(plugin.post, *asked, plugin.UNMOUNT, context.text)


@when('Docker asks "{node}" to make a volume with a name of {length:d} letters')
def ask_for_name(context: Context, node: str, length: int) -> None:
    body = json.dumps({"Name": "n" * length})
    context.answer = plugin.post(context.cluster, context.cluster.node(node), plugin.CREATE, body)


@then("the driver agrees")
def check_agreed(context: Context) -> None:
    answer = context.answer
    assert (answer.status, answer.error) == (200, ""), answer


@then('the driver refuses with "{reason}"')
def check_refused(context: Context, reason: str) -> None:
    assert reason in context.answer.error, context.answer


@then("the driver does not know the question")
def check_unknown(context: Context) -> None:
    assert context.answer.status == 404, context.answer


@then('the driver says "{text}"')
def check_saying(context: Context, text: str) -> None:
    answer = context.answer
    assert answer.status == 200 and text in answer.text, answer


@then('the driver on "{node}" lists its volumes in less than {most:d} milliseconds')
def check_list_time(context: Context, node: str, most: int) -> None:
    took = plugin.list_seconds(context.cluster, context.cluster.node(node)) * 1000
    allowed = evidence.figure("Listing all volumes", measured=took, promised=most, unit="ms")
    assert took < allowed, f"it took {took:.0f} ms"


@then('the driver on "{node}" comes to rest below {percent:g} % of a core and {most:d} MB')
def check_idle(context: Context, node: str, percent: float, most: int) -> None:
    used = eventually_true(
        lambda: driver_usage.of_driver(context.cluster.node(node)),
        lambda used: used.cpu_percent < percent and used.memory_bytes < most * MB,
        what=f"less than {percent} % of a core and {most} MB",
        within=IDLE_SECONDS,
    )
    evidence.figure(
        "Processor use of an idle driver",
        measured=used.cpu_percent,
        promised=percent,
        unit="% of a core",
    )
    evidence.figure(
        "Memory of an idle driver", measured=used.memory_bytes / MB, promised=most, unit="MB"
    )
