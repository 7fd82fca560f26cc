"""Read what people type about volumes: names, `-o` options, sizes and references.

Reads and refuses; what an option then does is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from flocker.base.errors import BadRequest
from flocker.base.records import DEFAULT_REPLICAS, Failover, PoolKind, Volume
from flocker.base.volume_name import is_name

# An empty volume already takes some room for its own records, and a limit below a few
# of btrfs's allocations refuses writes long before it is reached.
SMALLEST_BYTES = 16 << 20
LARGEST_BYTES = 1 << 50
MOST_REPLICAS = 7

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
# 16 digits write any size there can be, in bytes; longer ones need not be counted.
SIZE = re.compile(r"([0-9]{1,16})(?:b|([kmgtp])(?:i?b)?)?", re.ASCII | re.IGNORECASE)

# A node's name and the second it put the copy aside, counted where two share a second.
ASIDE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*-[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?")
NUMBER = re.compile(r"[1-9][0-9]{0,17}")

# Each value with its meaning, which an error tells.
_FAILOVERS: Mapping[Failover, str] = {
    "manual": "a person promotes a replica",
    "auto": "the newest replica takes over automatically",
}
_POOLS: Mapping[PoolKind, str] = {
    "btrfs": "on the node's disk, with replicas on other nodes",
    "shared": "on a Ceph that all nodes reach",
}

Value = TypeVar("Value", bound=str)


@dataclass(frozen=True)
class Reference:
    """A state of a volume, as typed: its present one unless `number` or `aside` is set.

    Attributes:
        number: of a snapshot.
        aside: which copy that was put aside, e.g. `node1-20261122T190000Z`.
    """

    volume: str
    number: int | None = None
    aside: str | None = None

    def __str__(self) -> str:
        state = self.aside if self.number is None else self.number
        return self.volume if state is None else f"{self.volume}@{state}"


@dataclass(frozen=True)
class Options:
    """The options of one `docker volume create`, defaults filled in.

    Attributes:
        made_from: what `read_reference` reads.
        given: names of the options that were typed; the others are defaults.
    """

    size_bytes: int | None = None
    replicas: int = DEFAULT_REPLICAS
    failover: Failover = "manual"
    made_from: str | None = None
    pool: PoolKind = "btrfs"
    given: frozenset[str] = frozenset()


def check_name(name: str) -> str:
    """Return the name, or refuse it.

    Raises:
        BadRequest: the name is not one the engine would accept.
    """
    if not is_name(name):
        raise BadRequest(
            f"'{name[:80]}' cannot be a volume's name: letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit, 255 at most"
        )
    return name


def read_size(text: str) -> int:
    """Read a size as `docker run --memory` does, in bytes.

    A whole number with an optional unit, in upper or lower case: b, k, m, g, t, p, each also
    followed by `b` or `ib`. A unit is a power of 1024, however it is written: `1g`, `1GB`
    and `1GiB` are the same, and so are they for Docker.

    Raises:
        BadRequest: it is no size, or below 16 MiB or above 1 PiB.

    Source: RAMInBytes of github.com/docker/go-units.
    """
    match = SIZE.fullmatch(text)
    if match is None:
        raise BadRequest(
            f"{text[:80]!r} is not a size: say a whole number with a unit, as in 512MiB, 1GiB or 1g"
        )
    digits, unit = match.groups()
    size_bytes = int(digits) * (UNITS[f"{unit.upper()}iB"] if unit else 1)
    if not SMALLEST_BYTES <= size_bytes <= LARGEST_BYTES:
        raise BadRequest(
            f"a volume cannot have a size of {text}: it may be from "
            f"{format_size(SMALLEST_BYTES)} to {format_size(LARGEST_BYTES)}"
        )
    return size_bytes


def format_size(size_bytes: int) -> str:
    """The shortest exact way to write a size; `read_size` gives the same number back."""
    fitting = [unit for unit, factor in UNITS.items() if size_bytes % factor == 0 < size_bytes]
    unit = fitting[-1] if fitting else "B"
    return f"{size_bytes // UNITS[unit]}{unit}"


def about(size_bytes: int) -> str:
    """A size to two digits or more, e.g. `1.3 GiB`, `812 MiB`."""
    fitting = [unit for unit, factor in UNITS.items() if factor <= size_bytes]
    unit = fitting[-1] if fitting else "B"
    amount = size_bytes / UNITS[unit]
    digits = f"{amount:.1f}" if amount < 10 else f"{amount:.0f}"
    return f"{digits.removesuffix('.0')} {unit}"


def read_reference(text: str) -> Reference:
    """Read `demo`, `demo@3` or `demo@node1-20261122T190000Z`.

    Raises:
        BadRequest: it is none of these.
    """
    name, at, state = text.partition("@")
    if is_name(name):
        if not at:
            return Reference(name)
        if NUMBER.fullmatch(state):
            return Reference(name, number=int(state))
        if ASIDE.fullmatch(state):
            return Reference(name, aside=state)
    raise BadRequest(
        f"'{text[:80]}' is not a state of a volume: say demo for the volume demo as it is now, "
        "demo@3 for its snapshot 3 (`flocker snapshots demo` lists them), or "
        "demo@node1-20261122T190000Z for a copy that was put aside (`flocker conflicts`, "
        "`flocker trash`)"
    )


def read_options(opts: Mapping[str, str]) -> Options:
    """Read what follows `-o` in `docker volume create`.

    Raises:
        BadRequest: an option is unknown or its value makes no sense; the message says what would.
    """
    if unknown := sorted(opts.keys() - READERS.keys()):
        named = ", ".join(f"'{option[:80]}'" for option in unknown)
        raise BadRequest(
            f"unknown option {named}; flocker takes size (e.g. size=1GiB), "
            f"replicas (e.g. replicas={DEFAULT_REPLICAS}), failover (e.g. failover=auto), "
            "from (e.g. from=demo@3) and pool (e.g. pool=shared)"
        )
    values = {}
    for option, text in opts.items():
        attribute, read = READERS[option]
        values[attribute] = read(text)
    options = Options(**values, given=frozenset(opts))
    return _of_shared(options) if options.pool == "shared" else options


def _of_shared(options: Options) -> Options:
    """The options of a volume with one copy, which all nodes reach.

    Raises:
        BadRequest: replicas were asked for.
    """
    if "replicas" in options.given and options.replicas:
        raise BadRequest(
            f"replicas={options.replicas} cannot be had with pool=shared: every node reaches the "
            "one volume, and Ceph keeps as many copies of its data as its own pool is set to; "
            "leave replicas out"
        )
    return replace(options, replicas=0)


def differences(options: Options, volume: Volume) -> list[str]:
    """The options that differ from the volume's record, a sentence each."""
    found = []
    if "size" in options.given and options.size_bytes != volume.size_bytes:
        found.append(
            f"size={_limit(options.size_bytes)} was asked for, "
            f"the volume has {_limit(volume.size_bytes)}"
        )
    if "replicas" in options.given and options.replicas != volume.replicas:
        found.append(f"replicas={options.replicas} was asked for, the volume has {volume.replicas}")
    if "failover" in options.given and options.failover != volume.failover:
        found.append(f"failover={options.failover} was asked for, the volume has {volume.failover}")
    if "from" in options.given and options.made_from != volume.made_from:
        began = "empty" if volume.made_from is None else f"as {volume.made_from}"
        found.append(f"from={options.made_from} was asked for, the volume began {began}")
    if "pool" in options.given and options.pool != volume.pool:
        found.append(f"pool={options.pool} was asked for, the volume has {volume.pool}")
    return found


def _limit(size_bytes: int | None) -> str:
    return "no limit" if size_bytes is None else format_size(size_bytes)


def _read_replicas(text: str) -> int:
    if not re.fullmatch("[0-9]", text) or int(text) > MOST_REPLICAS:
        raise BadRequest(
            f"replicas={text[:80]!r} is not a number of replicas: say one from 0 to {MOST_REPLICAS}"
        )
    return int(text)


def _read_failover(text: str) -> Failover:
    return _one_of(_FAILOVERS, "failover", text)


def _read_pool(text: str) -> PoolKind:
    return _one_of(_POOLS, "pool", text)


def _one_of(known: Mapping[Value, str], option: str, text: str) -> Value:
    """The one of the known values that was typed."""
    for value in known:
        if value == text:
            return value
    said = " or ".join(f"{value} ({meaning})" for value, meaning in known.items())
    raise BadRequest(f"{option}={text[:80]!r} is not known: say {said}")


def _read_from(text: str) -> str:
    return str(read_reference(text))


# Option as typed -> attribute of Options, and how its value is read.
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "size": ("size_bytes", read_size),
    "replicas": ("replicas", _read_replicas),
    "failover": ("failover", _read_failover),
    "from": ("made_from", _read_from),
    "pool": ("pool", _read_pool),
}
