"""Steps about the ways in which Docker's containers get a volume."""

from behave import then, when

from acceptance.cluster import writer
from acceptance.context import Context
from acceptance.words import volume_commands as commands


@when('another container on "{node}" gets the volumes of the first by its name')
def share_volumes(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, writer.SHARE)


@when('a container on "{node}" with the volume "{volume}" has no program to start')
def start_nothing(context: Context, node: str, volume: str) -> None:
    context.typed = context.operator.type(node, commands.start_nothing(volume))


@when('a container on "{node}" writes "{text}" to a volume without a name')
def write_nameless(context: Context, node: str, text: str) -> None:
    context.typed = context.operator.type(node, commands.write_nameless(text))


@when(
    'a container on "{node}" that may only read the volume "{volume}" reads it, then writes to it'
)
def write_read_only(context: Context, node: str, volume: str) -> None:
    context.notes.wanted = volume
    context.typed = context.operator.type(node, commands.write_read_only(volume))


@then('it has read "{text}"')
def check_has_read(context: Context, text: str) -> None:
    lines = context.typed.output.splitlines()
    assert lines[:1] == [text], f"it read {lines}"
