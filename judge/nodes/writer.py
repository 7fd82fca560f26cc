"""The container that writes: what it runs, what it prints, and what is in its file.

It appends lines `run number time checksum` to a log, has each on disk before the next, and prints
which ones it was told are there. Times are those of /proc/uptime, which costs no process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from judge.clients.cluster import Content
from judge.history import AnyEvent, Read, Segment, WriterStarted, Wrote
from judge.nodes.clock import Clock

LOG = "/data/log"
PAUSE_MICROSECONDS = 200_000
CHECKSUM = 8  # hexadecimal digits

# Lines of one run that follow each other become one: `run first last`.
SEGMENTS = (
    '{ if ($1 == r && $2 == l + 1) l = $2; else { if (r) print "S", r, f, l; r = $1; f = l = $2 } }'
    ' END { if (r) print "S", r, f, l }'
)


def script(*, fsync: bool) -> str:
    """The shell script of a container whose environment has RUN.

    It prints `B time` when it begins, `S run first last` for what it finds, `E time` after that,
    and `W number began ended` for each line. Who cannot write ends, so that no number is left out.
    """
    sync = f"sync {LOG} && " if fsync else ""
    return (
        "read t x </proc/uptime; echo B $t; "
        f"touch {LOG}; awk '{SEGMENTS}' {LOG}; read t x </proc/uptime; echo E $t; i=0; "
        "while i=$((i+1)); read b x </proc/uptime; "
        f'c=$(echo "$RUN $i $b" | md5sum | cut -c 1-{CHECKSUM}); '
        f'echo "$RUN $i $b $c" >>{LOG} && {sync}read e x </proc/uptime && echo W $i $b $e; '
        f"do usleep {PAUSE_MICROSECONDS}; done"
    )


def content(lines: Iterable[str]) -> Content:
    """The content of a log, as judges want it."""
    segments: list[Segment] = []
    damaged = []
    for line in lines:
        run, _, rest = line.partition(" ")
        number, _, _ = rest.partition(" ")
        if not is_whole(line):
            damaged.append(line)
        elif segments and (segments[-1].run, segments[-1].last + 1) == (run, int(number)):
            segments[-1] = segments[-1].model_copy(update={"last": int(number)})
        else:
            segments.append(Segment(run=run, first=int(number), last=int(number)))
    return Content(seen=tuple(segments), damaged=tuple(damaged))


def line(run: str, number: int, time: str) -> str:
    """A line as a writer writes it."""
    text = f"{run} {number} {time}"
    digest = hashlib.md5(f"{text}\n".encode(), usedforsecurity=False).hexdigest()
    return f"{text} {digest[:CHECKSUM]}"


def is_whole(text: str) -> bool:
    """True if a line is one of a writer, as it was written."""
    words = text.split(" ")
    return (
        len(words) == 4 and words[1].isdecimal() and text == line(words[0], int(words[1]), words[2])
    )


def events(
    printed: str, *, run: str, node: str, volume: str, fsync: bool, clock: Clock
) -> Iterator[AnyEvent]:
    """Everything that a container tells of itself."""
    seen: list[Segment] = []
    began = 0.0
    for line in printed.splitlines():
        kind, *words = line.split(" ")
        if kind == "B":
            began = clock.of_uptime(float(words[0]))
            yield WriterStarted(at=began, run=run, node=node, volume=volume)
        elif kind == "S":
            seen.append(Segment(run=words[0], first=int(words[1]), last=int(words[2])))
        elif kind == "E":
            at = clock.of_uptime(float(words[0]))
            yield Read(at=at, began=began, node=node, volume=volume, seen=tuple(seen))
        elif kind == "W" and len(words) == 3:  # the last line may be cut off
            yield Wrote(
                at=clock.of_uptime(float(words[2])), began=clock.of_uptime(float(words[1])),
                run=run, node=node, volume=volume, sequence=int(words[0]), fsynced=fsync,
            )  # fmt: skip
