"""Steps about moby-counter: where it runs and moves, what a visitor does in the page and sees."""

from behave import given, then, when

from acceptance.app.client import MobyCounter
from acceptance.app.whale_script import WhaleScript
from acceptance.base.waiting import eventually
from acceptance.context import Context
from acceptance.words import refusals

COMPOSE = "cd /vagrant/app && docker-compose"
COMPOSE_UP = f"{COMPOSE} up -d"
COMPOSE_POSTGRES = f"{COMPOSE} -f docker-compose.postgres.yml"
TO_POSTGRES = f"{COMPOSE_POSTGRES} up -d --remove-orphans"
TO_REDIS = f"{COMPOSE_UP} --remove-orphans"
SEEN_SECONDS = 5  # the page asks for news each second
START_SECONDS = 30  # within which the app answers once its containers are there


@given('moby-counter runs on "{node}"')
def run_app(context: Context, node: str) -> None:
    compose_up(context, node)
    app = MobyCounter(context.cluster.node(node).address)
    eventually(app.ping, is_=True, within=START_SECONDS)


@when('the operator starts moby-counter on "{node}"')
@then('moby-counter starts on "{node}"')
def start_app(context: Context, node: str) -> None:
    compose_up(context, node)


@given('moby-counter runs with Postgres on "{node}"')
@then('moby-counter starts with Postgres on "{node}"')
def start_with_postgres(context: Context, node: str) -> None:
    context.operator.type(node, f"{COMPOSE_POSTGRES} up -d").must_succeed()


@given('the operator has changed moby-counter over to Postgres on "{node}"')
def have_changed_to_postgres(context: Context, node: str) -> None:
    context.operator.type(node, TO_POSTGRES).must_succeed()


@when('the operator changes moby-counter over to Postgres on "{node}"')
def change_to_postgres(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, TO_POSTGRES)


@when('the operator changes moby-counter back to Redis on "{node}"')
def change_to_redis(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, TO_REDIS)


@then(
    'moby-counter cannot start on "{node}" while {service} on "{other}" uses the volume "{volume}"'
)
def check_no_start(context: Context, node: str, service: str, other: str, volume: str) -> None:
    typed = context.operator.type(node, COMPOSE_UP)
    container = context.cluster.node(other).engine.container_of(service)
    refusals.check_in_use(typed, volume, container, other)


@given('the operator has stopped moby-counter on "{node}"')
def stop_app(context: Context, node: str) -> None:
    context.operator.type(node, f"{COMPOSE} stop").must_succeed()


@when('the operator stops the app on "{node}", to start it on "{target}", with')
def begin_app_move(context: Context, node: str, target: str) -> None:
    old, new = context.cluster.node(node), context.cluster.node(target)
    leaving = context.app_move.leaving(old, new, context.visitor.placed)
    context.typed = context.operator.type(node, context.text, during=leaving)
    context.typed.must_succeed()


@when('the operator removes moby-counter and its volumes on "{node}"')
def remove_app(context: Context, node: str) -> None:
    context.typed = context.operator.type(node, f"{COMPOSE} down --volumes")


@when('a visitor opens the app on "{node}"')
@when('the visitor opens the app on "{node}"')
def open_app(context: Context, node: str) -> None:
    context.visitor.open(context.cluster.node(node))


@given('a visitor has placed {count:d} whale on "{node}"')
@given('a visitor has placed {count:d} whales on "{node}"')
def have_placed(context: Context, count: int, node: str) -> None:
    context.visitor.open(context.cluster.node(node))
    context.visitor.click(count)


@when("the visitor places {count:d} whales")
def click(context: Context, count: int) -> None:
    context.visitor.click(count)


@when("the visitor places a whale")
def click_once(context: Context) -> None:
    context.visitor.click(1)


@when("a script places a whale")
def place_whale(context: Context) -> None:
    context.visitor.place_by_script()


@given('a script keeps placing whales on "{node}"')
def start_placing(context: Context, node: str) -> None:
    context.notes.script = script = WhaleScript(context.cluster.node(node))
    context.add_cleanup(script.stop)
    script.wait_until_it_goes_on()


@then('the visitor finds every whale that was acknowledged on "{node}"')
def check_acknowledged(context: Context, node: str) -> None:
    visitor, acknowledged = context.visitor, context.notes.script.acknowledged
    visitor.open(context.cluster.node(node))
    try:
        eventually(
            lambda: [whale for whale in acknowledged if whale not in visitor.seen()],
            is_=[],
            within=SEEN_SECONDS,
        )
    finally:
        visitor.take_picture(f"The page on {node}, of {len(acknowledged)} acknowledged whales")


@then("the browser reports no error on the page")
def check_errors(context: Context) -> None:
    errors = context.visitor.complaints()
    assert errors == [], errors


@then("the page is empty and says to click")
def check_empty(context: Context) -> None:
    see_nothing(context)


@then('the visitor finds an empty page on "{node}"')
def find_nothing(context: Context, node: str) -> None:
    context.visitor.open(context.cluster.node(node))
    see_nothing(context)


def see_nothing(context: Context) -> None:
    """Wait until the page asks to click, and make sure that no whale is there."""
    eventually(context.visitor.is_asked_to_click, is_=True, within=SEEN_SECONDS)
    seen = context.visitor.seen()
    assert seen == [], f"the page shows whales at {seen}"


@then('the visitor sees a whale at each point on "{node}"')
@then('the visitor sees the same whales in the same places on "{node}"')
def check_whales(context: Context, node: str) -> None:
    see_whales(context, node)


@then('the visitor finds the same whales on "{node}"')
def find_whales(context: Context, node: str) -> None:
    context.visitor.open(context.cluster.node(node))
    see_whales(context, node)


@then('the page says that "{node}" serves it')
def check_badge(context: Context, node: str) -> None:
    hostname = context.cluster.node(node).hostname
    eventually(context.visitor.serving_node, is_=hostname, within=SEEN_SECONDS)


@then('the app shows its data on "{node}" within {seconds:g} seconds')
def check_gap(context: Context, node: str, seconds: float) -> None:
    gap = context.app_move.wait_until_back(within=seconds)
    assert gap.new_address == context.cluster.node(node).address, gap


def compose_up(context: Context, node: str) -> None:
    """Start the app; Compose does not wait until it answers."""
    context.operator.type(node, COMPOSE_UP).must_succeed()


def see_whales(context: Context, node: str) -> None:
    """Wait until the page has exactly the whales that were placed, and take a picture of it."""
    visitor = context.visitor
    assert visitor.placed, "nobody has placed a whale"
    try:
        eventually(visitor.seen, is_=visitor.placed, within=SEEN_SECONDS)
    finally:
        visitor.take_picture(f"The page on {node}")
