"""The `flocker` command: asks this node's daemon and prints what it says."""

from __future__ import annotations

import json
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from flocker.config import PLUGIN_SOCKET

ANSWER_SECONDS = 15

app = typer.Typer(
    help="Volumes that move between nodes with their containers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point. Exit status: 0 done, 1 refused or failed, 2 wrongly typed."""
    app()


@app.callback()
def _flocker() -> None:
    """Volumes that move between nodes with their containers."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show the nodes, the volumes and who owns them."""
    answer = _ask("/flocker/status")
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    console = Console()
    console.print(_nodes_table(answer["nodes"]))
    console.print()
    console.print(_volumes_table(answer["volumes"], answer["moves"]))


def _nodes_table(nodes: list[dict[str, Any]]) -> Table:
    table = _table("NODE", "ADDRESS", "POOL", "VERSION")
    for node in nodes:
        pool = f"{decimal(node['pool_used_bytes'])} of {decimal(node['pool_total_bytes'])}"
        table.add_row(node["name"], node["address"], pool, node["version"])
    return table


def _volumes_table(volumes: list[dict[str, Any]], moves: list[dict[str, Any]]) -> Table:
    moving = {move["volume_id"]: move for move in moves}
    table = _table("VOLUME", "OWNER", "EPOCH", "STATE")
    for volume in volumes:
        state = f"mounted on {volume['mounted_on']}" if volume["mounted_on"] else "not mounted"
        if move := moving.get(volume["id"]):
            percent = "" if move["percent"] is None else f", {move['percent']} %"
            state = f"on its way to {move['target']}{percent}"
        table.add_row(volume["name"], volume["owner"], str(volume["epoch"]), state)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _ask(path: str) -> Any:
    transport = httpx.HTTPTransport(uds=str(PLUGIN_SOCKET))
    try:
        with httpx.Client(transport=transport, timeout=ANSWER_SECONDS) as client:
            answer = client.get(f"http://flocker{path}")
    except httpx.HTTPError as error:
        _fail(_why_no_answer(error))
    if not answer.is_success:
        _fail(answer.json()["Err"])
    return answer.json()


def _why_no_answer(error: httpx.HTTPError) -> str:
    if isinstance(error.__context__, PermissionError) or "Permission denied" in str(error):
        return "only root may ask the daemon; run it with sudo"
    return f"the daemon does not answer ({error}); `systemctl status flocker` tells more"


def _fail(message: str) -> None:
    typer.echo(f"flocker: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    main()
