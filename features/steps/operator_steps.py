"""Steps about the operator: what is typed where, and what it answers."""

import json
import re

from behave import given, then, when

from acceptance.base import listing
from acceptance.context import Context
from acceptance.words.questions import ROUTES

# Exit statuses of curl when the other side ends a connection it had taken: with no answer, while it
# sent, while it received. A node that is down, or whom curl does not trust, is none of these.
TURNED_AWAY = (52, 55, 56)


@when('the operator types on "{node}"')
def type_on_node(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, context.text)


@when("the operator types in the repository")
def type_at_home(context: Context) -> None:
    context.typed = context.operator.type_at_home(context.text)


@when('a program of the operator asks "{node}" for its {what}')
def ask_with_certificate(context: Context, node: str, what: str) -> None:
    context.typed = context.operator.ask_driver(node, ROUTES[what], role="operator")


@when('a program without a certificate asks "{node}" for its {what}')
def ask_without_certificate(context: Context, node: str, what: str) -> None:
    context.typed = context.operator.ask_driver(node, ROUTES[what], role=None)


@when('the operator types at a terminal of "{node}"')
def type_at_terminal(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, context.text, at_terminal=True)


@given('the operator has typed on "{node}"')
def have_typed(context: Context, node: str) -> None:
    context.operator.type(node, context.text).must_succeed()


@then("it succeeds")
def check_success(context: Context) -> None:
    context.typed.must_succeed()


@then('it prints "{text}"')
def check_output(context: Context, text: str) -> None:
    typed = context.typed.must_succeed()
    assert typed.output.strip() == text, f"it printed {typed.output!r}"


@then("it prints JSON")
def check_json(context: Context) -> None:
    typed = context.typed.must_succeed()
    assert isinstance(json.loads(typed.output), dict), f"it printed {typed.output!r}"


@then('it says "{text}"')
def check_saying(context: Context, text: str) -> None:
    typed = context.typed.must_succeed()
    assert text in typed.output, f"it said {typed.output!r}"


@then('it says from which time on writes of "{node}" are missing')
def check_missing_writes(context: Context, node: str) -> None:
    typed = context.typed
    assert typed.exit_status == 0, f"exit status {typed.exit_status}: {typed.output}"
    missing = rf"Writes of {node} after [\d: -]+ UTC are not in it"
    assert re.search(missing, typed.output), f"it said {typed.output!r}"


@then("it lists last of all")
def check_list(context: Context) -> None:
    typed, table = context.typed.must_succeed(), context.table
    found = listing.columns(typed.output, table.headings)
    expected = [tuple(row) for row in table]
    assert found[-len(expected) :] == expected, f"it listed {found}: {typed.output}"


@then("it is turned away before it has asked")
def check_turned_away(context: Context) -> None:
    typed = context.typed
    assert typed.exit_status in TURNED_AWAY, f"exit status {typed.exit_status}: {typed.output}"


@then("it shows its progress")
def check_progress(context: Context) -> None:
    typed = context.typed.must_succeed()
    shown = listing.percentages(typed.output)
    assert shown == sorted(shown) and len(set(shown)) > 1, f"it said {typed.output!r}"


@then('it is refused with "{text}"')
def check_refusal(context: Context, text: str) -> None:
    typed = context.typed
    assert typed.exit_status != 0, f"it was not refused: {typed.output}"
    assert text in typed.output, f"it said {typed.output!r}"


@then("it ends with exit status {status:d}")
def check_status(context: Context, status: int) -> None:
    typed = context.typed
    assert typed.exit_status == status, f"exit status {typed.exit_status}: {typed.output}"


@then('one of them succeeds, and the other is told which node has the volume "{volume}"')
def check_race(context: Context, volume: str) -> None:
    won, lost = sorted(context.answers, key=lambda typed: typed.exit_status)
    assert (won.exit_status == 0) and (lost.exit_status != 0), (won, lost)
    assert f"'{volume}'" in lost.output and won.node in lost.output, lost.output
