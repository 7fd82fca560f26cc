"""Steps about the app of the README's "Your own app in five minutes"."""

from behave import given, then, when

from acceptance.base.waiting import eventually
from acceptance.context import Context
from acceptance.words import readme_app

READY_SECONDS = 60  # within which the database answers once its container is there


@given('the Compose file of the README is on "{one}" and "{other}"')
def copy_file(context: Context, one: str, other: str) -> None:
    for node in (one, other):
        do(context, node, readme_app.copy())
        context.add_cleanup(do, context, node, readme_app.take_away())


@given('its app runs on "{node}", and its database holds "{text}"')
def run_app(context: Context, node: str, text: str) -> None:
    do(context, node, readme_app.compose("up -d"))
    wait_for_database(context, node)
    do(context, node, readme_app.write(text))


@when('its app is stopped on "{old}" and started on "{new}"')
def move_app(context: Context, old: str, new: str) -> None:
    do(context, old, readme_app.compose("stop"))
    context.typed = context.operator.type(new, readme_app.compose("up -d"))


@then('its database on "{node}" holds "{text}"')
def check_database(context: Context, node: str, text: str) -> None:
    wait_for_database(context, node)
    typed = context.operator.type(node, readme_app.read())
    assert typed.output.strip() == text, f"it answered {typed.output!r}"


def wait_for_database(context: Context, node: str) -> None:
    """Wait until the database answers; Compose does not."""
    eventually(
        lambda: context.cluster.type(node, readme_app.ask("select 1")).output.strip(),
        is_="1",
        within=READY_SECONDS,
    )


def do(context: Context, node: str, command: str) -> None:
    context.operator.type(node, command).must_succeed()
