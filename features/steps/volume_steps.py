"""The verbs: what a node does with a volume, each of them one command that the report shows.

A verb is a Given, which has to succeed, and a When, which leaves what came of it. Some are a Then
besides: the node can do it.
"""

from collections.abc import Callable

from behave import given, then, when

from acceptance.context import Context
from acceptance.words import volume_commands as commands

Command = Callable[..., str]


def verb(*, has: str, does: str, can: str | None = None) -> Callable[[Command], Command]:
    """Make the steps of a verb from what returns its command, given the words of the step."""

    def make(command: Command) -> Command:
        def try_it(context: Context, node: str, volume: str, **words: object) -> None:
            context.notes.wanted = volume
            context.typed = context.operator.type(node, command(context, volume, **words))

        def do_it(context: Context, node: str, volume: str, **words: object) -> None:
            context.typed = context.operator.type(node, command(context, volume, **words))
            context.typed.must_succeed()

        when(does)(try_it)
        given(has)(do_it)
        if can is not None:
            then(can)(do_it)
        return command

    return make


@verb(
    has='"{node}" has written "{text}" to the volume "{volume}"',
    does='"{node}" writes "{text}" to the volume "{volume}"',
    can='"{node}" can write "{text}" to the volume "{volume}"',
)
def write(_: Context, volume: str, text: str) -> str:
    return commands.write(volume, text)


@verb(
    has='"{node}" has added "{text}" to the volume "{volume}"',
    does='"{node}" adds "{text}" to the volume "{volume}"',
    can='"{node}" can add "{text}" to the volume "{volume}"',
)
def add(_: Context, volume: str, text: str) -> str:
    return commands.add(volume, text)


@verb(has='"{node}" has read the volume "{volume}"', does='"{node}" reads the volume "{volume}"')
def read(_: Context, volume: str) -> str:
    return commands.read(volume)


@verb(
    has='"{node}" has filled the volume "{volume}" with {megabytes:d} MB',
    does='"{node}" fills the volume "{volume}" with {megabytes:d} MB',
    can='"{node}" can fill the volume "{volume}" with {megabytes:d} MB',
)
def fill(_: Context, volume: str, megabytes: int) -> str:
    return commands.fill(volume, megabytes)


@verb(
    has='"{node}" has created the volume "{volume}"',
    does='"{node}" creates the volume "{volume}"',
)
def create(_: Context, volume: str) -> str:
    return commands.create(volume, {})


@verb(
    has='"{node}" has created the volume "{volume}" with',
    does='"{node}" creates the volume "{volume}" with',
)
def create_with(context: Context, volume: str) -> str:
    [options] = context.table
    return commands.create(volume, options.as_dict())


@verb(
    has='"{node}" has removed the volume "{volume}"',
    does='"{node}" removes the volume "{volume}"',
)
def remove(_: Context, volume: str) -> str:
    return commands.remove(volume)


@verb(
    has='"{node}" has purged the volume "{volume}"',
    does='"{node}" purges the volume "{volume}"',
)
def purge(_: Context, volume: str) -> str:
    return commands.purge(volume)


@verb(
    has='"{node}" has undeleted the volume "{volume}"',
    does='"{node}" undeletes the volume "{volume}"',
)
def undelete(_: Context, volume: str) -> str:
    return commands.undelete(volume)


@verb(
    has='"{node}" has cloned the volume "{volume}" at "{label}" as "{clone}"',
    does='"{node}" clones the volume "{volume}" at "{label}" as "{clone}"',
)
def clone(context: Context, volume: str, label: str, clone: str) -> str:
    return commands.clone(context.operator.noted(volume, label), clone)


@verb(
    has='"{node}" has pruned the snapshot "{label}" of the volume "{volume}"',
    does='"{node}" prunes the snapshot "{label}" of the volume "{volume}"',
)
def prune(context: Context, volume: str, label: str) -> str:
    return commands.prune(context.operator.noted(volume, label))


@verb(
    has='"{node}" has resized the volume "{volume}" to {size}',
    does='"{node}" resizes the volume "{volume}" to {size}',
)
def resize(_: Context, volume: str, size: str) -> str:
    return commands.resize(volume, size)


@verb(
    has='"{node}" has moved the volume "{volume}" to "{target}"',
    does='"{node}" moves the volume "{volume}" to "{target}"',
)
def move(_: Context, volume: str, target: str) -> str:
    return commands.move(volume, target)


@verb(
    has='"{node}" has promoted the volume "{volume}"',
    does='"{node}" promotes the volume "{volume}"',
)
def promote(_: Context, volume: str) -> str:
    return commands.promote(volume)


@verb(
    has='"{node}" has promoted its copy of the volume "{volume}"',
    does='"{node}" promotes its copy of the volume "{volume}"',
)
def promote_here(_: Context, volume: str) -> str:
    return commands.promote_here(volume)


@verb(
    has='"{node}" has verified the volume "{volume}"',
    does='"{node}" verifies the volume "{volume}"',
)
def verify(_: Context, volume: str) -> str:
    return commands.verify(volume)
