"""Steps about files in volumes that are more than text: holes, links, folders, subvolumes."""

from behave import given, then, when

from acceptance.context import Context
from acceptance.words import volume_files as files


@when('"{node}" makes a file of every kind in the volume "{volume}"')
def make_every_kind(context: Context, node: str, volume: str) -> None:
    context.typed = context.operator.type(node, files.make_every_kind(volume))
    assert files.ATTRIBUTE in context.typed.output, context.typed.output


@then('"{node}" lists the same files in the volume "{volume}"')
def check_every_kind(context: Context, node: str, volume: str) -> None:
    typed = context.operator.type(node, files.list_every_kind(volume))
    made = context.typed.output
    assert typed.output == made, f"it listed {typed.output!r} instead of {made!r}"


@when('"{node}" makes a page, a link to it, a pipe and folders in the volume "{volume}"')
def make_special(context: Context, node: str, volume: str) -> None:
    context.operator.type(node, files.make_special(volume)).must_succeed()


@then('"{node}" finds these files in the volume "{volume}"')
def check_special(context: Context, node: str, volume: str) -> None:
    assert tuple(context.table.headings) == files.FIELDS, context.table.headings
    expected = [tuple(row) for row in context.table]
    typed = context.operator.type(node, files.list_special(volume, [row[0] for row in expected]))
    found = [tuple(line.split("|")) for line in typed.output.splitlines()]
    assert found == expected, f"it found {found}"


@then('"{node}" reads "{text}" through the link in the volume "{volume}"')
def check_link(context: Context, node: str, text: str, volume: str) -> None:
    typed = context.operator.type(node, files.read_link(volume))
    assert (typed.exit_status, typed.output.strip()) == (0, text), f"it read {typed.output!r}"


@given('"{node}" has made a file of {mebibytes:d} MiB in the volume "{volume}"')
def make_large(context: Context, node: str, mebibytes: int, volume: str) -> None:
    context.operator.type(node, files.make_large(volume, mebibytes)).must_succeed()


@when('somebody on "{node}" punches a hole of {mebibytes:d} MiB into the file in "{volume}"')
def punch_hole(context: Context, node: str, mebibytes: int, volume: str) -> None:
    context.operator.type(node, files.punch_hole(volume, mebibytes)).must_succeed()


@then('the file takes {mebibytes:d} MiB in the volume "{volume}" on "{node}"')
def check_room(context: Context, mebibytes: int, volume: str, node: str) -> None:
    typed = context.operator.type(node, files.room_of_file(volume)).must_succeed()
    assert typed.output.strip() == str(mebibytes * 1024), f"it takes {typed.output} KiB"


@given('somebody on "{node}" has made a subvolume "{name}" in the volume "{volume}"')
def make_subvolume(context: Context, node: str, name: str, volume: str) -> None:
    context.operator.type(node, files.make_subvolume(volume, name)).must_succeed()


@when('somebody on "{node}" deletes the subvolume "{name}" in the volume "{volume}"')
def delete_subvolume(context: Context, node: str, name: str, volume: str) -> None:
    context.operator.type(node, files.delete_subvolume(volume, name)).must_succeed()


@given('"{node}" has made the folder "{folder}" with the file "{file}" in the volume "{volume}"')
def make_folders(context: Context, node: str, folder: str, file: str, volume: str) -> None:
    context.operator.type(node, files.make_folders(volume, folder, file)).must_succeed()


@when('"{node}" mounts the folder "{folder}" of the volume "{volume}" only')
def look_into_folder(context: Context, node: str, folder: str, volume: str) -> None:
    context.typed = context.operator.type(node, files.look_into_folder(volume, folder))


@then('it finds the file "{file}" and nothing else')
def check_file(context: Context, file: str) -> None:
    typed = context.typed.must_succeed()
    assert typed.output.split() == [file], f"it found {typed.output!r}"


@given('a container of the app\'s image on "{node}" has changed its files in the volume "{volume}"')
def change_images_files(context: Context, node: str, volume: str) -> None:
    context.operator.type(node, files.change_images_files(volume)).must_succeed()


@when('a container of the app\'s image on "{node}" reads what was changed in the volume "{volume}"')
def read_images_files(context: Context, node: str, volume: str) -> None:
    context.typed = context.operator.type(node, files.read_images_files(volume))
