"""The app of the README's "Your own app in five minutes": its Compose file, and its database."""

from __future__ import annotations

import re
from shlex import quote
from typing import Any

import yaml

from host import ROOT

APP = "readme-app"  # the folder on a node
SERVICE = "db"
STAND_IN = "postgres:17"  # the nodes' own Postgres; they reach no registry


def compose_file() -> str:
    """The Compose file as the README shows it.

    Raises:
        ValueError: the README shows none, or several.
    """
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [found] = [each for each in shown if "services" in yaml.safe_load(each)]
    return str(found)


def image() -> str:
    """The image that the README's app runs."""
    described: dict[str, Any] = yaml.safe_load(compose_file())
    return str(described["services"][SERVICE]["image"])


def copy() -> str:
    """Copy the Compose file to a node, and have an image of that name there."""
    return (
        f"mkdir {APP} && printf %s {quote(compose_file())} > {APP}/docker-compose.yml"
        f" && docker tag {STAND_IN} {image()}"
    )


def take_away() -> str:
    """Undo what `copy` did."""
    return f"rm -r {APP} && docker rmi {image()}"


def compose(arguments: str) -> str:
    """Have Compose do something in the app's folder."""
    return f"cd {APP} && docker-compose {arguments}"


def ask(query: str) -> str:
    """Have the app's database answer a query."""
    return compose(f"exec -T {SERVICE} psql -U postgres -qAt -c {quote(query)}")


def write(text: str) -> str:
    """Have the database hold a text."""
    return ask(f"create table told as select '{text}' as text")


def read() -> str:
    """Print the text that the database holds."""
    return ask("select text from told")
