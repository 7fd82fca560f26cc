"""Steps about containers that have a volume each, or want the same one at once."""

from behave import given, then, when

from acceptance.context import Context
from acceptance.words import refusals, tenant
from acceptance.words import volume_commands as commands


@given('a container on "{node}" has the volume "{volume}", and has room for {megabytes:d} MB')
def start_tenant(context: Context, node: str, volume: str, megabytes: int) -> None:
    for command in (tenant.start(volume), tenant.write(megabytes)):
        context.operator.type(node, command).must_succeed()


@given('a container on "{node}" has the volume "{volume}", and has no room for {megabytes:d} MB')
def start_full_tenant(context: Context, node: str, volume: str, megabytes: int) -> None:
    context.operator.type(node, tenant.start(volume)).must_succeed()
    refusals.check_full(context.operator.type(node, tenant.write(megabytes)))


@then('the container on "{node}" has room for {megabytes:d} MB')
def check_room(context: Context, node: str, megabytes: int) -> None:
    context.operator.type(node, tenant.write(megabytes)).must_succeed()


@then('the container on "{node}" has no room for {megabytes:d} MB')
def check_no_room(context: Context, node: str, megabytes: int) -> None:
    refusals.check_full(context.operator.type(node, tenant.write(megabytes)))


@when('"{one}" and "{other}" start a container with the volume "{volume}" at once')
def start_at_once(context: Context, one: str, other: str, volume: str) -> None:
    context.answers = context.operator.type_at_once([one, other], tenant.start(volume))


@when('"{one}" and "{other}" create the volume "{volume}" at once')
def create_at_once(context: Context, one: str, other: str, volume: str) -> None:
    context.answers = context.operator.type_at_once([one, other], commands.create(volume, {}))
