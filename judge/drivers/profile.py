"""A driver's profile: the file that says how to reach a volume driver, and what it claims.

docs/any-driver.md tells what each key means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from acceptance.base import yaml_file
from judge.drivers.behaviours import Claim

EXAMPLE = "name a profile, for example: make judge DRIVER=features/drivers/local.yml"
ENGINES_OWN = "local"  # the driver inside every engine: it has no socket
OF_VOLUME = frozenset({"volume"})
OF_PROGRAM = frozenset({"folder", "socket", "engine", "port"})
OF_NODE = frozenset({"address", "first_address"})


class BadProfile(Exception):
    """The file cannot be used; one line per mistake, each naming the file and the key."""


def _filled_in_with(known: frozenset[str]) -> AfterValidator:
    """A text may hold these words in braces, and no others."""

    def check(text: str) -> str:
        try:
            words = {word for _, word, _, _ in Formatter().parse(text) if word is not None}
        except ValueError as error:
            raise PydanticCustomError("braces", "{error}", {"error": str(error)}) from error
        if words - known:
            raise PydanticCustomError(
                "word",
                "{found} means nothing here; there are {known}",
                {"found": f"{{{min(words - known)}}}", "known": ", ".join(sorted(known))},
            )
        return text

    return AfterValidator(check)


Word = Annotated[str, _filled_in_with(OF_PROGRAM)]
Option = Annotated[str, _filled_in_with(OF_VOLUME | OF_PROGRAM | OF_NODE)]
Options = dict[str, Option]
NodeCommand = Annotated[str, _filled_in_with(OF_NODE)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quota(_Part):
    """A limit: the options that set it, and the bytes that a container must not exceed."""

    options: Options
    bytes: int = Field(gt=0)


class Here(_Part):
    """The way to the driver on this machine.

    Attributes:
        socket: where it answers; None for the driver inside the engine.
        programs: Debian package of each program that must be installed.
        services: programs that it needs, started in this order.
        driver: the program that answers at `socket`; empty if it runs already.
    """

    socket: Word | None = None
    options: Options = {}
    programs: dict[str, str] = {}
    services: tuple[tuple[Word, ...], ...] = ()
    driver: tuple[Word, ...] = ()


class Nodes(_Part):
    """The way to the driver on nodes.

    Attributes:
        prepare: commands that root types on each node, the first node first.
        tidy: commands that undo them.
    """

    options: Options = {}
    prepare: tuple[NodeCommand, ...] = ()
    tidy: tuple[NodeCommand, ...] = ()


class Budgets(_Part):
    """The longest times, in seconds, that a call or a move may take."""

    answer: float = Field(default=60, gt=0)  # of any call; the engine waits no longer
    create: float = Field(default=10, gt=0)
    mount: float = Field(default=10, gt=0)
    unmount: float = Field(default=10, gt=0)
    remove: float = Field(default=10, gt=0)
    release: float = Field(default=90, gt=0)  # until a use has ended whose Unmount was lost
    takeover: float = Field(default=90, gt=0)  # until a volume of a lost node is there for others
    lag: float = Field(default=10, gt=0)  # by which a copy may be behind when a node is lost
    move: float = Field(default=60, gt=0)  # from the stop on one node to the start on another


class Profile(_Part):
    """A volume driver to be judged.

    Attributes:
        driver: the name by which engines know it.
        other_options: options that contradict the usual ones.
        bad_options: options that make no sense.
        has_scenarios: whether the scenarios in features/ are about this driver.
    """

    driver: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    title: str = Field(min_length=1)
    claims: frozenset[Claim] = frozenset()
    here: Here | None = None
    nodes: Nodes | None = None
    other_options: Options = {}
    bad_options: Options = {}
    quota: Quota | None = None
    budgets: Budgets = Budgets()
    has_scenarios: bool = False

    @model_validator(mode="after")
    def _socket_fits(self) -> Profile:
        if self.here is not None and (self.here.socket is None) != self.is_engines_own:
            raise PydanticCustomError(
                "socket",
                "here.socket: every driver has one, except '{own}' inside the engine",
                {"own": ENGINES_OWN},
            )
        return self

    @property
    def is_engines_own(self) -> bool:
        """True for the driver inside the engine."""
        return self.driver == ENGINES_OWN


def read(path: Path) -> Profile:
    """The profile in a file.

    Raises:
        BadProfile: it cannot be read, or something in it is wrong.
    """
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise BadProfile(f"{path}: {what}; {EXAMPLE}")
    return yaml_file.read(path, Profile, BadProfile)


def filled_in(texts: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """Texts with the words in braces replaced."""
    return [text.format_map(words) for text in texts]
