"""Steps about many at once: volumes, containers, starts of the app."""

from behave import given, then, when

from acceptance.context import Context
from acceptance.words import crowd, questions


@given("all nodes have created and removed {count:d} volumes each")
def have_created(context: Context, count: int) -> None:
    for command in (crowd.create_volumes(count), crowd.remove_volumes(count)):
        context.answers = context.operator.type_everywhere(command)
        check_all_succeed(context)


@when("all nodes create {count:d} volumes each")
def create(context: Context, count: int) -> None:
    context.answers = context.operator.type_everywhere(crowd.create_volumes(count))


@then("all of them succeed")
def check_all_succeed(context: Context) -> None:
    failed = [typed for typed in context.answers if typed.exit_status != 0]
    assert not failed, failed


@then('Docker on "{node}" counts {count:d} volumes in less than {seconds:g} second')
def check_count(context: Context, node: str, count: int, seconds: float) -> None:
    answers = [context.operator.type(node, crowd.count_volumes()) for _ in range(questions.TRIES)]
    for typed in answers:
        assert (typed.exit_status, typed.output.strip()) == (0, str(count)), typed.output
    questions.check_time(answers, seconds)


@when('{count:d} containers on "{node}" write to a volume each at once')
def write_pages(context: Context, count: int, node: str) -> None:
    context.typed = context.operator.type(node, crowd.write_pages(count))


@then('{count:d} containers on "{node}" read what was written at once')
def check_pages(context: Context, count: int, node: str) -> None:
    typed = context.operator.type(node, crowd.count_pages(count))
    assert (typed.exit_status, typed.output.strip()) == (0, str(count)), typed.output


@given("each node has an app of its own, with a volume that is there before")
def prepare_apps(context: Context) -> None:
    first = context.cluster.nodes[0].name
    context.answers = [
        context.operator.type(first, crowd.give_apps_volumes()),
        *context.operator.type_everywhere(crowd.prepare_app()),
    ]
    check_all_succeed(context)


@when("the operators of all nodes start their apps and take them down, again and again")
def start_and_remove_apps(context: Context) -> None:
    context.answers = context.operator.type_everywhere(crowd.start_and_remove_app())


@then("no engine had to ask its driver twice")
def check_repeated_questions(context: Context) -> None:
    answers = context.operator.type_everywhere(crowd.count_repeated_questions())
    context.operator.type_everywhere(crowd.forget_app())
    printed = [typed.output.strip() for typed in answers]
    assert set(printed) == {"0"}, f"they printed {printed}"
