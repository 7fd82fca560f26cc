"""Folders and subvolumes of the benchmark's own in the pools, beside the driver's."""

from __future__ import annotations

import json
import shlex
from typing import Any

from acceptance.nodes.node import Node
from bench.plan import Data

FOLDER = "/var/lib/flocker/bench"
TEMPLATES = f"{FOLDER}/templates"
PER_COMMAND_SECONDS = 300


def on_node(node: Node, *arguments: str) -> Any:
    """The output of `on_node.py`.

    Raises:
        RuntimeError: it failed; the message holds its output.
    """
    command = shlex.join(("sudo", "python3", "-BI", "/vagrant/bench/on_node.py", *arguments))
    typed = node.type(command, within=PER_COMMAND_SECONDS)
    if typed.exit_status != 0:
        raise RuntimeError(f"`{command}` on {node.name} failed: {typed.output}")
    return json.loads(typed.output.splitlines()[-1])


def make_template(node: Node, data: Data) -> None:
    """Have the data on a node, to fill volumes from; generating 4 GB takes 20 s, a copy none."""
    template = f"{TEMPLATES}/{data.key}"
    make_subvolume(node, template)
    on_node(node, "fill", template, data.content, str(data.size_bytes), data.key)


def fill(node: Node, folder: str, data: Data) -> None:
    """Fill a folder of the pool from the template: new files that share the blocks on disk.

    So that each move starts with nothing of its files in memory.
    """
    node.run(f"sudo cp -a --reflink=always {TEMPLATES}/{data.key}/. {folder}/")
    node.run(f"sudo sync --file-system {folder}")


def expected_digest(node: Node, data: Data, token: str) -> str:
    """The digest of a folder filled from the template, after the changes that belong to `token`."""
    folder = f"{FOLDER}/expected"
    make_subvolume(node, folder)
    try:
        fill(node, folder, data)
        on_node(node, "change", folder, token)
        return str(on_node(node, "digest", folder))
    finally:
        delete(node, folder)


def make_subvolume(node: Node, path: str) -> None:
    """Make an empty subvolume, and the folders above it."""
    node.run(f"sudo mkdir -p $(dirname {path}) && sudo btrfs --quiet subvolume create {path}")


def delete(node: Node, *paths: str) -> None:
    """Delete folders with the subvolumes in them; those that are not there are passed over."""
    on_node(node, "delete", *paths)
