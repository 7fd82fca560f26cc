"""The events of a run; longer than 300 lines because most lines describe their fields.

Their file has one JSON object on each line, in the order of time. All times are seconds since the
run began, by one clock. Nothing here is special to a driver: a volume says which promises it comes
with, and a run tells in the same words what was done and seen. The same events always give the same
bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Seconds = Annotated[
    float, Field(allow_inf_nan=False), AfterValidator(lambda seconds: round(seconds, 6))
]


class Malformed(ValueError):
    """A file is not a history; the message names the file, the line and what is wrong with it."""


class Plain(BaseModel):
    """A value that never changes, and whose fields are all that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Writing(StrEnum):
    """The promise of a volume about containers that write on two nodes."""

    NEVER_TWO = "never two"  # the times in which nodes write never meet, whatever happens
    UNTIL_PROMOTED = "until promoted"  # a former owner stops once it hears of the promotion
    ANY = "any"  # the driver promises nothing


class Volume(Plain):
    """A volume of a run.

    Attributes:
        options: what it was created with, as typed.
        moves: data that was acknowledged is there on each node on which it is mounted next.
    """

    name: str
    options: dict[str, str] = {}
    writing: Writing = Writing.UNTIL_PROMOTED
    moves: bool = True


class Promises(Plain):
    """Times that go with the promises of all volumes; all in seconds.

    Attributes:
        slack: for which a time that the driver says may be better than the truth.
        current: a copy that is called current lacks no write that is older than this.
        wake: for which containers may still write on a node that was suspended.
        hears: within which a former owner that can be reached has stopped its containers.
        stuck: for which the same request may be refused after the last fault has ended.
        clocks: by which the clocks of two nodes may differ in the history.
    """

    slack: Seconds = 1.0
    current: Seconds = 10.0
    wake: Seconds = 4.0
    hears: Seconds = 30.0
    stuck: Seconds = 60.0
    clocks: Seconds = 0.0


class Action(StrEnum):
    """Requests of clients."""

    CREATE = "create"
    START = "start"  # a container that writes
    STOP = "stop"
    MOVE = "move"
    CANCEL_MOVE = "cancel move"
    PROMOTE = "promote"
    PROMOTE_HERE = "promote here"  # from the newest copy that the node can get
    SNAPSHOT = "snapshot"
    PRUNE = "prune"
    RESTORE = "restore"
    CLONE = "clone"
    RESIZE = "resize"
    REMOVE = "remove"
    UNDELETE = "undelete"
    PURGE = "purge"
    READ = "read"


class Outcome(StrEnum):
    """The end of a request, as its client knows it."""

    DONE = "done"
    REFUSED = "refused"  # it was not done, and will not be
    UNKNOWN = "unknown"  # nobody answered: it was done, or not, or is done later


class Effect(StrEnum):
    """Things that a fault does to the nodes it is on, as far as promises depend on them."""

    UNREACHABLE = "unreachable"  # the driver there hears nothing, or does nothing
    SUSPENDED = "suspended"  # every process there stands still
    MEMORY_LOST = "memory lost"  # writes without fsync may be gone
    DISK_LOST = "disk lost"  # everything there may be gone


class Place(StrEnum):
    """Where content was read."""

    VOLUME = "volume"  # mounted by a container
    SNAPSHOT = "snapshot"  # one that is listed
    COPY = "copy"  # the writes of a former owner, which the driver has put aside
    REMOVED = "removed"  # a removed volume that can still be restored


class Event(Plain):
    """Something that was done or seen.

    Attributes:
        at: when it was over; what takes time also says when it `began`.
    """

    at: Seconds


class Begin(Event):
    """The first event.

    Attributes:
        machine: on which the driver ran, `nodes` or `simulation`.
        nodes: in the order in which pictures show them.
    """

    kind: Literal["begin"] = "begin"
    seed: int
    driver: str
    machine: str
    nodes: tuple[str, ...]
    volumes: tuple[Volume, ...]
    promises: Promises = Promises()


class Asked(Event):
    """A client has asked for something.

    Attributes:
        call: a number of its own, which the answer repeats.
        volume: the name; of a clone the new one.
        detail: a snapshot's reference for restore, prune and clone, else free text.
    """

    kind: Literal["asked"] = "asked"
    call: int
    client: str
    action: Action
    node: str
    volume: str
    detail: str = ""


class Answered(Event):
    """The answer to a client.

    Attributes:
        reference: of the snapshot that was taken.
    """

    kind: Literal["answered"] = "answered"
    call: int
    outcome: Outcome
    message: str = ""
    reference: str = ""


class WriterStarted(Event):
    """A container has begun to write. `run` is unique: a container that starts again has another.

    Lines of a run are numbered from 1, without gaps.
    """

    kind: Literal["writer started"] = "writer started"
    run: str
    node: str
    volume: str


class WriterStopped(Event):
    """A container is known to have ended: nothing of the run is written any more."""

    kind: Literal["writer stopped"] = "writer stopped"
    run: str


class Wrote(Event):
    """A write was acknowledged to its container; it was begun at `began`.

    Attributes:
        sequence: 1 for the first line of a run, and one more for each next one.
        fsynced: it was acknowledged as being on disk.
    """

    kind: Literal["wrote"] = "wrote"
    began: Seconds
    run: str
    node: str
    volume: str
    sequence: int
    fsynced: bool


class Segment(Plain):
    """Lines of one run that follow each other in a file: the numbers from `first` to `last`."""

    run: str
    first: int
    last: int


class Read(Event):
    """All lines in a volume, or in something that is kept of it; the reader began at `began`.

    Attributes:
        place, reference: where; a reference names what was read, e.g. a snapshot.
        seen: in the order of the file.
        damaged: lines whose checksum is wrong, or that are no lines of a writer.
    """

    kind: Literal["read"] = "read"
    began: Seconds
    node: str
    volume: str
    place: Place = Place.VOLUME
    reference: str = ""
    seen: tuple[Segment, ...]
    damaged: tuple[str, ...] = ()


class CopyClaim(Plain):
    """The driver's words about a copy on a node.

    Attributes:
        is_current: lacks nothing but the last moments.
        complete_until: it has every write that ended before.
    """

    node: str
    is_current: bool = False
    complete_until: Seconds | None = None


class Sample(Event):
    """The state of a volume, as the driver on `node` says.

    Attributes:
        identity: of the volume; another one of the same name has another.
        epoch: grows with each change of owner.
        mounted_on: nodes whose containers use it.
    """

    kind: Literal["sample"] = "sample"
    node: str
    volume: str
    identity: str
    owner: str
    epoch: int
    mounted_on: tuple[str, ...] = ()
    copies: tuple[CopyClaim, ...] = ()


class Promoted(Event):
    """A node has continued without the owner, on request or automatically.

    Attributes:
        epoch: the one that begins with it.
        complete_until: every write that ended before is there, says the message; None if it says
            no time, and so promises everything.
    """

    kind: Literal["promoted"] = "promoted"
    volume: str
    node: str
    former: str
    epoch: int
    complete_until: Seconds | None


class FaultBegan(Event):
    """A fault is about to be caused on these nodes.

    Attributes:
        fault: a number of its own, which its end repeats.
    """

    kind: Literal["fault began"] = "fault began"
    fault: int
    name: str
    nodes: tuple[str, ...]
    effects: tuple[Effect, ...] = ()


class FaultEnded(Event):
    """A fault is healed."""

    kind: Literal["fault ended"] = "fault ended"
    fault: int


class FaultsOver(Event):
    """No fault is on, and none comes any more."""

    kind: Literal["faults over"] = "faults over"


class Settled(Event):
    """The cluster had its time to recover; all that is seen from now on is the end state."""

    kind: Literal["settled"] = "settled"


class Digest(Event):
    """The digest of all content of a snapshot, as it is on one node."""

    kind: Literal["digest"] = "digest"
    node: str
    volume: str
    snapshot: str
    digest: str


class Checked(Event):
    """Something that has to be well in the end, e.g. the file system of a pool."""

    kind: Literal["checked"] = "checked"
    node: str
    what: str
    is_well: bool
    volume: str = ""
    message: str = ""


class Leaked(Event):
    """Something is left on a node that nothing explains."""

    kind: Literal["leaked"] = "leaked"
    node: str
    what: str
    message: str = ""


class Defect(Event):
    """A program ended or complained in a way that its authors did not foresee."""

    kind: Literal["defect"] = "defect"
    node: str
    message: str


class End(Event):
    """The last event: the run was not cut short, and everything that was to be seen was seen."""

    kind: Literal["end"] = "end"


AnyEvent = (
    Begin | Asked | Answered | WriterStarted | WriterStopped | Wrote | Read | Sample | Promoted
    | FaultBegan | FaultEnded | FaultsOver | Settled | Digest | Checked | Leaked | Defect | End
)  # fmt: skip

_LINE: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="kind")])


def ordered(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """The events in the order of time; those of the same time stay in the order given."""
    return sorted(events, key=attrgetter("at"))


def to_line(event: AnyEvent) -> str:
    """One line of the file, without its end. Fields that have their defaults are left out."""
    fields = {"kind": event.kind, **event.model_dump(mode="json", exclude_defaults=True)}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def from_line(line: str) -> AnyEvent:
    """Raises pydantic's ValidationError: it is no event."""
    return _LINE.validate_json(line)


def write(events: Iterable[AnyEvent], file: Path) -> None:
    """Write a history, in the order of time."""
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(f"{to_line(event)}\n" for event in ordered(events))


def read(file: Path) -> list[AnyEvent]:
    """Read a history.

    Raises:
        Malformed: it is no text, a line is no event, or the events are not in the order of time.
        OSError: it cannot be read.
    """
    try:
        events = list(_parsed(file))
    except UnicodeDecodeError as error:
        raise Malformed(f"{file}: it is no text: {error.reason}") from error
    for number, (event, following) in enumerate(pairwise(events), start=2):
        if following.at < event.at:
            raise Malformed(f"{file}, line {number}: it is of an earlier time than the one before")
    return events


def _parsed(file: Path) -> Iterator[AnyEvent]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield from_line(line)
            except ValidationError as error:
                [first, *_] = error.errors()
                is_without_kind = first["type"] == "union_tag_not_found"
                wrong = "it is no event: it has no 'kind'" if is_without_kind else first["msg"]
                raise Malformed(f"{file}, line {number}: {wrong}") from None
