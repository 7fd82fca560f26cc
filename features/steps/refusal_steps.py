"""Steps about refusals: the reason that is given, in the words of acceptance/words/refusals.py."""

from behave import given, then

from acceptance.context import Context
from acceptance.words import refusals
from acceptance.words import volume_commands as commands


@then("it is refused because the volume is full")
def check_full(context: Context) -> None:
    refusals.check_full(context.typed)


@then("it is refused because {reason}")
def check_reason(context: Context, reason: str) -> None:
    refusals.check(context.typed, reason, context.notes.wanted)


@given('"{node}" is refused the volume "{volume}" because {reason}')
@then('"{node}" is refused the volume "{volume}" because {reason}')
def check_refused(context: Context, node: str, volume: str, reason: str) -> None:
    refusals.check(context.operator.type(node, commands.read(volume)), reason, volume)


@then('it is refused while {service} on "{node}" uses the volume "{volume}"')
def check_in_use(context: Context, service: str, node: str, volume: str) -> None:
    container = context.cluster.node(node).engine.container_of(service)
    refusals.check_in_use(context.typed, volume, container, node)


@then('it is refused while {service}, which is stopped on "{node}", uses the volume "{volume}"')
def check_still_needed(context: Context, service: str, node: str, volume: str) -> None:
    container = context.cluster.node(node).engine.container_of(service)
    typed = context.typed
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    expected = f"volume '{volume}' is used by stopped containers on {node}: {container};"
    assert expected in typed.output, typed.output
