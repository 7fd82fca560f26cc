"""Steps about nodes: their engines, and what runs there."""

from behave import given, then, when

from acceptance.base.waiting import eventually_true
from acceptance.cluster import pool_check
from acceptance.context import Context
from acceptance.words import questions

NOTICED_SECONDS = 30
UNUSED = "docker volume ls --quiet --filter dangling=true"


@then('the engine of "{node}" is Docker {version} or newer')
def check_version(context: Context, node: str, version: str) -> None:
    engine = context.cluster.node(node).engine
    assert engine.is_at_least(version), engine.version()


@then('the engine of "{node}" is not an experimental build')
def check_build(context: Context, node: str) -> None:
    engine = context.cluster.node(node).engine
    assert not engine.is_experimental(), engine.version()


@then('"{node}" runs {first} and {second}')
def check_runs_app(context: Context, node: str, first: str, second: str) -> None:
    running = context.cluster.node(node).engine.running_services()
    assert running == {first, second}, f"{node} runs {running or 'nothing'}"


@then('"{node}" runs neither')
def check_runs_nothing(context: Context, node: str) -> None:
    running = context.cluster.node(node).engine.running_services()
    assert not running, f"{node} runs {running}"


@then('"{other}" knows of a problem of "{node}" with the volume "{volume}": {problem}')
def check_problem(context: Context, other: str, node: str, volume: str, problem: str) -> None:
    cluster = context.cluster
    eventually_true(
        lambda: cluster.node(other).problems_of(node),
        lambda problems: any(each.startswith(f"volume '{volume}': {problem}") for each in problems),
        what=problem,
        within=NOTICED_SECONDS,
    )


@then('"{node}" reports "{problem}"')
def check_report(context: Context, node: str, problem: str) -> None:
    questions.check_answer(context.operator.type(node, "sudo flocker status"), problem)


@given('the engine of "{node}" considers the volume "{volume}" unused')
def check_unused(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, UNUSED)
    assert (typed.exit_status, typed.output.strip()) == (0, volume), typed.output


@when('"{node}" removes all volumes that it considers unused')
def remove_unused(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, f"docker volume rm $({UNUSED})")


@when('"{node}" is asked {question}')
def ask(context: Context, node: str, question: str) -> None:
    context.typed = context.operator.type(node, questions.command(question))


@then("Docker answers")
def check_answers(context: Context) -> None:
    for row in context.table:
        typed = context.operator.type(row["node"], questions.command(row["question"]))
        questions.check_answer(typed, row["answer"])


@then("Docker answers in less than {seconds:g} second")
def check_quick_answers(context: Context, seconds: float) -> None:
    for row in context.table:
        asked = questions.command(row["question"])
        answers = [context.operator.type(row["node"], asked) for _ in range(questions.TRIES)]
        for typed in answers:
            questions.check_answer(typed, row["answer"])
        questions.check_time(answers, seconds)


@then('the pool of "{node}" is clean')
def check_pool(context: Context, node: str) -> None:
    pool_check.check_is_clean(context.cluster.node(node))
