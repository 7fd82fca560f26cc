"""The subcommands of `flocker`; longer than 300 lines because all of them are here.

Each with its arguments and its help, in the order of `flocker --help`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Annotated, Any, TypeVar

import typer

from flocker.base.answers import FORMAT
from flocker.base.errors import BadRequest
from flocker.base.options import read_size
from flocker.base.printable import printable, printable_json, printable_parts
from flocker.cli import wording
from flocker.cli.client import FAILED, WRONGLY_TYPED, Answer, DaemonClient, Failed
from flocker.cli.progress import moving, waiting

Function = TypeVar("Function", bound=Callable[..., Any])

app = typer.Typer(
    help="Volumes that move between nodes with their containers.\n\n"
    "Exit status: 0 done, 1 refused or failed, 2 wrong usage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Errors and help in plain lines: a frame would break the commands in them apart.
    rich_markup_mode=None,
)


def command(example: str) -> Callable[[Function], Function]:
    """A command of the function's name, whose help ends with an example.

    Every command ends here when it fails: typer shows nothing of exceptions that are not its own.
    """

    def register(function: Function) -> Function:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Failed as failure:
                typer.echo(f"flocker: {printable(str(failure))}", err=True)
                raise typer.Exit(failure.exit_status) from failure

        name = function.__name__.rstrip("_")  # import_
        app.command(name, epilog=f"Example: {example}")(run)
        return function

    return register


AsJson = Annotated[
    bool, typer.Option("--json", help="Print the daemon's answer as JSON, and nothing else.")
]
Volume = Annotated[str, typer.Argument(help="Name of the volume.", show_default=False)]
OneOrAll = Annotated[
    str | None,
    typer.Argument(help="Name of the volume; all volumes by default.", show_default=False),
]
Snapshot = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="Snapshot, e.g. demo@3; `flocker snapshots` lists them.",
        show_default=False,
    ),
]


@command("sudo flocker status")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the nodes, and the volumes with owner, size and replicas."""
    _tell(_daemon(context).get("/flocker/status"), as_json, wording.status)


@command("sudo flocker move demo --to node2")
def move(
    context: typer.Context,
    volume: Volume,
    to: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Target node; this node by default.", show_default=False),
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel the volume's move, whatever its target.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move a volume to another node ahead of time.

    No container may use the volume meanwhile. The next mount there has nothing left to fetch.
    """
    if cancel and to is not None:
        raise Failed("say --to NODE to move it, or --cancel to end its move", WRONGLY_TYPED)
    if cancel:
        body, title = {"volume": volume}, f"ending the move of {volume}"
        _tell(_order(context, "cancel", body, title, as_json), as_json, wording.cancelled)
        return
    daemon = _daemon(context)
    title = f"moving {volume} to {to or 'this node'}"
    with nullcontext() if as_json else moving(daemon, volume, title), _leaving_it_to_the_daemon():
        answer = daemon.post("/flocker/move", {"volume": volume, "to": to})
    _tell(answer, as_json, wording.moved)


@command("sudo flocker promote demo")
def promote(
    context: typer.Context,
    volume: Volume,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Continue from the newest copy that this node can get, even if another node has "
            "a newer one.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make this node the owner of a volume whose owner is away.

    Type it on the node that is to own the volume. The volume continues from the newest copy that
    is available. Later writes of the old owner are not in it; if the old owner comes back, they
    are kept there (`flocker conflicts`).
    """
    known = printable_parts(_daemon(context).get("/flocker/status"))["volumes"]
    old_owner = next((it["owner"] for it in known if it["name"] == volume), "the old owner")
    title = f"taking {volume} over from {old_owner}"
    body = {"volume": volume, "here": here}
    answer = _order(context, "promote", body, title, as_json, is_long=True)
    _tell(answer, as_json, lambda answer: wording.promoted(answer, old_owner))


@command("sudo flocker conflicts")
def conflicts(context: typer.Context, as_json: AsJson = False) -> None:
    """List copies with writes that only a replaced owner had.

    Such a copy is put aside on the node of that owner, and kept for seven days unless
    FLOCKER_RETENTION_DAYS says otherwise. The list shows the command that brings it back.
    """
    _tell(_ask(context, "conflicts", as_json), as_json, wording.conflicts)


@command("sudo flocker snapshot demo demo-db --label 'before the upgrade'")
def snapshot(
    context: typer.Context,
    volumes: Annotated[
        list[str],
        typer.Argument(metavar="VOLUME...", help="Names of the volumes.", show_default=False),
    ],
    label: Annotated[
        str, typer.Option(metavar="TEXT", help="Purpose of the snapshot.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Take a snapshot of one volume, or of several at one instant."""
    body = {"volumes": volumes, "label": label}
    answer = _order(context, "snapshot", body, "taking the snapshot", as_json)
    _tell(answer, as_json, wording.snapshots_taken)


@command("sudo flocker snapshots demo")
def snapshots(context: typer.Context, volume: OneOrAll = None, as_json: AsJson = False) -> None:
    """List requested snapshots, and the nodes that hold them."""
    _tell(_ask(context, "snapshots", as_json, volume=volume), as_json, wording.snapshots)


@command("sudo flocker prune demo@3")
def prune(context: typer.Context, reference: Snapshot, as_json: AsJson = False) -> None:
    """Delete a snapshot, and free the disk space that only it needs.

    Volumes that were made from the snapshot stay. This cannot be undone.
    """
    body = {"reference": reference}
    answer = _order(context, "prune", body, f"deleting {reference}", as_json)
    _tell(answer, as_json, wording.pruned)


@command("sudo flocker restore demo@3")
def restore(context: typer.Context, reference: Snapshot, as_json: AsJson = False) -> None:
    """Restore a volume to a snapshot.

    No container may use the volume meanwhile. Its present state is kept as another snapshot.
    """
    body = {"reference": reference}
    answer = _order(context, "restore", body, f"restoring {reference}", as_json, is_long=True)
    _tell(answer, as_json, lambda answer: wording.restored(answer, reference))


@command("sudo flocker clone demo@3 demo-staging")
def clone(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="Source: demo, the volume as it is now; demo@3, a snapshot; "
            "demo@node1-20261122T190000Z, a copy put aside.",
            show_default=False,
        ),
    ],
    name: Annotated[str, typer.Argument(help="Name of the new volume.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Make a new volume from another volume or its snapshot."""
    body = {"reference": reference, "name": name}
    answer = _order(context, "clone", body, f"cloning {reference}", as_json, is_long=True)
    _tell(answer, as_json, lambda answer: wording.cloned(answer, reference))


@command("sudo flocker trash")
def trash(context: typer.Context, as_json: AsJson = False) -> None:
    """List removed volumes and copies put aside.

    The list shows the command that brings each of them back.
    """
    _tell(_ask(context, "trash", as_json), as_json, wording.trash)


@command("sudo flocker purge demo")
def purge(
    context: typer.Context,
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="REF",
            help="A removed volume, or a copy that `flocker trash` or `flocker conflicts` lists.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All of them, except copies that only a replaced owner had."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete removed volumes and copies put aside for good.

    The command prints how much disk space it freed on each node. This cannot be undone.
    The exit status is 1 if something could not be deleted, the freed space is not known, or a node
    did not answer.
    """
    if everything == (reference is not None):
        raise Failed(
            "say what to purge: `flocker purge REF` for one thing that `flocker trash` lists, or "
            "`flocker purge --all`",
            WRONGLY_TYPED,
        )
    title = f"purging {reference or 'the trash'}"
    answer = _order(context, "purge", {"reference": reference}, title, as_json, is_long=True)
    _tell(answer, as_json, wording.purged)
    if answer["silent"] or any(node["failed"] for node in answer["nodes"]):
        raise typer.Exit(FAILED)


@command("sudo flocker forget node3")
def forget(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Name of a volume, or of a node that is gone.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Give up a volume or a node that is gone for good.

    The command is refused while the data may come back. A node must have been silent for ten
    minutes, and its volumes promoted. A volume's owner must have been forgotten, and no node may
    have a copy.
    """
    answer = _order(context, "forget", {"name": name}, f"forgetting {name}", as_json)
    _tell(answer, as_json, wording.forgotten)


@command("sudo flocker import demo")
def import_(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME|ID", help="Former name of the volume, or its id.", show_default=False
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Another name for it.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a volume from data without a record in etcd.

    Such data remains when etcd was lost, or comes with a disk of another cluster; `flocker
    status` shows it under PROBLEMS. Type the command on a node that has the data. It is refused
    if another node has a newer state.
    """
    body = {"reference": reference, "name": name}
    answer = _order(context, "import", body, f"importing {reference}", as_json, is_long=True)
    _tell(answer, as_json, wording.imported)


@command("sudo flocker undelete demo")
def undelete(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the removed volume.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Bring a removed volume back."""
    title = f"bringing {name} back"
    answer = _order(context, "undelete", {"name": name}, title, as_json, is_long=True)
    _tell(answer, as_json, wording.undeleted)


@command("sudo flocker verify demo")
def verify(context: typer.Context, volume: Volume, as_json: AsJson = False) -> None:
    """Compare the copies of a volume with its owner's data.

    All nodes read a snapshot that they share with the owner, as fast as their disks allow;
    containers keep running. Every volume is also compared about once a week in the background.
    The exit status is 1 if a copy differs, cannot be read or was not compared.
    """
    title = f"comparing the copies of {volume}"
    answer = _order(context, "verify", {"volume": volume}, title, as_json, is_long=True)
    _tell(answer, as_json, wording.verified)
    if any(copy["result"] != "same" for copy in answer["copies"]):
        raise typer.Exit(FAILED)


@command("sudo flocker resize demo 2GiB")
def resize(
    context: typer.Context,
    volume: Volume,
    size: Annotated[
        str,
        typer.Argument(
            metavar="SIZE|none",
            help="New limit, e.g. 512MiB or 2g; none removes the limit.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Change the size limit of a volume, also while it is in use."""
    try:
        size_bytes = None if size == "none" else read_size(size)
    except BadRequest as error:
        raise Failed(str(error), WRONGLY_TYPED) from error
    body = {"volume": volume, "size_bytes": size_bytes}
    _tell(_order(context, "resize", body, f"resizing {volume}", as_json), as_json, wording.resized)


@command("sudo flocker history demo")
def history(context: typer.Context, volume: OneOrAll = None, as_json: AsJson = False) -> None:
    """Show who changed what, when, where and why; oldest first."""
    _tell(_ask(context, "history", as_json, volume=volume), as_json, wording.history)


def _daemon(context: typer.Context) -> DaemonClient:
    daemon: DaemonClient = context.obj
    return daemon


def _ask(context: typer.Context, route: str, as_json: bool, **parameters: str | None) -> Answer:
    with nullcontext() if as_json else waiting("asking all nodes"):
        return _daemon(context).get(f"/flocker/{route}", **parameters)


def _order(
    context: typer.Context,
    route: str,
    body: Answer,
    title: str,
    as_json: bool,
    is_long: bool = False,
) -> Answer:
    with nullcontext() if as_json else waiting(title, is_long), _leaving_it_to_the_daemon():
        return _daemon(context).post(f"/flocker/{route}", body)


@contextmanager
def _leaving_it_to_the_daemon() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Failed(
            "no longer waiting; the daemon continues: see `flocker status` "
            "(`flocker move --cancel VOLUME` ends a move)"
        ) from None


def _tell(answer: Answer, as_json: bool, say: Callable[[Any], str]) -> None:
    """Print an answer; `say` names its type in base/answers.py."""
    if as_json:
        marked = {"format": FORMAT, **answer}
        typer.echo(printable_json(json.dumps(marked, indent=2, ensure_ascii=False)))
    else:
        typer.echo(say(printable_parts(answer)))
