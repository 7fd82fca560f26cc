"""Steps about volumes: who owns them."""

from behave import then
from behave.runner import Context

from acceptance.waiting import eventually

OWNER_SECONDS = 10


@then('"{node}" owns the volume "{volume}"')
def check_owner(context: Context, node: str, volume: str) -> None:
    cluster = context.cluster
    eventually(lambda: cluster.owner_of(volume), is_=node, within=OWNER_SECONDS)
