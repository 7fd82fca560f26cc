"""Steps about the operator: what is typed where, and what it answers."""

from behave import given, then, when
from behave.runner import Context


@when('the operator types on "{node}"')
def type_on_node(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, context.text)


@when("the operator types in the repository")
def type_at_home(context: Context) -> None:
    context.typed = context.operator.type_at_home(context.text)


@given('the operator has typed on "{node}"')
def have_typed(context: Context, node: str) -> None:
    typed = context.operator.type(node, context.text)
    assert typed.exit_status == 0, typed.output


@when('the operator stops the app on "{node}", to start it on "{target}", with')
def stop_app(context: Context, node: str, target: str) -> None:
    whales = context.visitor.placed
    context.typed = context.operator.stop_app(node, target, context.text, whales)
    assert context.typed.exit_status == 0, context.typed.output


@then("it succeeds")
def check_success(context: Context) -> None:
    typed = context.typed
    assert typed.exit_status == 0, f"exit status {typed.exit_status}: {typed.output}"


@then('it prints "{text}"')
def check_output(context: Context, text: str) -> None:
    typed = context.typed
    assert typed.exit_status == 0, f"exit status {typed.exit_status}: {typed.output}"
    assert typed.output.strip() == text, f"it printed {typed.output!r}"


@then('it says "{text}"')
def check_saying(context: Context, text: str) -> None:
    typed = context.typed
    assert typed.exit_status == 0, f"exit status {typed.exit_status}: {typed.output}"
    assert text in typed.output, f"it said {typed.output!r}"


@then('it is refused with "{text}"')
def check_refusal(context: Context, text: str) -> None:
    typed = context.typed
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    assert text in typed.output, f"it said {typed.output!r}"
