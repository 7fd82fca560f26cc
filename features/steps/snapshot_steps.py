"""Steps about earlier states of volumes: snapshots, restores, what was removed."""

from behave import given, then, when

from acceptance.base import listing
from acceptance.context import Context
from acceptance.words import shop
from acceptance.words import volume_commands as commands

BEFORE = "before the restore"


@given('"{node}" has snapshotted the volume "{volume}" as "{label}"')
def have_snapshotted(context: Context, node: str, volume: str, label: str) -> None:
    typed = context.operator.type(node, commands.snapshot(volume, label)).must_succeed()
    context.operator.note(label, typed, volume)


@when('"{node}" snapshots the volume "{volume}" as "{label}"')
def snapshot(context: Context, node: str, volume: str, label: str) -> None:
    context.typed = context.operator.type(node, commands.snapshot(volume, label))


@when('"{node}" snapshots the volumes "{one}" and "{other}" at one instant')
def snapshot_both(context: Context, node: str, one: str, other: str) -> None:
    typed = context.operator.type(node, commands.snapshot(f"{one} {other}", "both"))
    for volume in (one, other):
        context.operator.note("both", typed, volume)


@given('"{node}" has restored the volume "{volume}" to "{label}"')
def have_restored(context: Context, node: str, volume: str, label: str) -> None:
    state = context.operator.noted(volume, label)
    typed = context.operator.type(node, commands.restore(state)).must_succeed()
    context.operator.note(BEFORE, typed, volume)


@when('"{node}" restores the volume "{volume}" to "{label}"')
def restore(context: Context, node: str, volume: str, label: str) -> None:
    state = context.operator.noted(volume, label)
    context.notes.wanted = volume
    context.typed = context.operator.type(node, commands.restore(state))


@then('"{node}" lists the snapshots of the volume "{volume}"')
def check_snapshots(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, commands.snapshots(volume)).must_succeed()
    found = listing.columns(typed.output, context.table.headings)
    expected = [tuple(row) for row in context.table]
    assert found == expected, f"it listed {found}: {typed.output}"


@then('"{node}" lists no snapshot of the volume "{volume}"')
def check_no_snapshot(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, commands.snapshots(volume)).must_succeed()
    assert "No snapshots yet" in typed.output, typed.output


@then('"{node}" lists what was removed')
def check_trash(context: Context, node: str) -> None:
    typed = context.operator.type(node, "sudo flocker trash").must_succeed()
    found = listing.columns(typed.output, context.table.headings)
    expected = [tuple(row) for row in context.table]
    assert set(expected) <= set(found), f"it listed {found}: {typed.output}"


@given('a shop on "{node}" writes each order, and then its payment, as fast as it can')
def start_shop(context: Context, node: str) -> None:
    context.operator.type(node, shop.start()).must_succeed()


@then('at that instant, "{node}" reads a payment for each order but the last')
def check_pair(context: Context, node: str) -> None:
    clones = {volume: f"{volume}-then" for volume in (shop.ORDERS, shop.PAYMENTS)}
    for volume, clone in clones.items():
        made = commands.clone(context.operator.noted(volume, "both"), clone)
        typed = context.operator.type(node, made).must_succeed()
    typed = context.operator.type(node, shop.compare(*clones.values())).must_succeed()
    assert typed.output.strip() in ("0", "1"), f"orders without payment: {typed.output!r}"


@then('"{node}" can clone what only "{lost}" had of the volume "{volume}", as "{clone}"')
def clone_lost(context: Context, node: str, lost: str, volume: str, clone: str) -> None:
    typed = context.operator.type(node, "sudo flocker conflicts")
    assert lost in typed.output, f"nothing of {lost}: {typed.output}"
    context.operator.note(lost, typed, volume)
    made = commands.clone(context.operator.noted(volume, lost), clone)
    context.operator.type(node, made).must_succeed()
