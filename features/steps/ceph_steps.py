"""Steps about shared volumes as Ceph sees them."""

from behave import given, then

from acceptance.cluster import ceph
from acceptance.context import Context


@given('Ceph knows the client of "{node}" for the volume "{volume}"')
def note_client(context: Context, node: str, volume: str) -> None:
    context.notes.client = ceph.client(context.cluster.node(node), volume)


@then('Ceph refuses the client that "{node}" had for the volume "{volume}"')
def check_refused(context: Context, node: str, volume: str) -> None:
    refused = ceph.refused(context.cluster.node(node))
    client = context.notes.client
    assert client in refused, f"the client of '{volume}' is {client}, refused are {refused}"
