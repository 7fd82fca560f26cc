"""Steps about what volumes say: to the node that owns one, or to another that reads it."""

from behave import then

from acceptance.cluster import writer
from acceptance.context import Context
from acceptance.words import volume_commands as commands


@then('"{node}" reads "{text}" in the volume "{volume}"')
def check_text(context: Context, node: str, text: str, volume: str) -> None:
    typed = context.operator.type(node, commands.read(volume)).must_succeed()
    assert typed.output.strip() == text, f"it read {typed.output!r}"


@then('the volume "{volume}" says "{text}"')
@then('the volume "{volume}" still says "{text}"')
def check_owners_text(context: Context, volume: str, text: str) -> None:
    owner = context.cluster.owner_of(volume)
    assert owner is not None, f"there is no volume '{volume}'"
    typed = context.operator.type(owner, commands.read(volume)).must_succeed()
    assert typed.output.strip() == text, f"it says {typed.output!r}"


@then('"{node}" reads "{text}" last in the volume "{volume}"')
def check_last_line(context: Context, node: str, text: str, volume: str) -> None:
    typed = context.operator.type(node, commands.read(volume)).must_succeed()
    assert typed.output.splitlines()[-1:] == [text], f"it read {typed.output!r}"


@then('it reads "{text}"')
def check_read(context: Context, text: str) -> None:
    typed = context.typed.must_succeed()
    assert typed.output.strip() == text, f"it read {typed.output!r}"


@then('"{node}" reads all that the container on "{other}" has written to the volume "{volume}"')
def check_all_lines(context: Context, node: str, other: str, volume: str) -> None:
    typed = context.operator.type(node, commands.read(volume)).must_succeed()
    missing = set(writer.written(context.cluster.node(other))) - set(typed.output.split())
    assert not missing, f"missing: {sorted(missing, key=int)}"


@then('"{node}" reads all that had been copied of the volume "{volume}"')
def check_copied_lines(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, commands.read(volume)).must_succeed()
    missing = set(context.notes.copied_lines) - set(typed.output.split())
    assert not missing, f"missing: {sorted(missing, key=int)}"


@then('"{node}" finds the same files as the owner in the volume "{volume}"')
def check_digests(context: Context, node: str, volume: str) -> None:
    owner = context.cluster.owner_of(volume)
    assert owner not in (None, node), f"{owner} owns '{volume}'"
    there, here = (context.operator.type(each, commands.digests(volume)) for each in (owner, node))
    assert there.exit_status == here.exit_status == 0, (there, here)
    assert there.output == here.output != "", f"{here.output!r}, not {there.output!r}"
