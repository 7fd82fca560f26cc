"""The daemon's answers in words; longer than 300 lines because each command has its few here.

Pure: an answer goes in, text for a person comes out. Times are in UTC, as in the journal of every
node.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from flocker.base import answers
from flocker.base.options import about, format_size

WHY_ASIDE = {
    "conflict": "written by an owner that was replaced",
    "restored": "replaced by a restore",
    "removed": "left of a volume that was removed",
}


def status(answer: answers.Status) -> str:
    """Nodes and volumes."""
    alive = {node["name"] for node in answer["nodes"] if node["is_alive"]}
    paragraphs = [
        table(
            ("NODE", "STATE", "ADDRESS", "POOL", "VERSION"),
            [_node_row(node) for node in answer["nodes"]],
        )
    ]
    problems = [f"{node['name']}: {each}" for node in answer["nodes"] for each in node["problems"]]
    # Of those of this node, others know only what it could announce.
    own = [f"{answer['node']}: {each}" for each in answer["problems"]]
    problems += [each for each in own if each not in problems]
    if problems:
        paragraphs.append("\n".join(["PROBLEMS", *problems]))
    if answer["volumes"]:
        columns = ("VOLUME", "OWNER", "EPOCH", "SIZE", "REPLICAS", "STATE")
        paragraphs.append(
            table(columns, [_volume_row(volume, alive) for volume in answer["volumes"]])
        )
    else:
        paragraphs.append("No volumes yet; `docker volume create -d flocker demo` makes one.")
    if answer["certificates"]:
        first = datetime.fromisoformat(answer["certificates"][0]["ends"])
        paragraphs.append(f"The certificates of {answer['node']} are good until {first:%Y-%m-%d}.")
    if not answer["is_connected"]:
        paragraphs.insert(
            0, f"etcd does not answer: this is the last state that {answer['node']} knew."
        )
    if answer["pool_problem"]:
        paragraphs.insert(0, f"The pool of {answer['node']}: {answer['pool_problem']}.")
    return "\n\n".join(paragraphs)


def moved(answer: answers.Changed) -> str:
    volume = answer["volume"]
    return f"{volume['name']} is on {volume['owner']} now (epoch {volume['epoch']})."


def cancelled(answer: answers.Cancelled) -> str:
    volume = answer["volume"]
    return (
        f"The move of {volume['name']} to {answer['target']} is cancelled; "
        f"it is on {volume['owner']}."
    )


def promoted(answer: answers.Promoted, old_owner: str) -> str:
    volume = answer["volume"]
    if volume["pool"] == "shared":
        return (
            f"{volume['name']} is on {volume['owner']} now (epoch {volume['epoch']}), with all "
            f"that {old_owner} had flushed.\nCeph takes no more writes of {old_owner} to it."
        )
    return (
        f"{volume['name']} is on {volume['owner']} now (epoch {volume['epoch']}); "
        f"it continues from {volume['owner']}'s copy.\n"
        f"Writes of {old_owner} after {clock(answer['lost_after'])} are not in it; "
        f"if {old_owner} comes back, its copy is kept: `flocker conflicts` lists it."
    )


def conflicts(answer: answers.Conflicts) -> str:
    asides = [
        (aside["reference"], aside["node"], clock(aside["at"]), _rescue(aside))
        for aside in answer["asides"]
    ]
    if not asides:
        return _with_silent("No conflicts: no owner that was replaced left a copy.", answer)
    return _with_silent(table(("COPY", "NODE", "SET ASIDE", "TO GET IT BACK"), asides), answer)


def trash(answer: answers.TrashList) -> str:
    paragraphs = []
    if answer["removed"]:
        removed = [
            (
                volume["name"],
                volume["owner"],
                clock(volume["removed_at"]),
                clock(volume["until"]),
                f"flocker undelete {volume['name']}",
            )
            for volume in answer["removed"]
        ]
        paragraphs.append(
            table(("REMOVED", "OWNER", "AT", "KEPT UNTIL", "TO GET IT BACK"), removed)
        )
    if answer["asides"]:
        asides = [
            (
                aside["reference"],
                aside["node"],
                clock(aside["at"]),
                WHY_ASIDE[aside["why"]],
                _rescue(aside),
            )
            for aside in answer["asides"]
        ]
        paragraphs.append(table(("COPY", "NODE", "SET ASIDE", "WHY", "TO GET IT BACK"), asides))
    return _with_silent("\n\n".join(paragraphs) or "The trash is empty.", answer)


def snapshots_taken(answer: answers.SnapshotList) -> str:
    return "\n".join(
        f"{taken['volume']}@{taken['number']} is taken: "
        f"`flocker restore {taken['volume']}@{taken['number']}` goes back to it."
        for taken in answer["snapshots"]
    )


def snapshots(answer: answers.SnapshotList) -> str:
    rows = [
        (
            f"{taken['volume']}@{taken['number']}",
            clock(taken["taken_at"]),
            ", ".join(taken["nodes"]) or "-",
            taken["label"],
        )
        for taken in answer["snapshots"]
    ]
    if not rows:
        return "No snapshots yet; `flocker snapshot VOLUME` takes one."
    return table(("SNAPSHOT", "TAKEN", "NODES", "LABEL"), rows)


def pruned(answer: answers.Pruned) -> str:
    return f"{answer['reference']} is deleted."


def restored(answer: answers.Restored, reference: str) -> str:
    return (
        f"{answer['volume']['name']} restored to {reference}.\n"
        f"Its state before that is kept as {answer['kept_as']}: "
        f"`flocker restore {answer['kept_as']}` brings it back."
    )


def cloned(answer: answers.Changed, reference: str) -> str:
    volume = answer["volume"]
    return f"{volume['name']} is a new volume on {volume['owner']}, as {reference} was."


def purged(answer: answers.Purged) -> str:
    """The deleted things and the freed room of each node, and what was kept."""
    nodes = [node for node in answer["nodes"] if node["purged"] or node["failed"]]
    lines = [
        f"{node['node']}: purged {', '.join(node['purged']) or 'nothing'}; "
        f"{about(node['freed_bytes'])} freed, {about(node['free_bytes'])} free now."
        for node in nodes
    ]
    lines += [f"{node['node']}: {why}" for node in nodes for why in node["failed"]]
    if answer["kept"]:
        lines.append(
            f"Kept, because only a replaced owner had it: {', '.join(answer['kept'])}; "
            "`flocker purge REF` deletes one."
        )
    if answer["silent"]:
        lines.append(
            f"{', '.join(answer['silent'])} did not answer; nothing was purged there. "
            "Repeat the command when all nodes answer."
        )
    return "\n".join(lines) or "There was nothing to purge."


def forgotten(answer: answers.Forgotten) -> str:
    if answer["node"]:
        return f"{answer['node']} is forgotten; nobody trusts that name any more."
    return (
        f"{answer['volume']} is forgotten and its name is free; if its data comes back, "
        "`flocker status` shows it."
    )


def imported(answer: answers.Imported) -> str:
    volume = answer["volume"]
    text = f"{volume['name']} is a volume again, on {volume['owner']} (epoch {volume['epoch']})."
    if answer["silent"]:
        text += f"\n{', '.join(answer['silent'])} did not answer, and may have had a newer state."
    return text


def undeleted(answer: answers.Changed) -> str:
    return f"{answer['volume']['name']} is back, on {answer['volume']['owner']}."


def verified(answer: answers.Verified) -> str:
    rows = [
        (
            copy["node"],
            "-" if copy["snapshot"] is None else f"{answer['volume']}@{copy['snapshot']}",
            "-" if copy["size_bytes"] is None else about(copy["size_bytes"]),
            copy["result"],
            copy["why"],
        )
        for copy in answer["copies"]
    ]
    return table(("NODE", "SNAPSHOT", "CONTENT", "RESULT", "WHY"), rows)


def resized(answer: answers.Changed) -> str:
    volume = answer["volume"]
    size_bytes = volume["size_bytes"]
    limit = "as much as the pool has" if size_bytes is None else format_size(size_bytes)
    return f"{volume['name']} may hold {limit} now."


def history(answer: answers.History) -> str:
    rows = [
        (
            clock(event["at"]),
            event["node"],
            event["volume"],
            event["what"],
            event["by"] or f"{event['node']} itself",
            event["why"],
        )
        for event in answer["events"]
    ]
    if not rows:
        return "Nothing has happened yet."
    return table(("TIME", "NODE", "VOLUME", "WHAT", "BY", "WHY"), rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in line, as `docker ps` prints them.

    Never cut or folded, whatever the terminal's width: people copy names from it.
    """
    lines = [columns, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def age(seconds: float) -> str:
    """A duration in its largest fitting unit, e.g. `4 s`, `3 min`, `2 h`, `5 d`; 1 s at least."""
    whole = max(1, round(seconds))
    for unit, length, largest in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if whole < length * largest:
            return f"{whole // length} {unit}"
    return f"{whole // 86400} d"


def now() -> datetime:
    return datetime.now(UTC)


def clock(at: str) -> str:
    """An RFC 3339 time in UTC, to the second; the day only when it is another one."""
    then = datetime.fromisoformat(at).astimezone(UTC)
    is_today = then.date() == now().date()
    return then.strftime("%H:%M:%S UTC" if is_today else "%Y-%m-%d %H:%M:%S UTC")


def _node_row(node: answers.NodeStatus) -> tuple[str, ...]:
    """A dash stands for each unknown value of a node that is away."""
    pool, used, total = "-", node["pool_used_bytes"], node["pool_total_bytes"]
    if used is not None and total:
        pool = f"{about(used)} of {about(total)}"
    seen = f"away since {clock(node['seen'])}" if node["seen"] else "away"
    return (
        node["name"],
        "alive" if node["is_alive"] else seen,
        node["address"] or "-",
        pool,
        node["version"] or "-",
    )


def _volume_row(volume: answers.VolumeStatus, alive: set[str]) -> tuple[str, ...]:
    return (
        volume["name"],
        volume["owner"] if volume["owner"] in alive else f"{volume['owner']} (away)",
        str(volume["epoch"]),
        _size(volume["used_bytes"], volume["size_bytes"]),
        _replicas(volume, volume["owner"] in alive),
        _state(volume),
    )


def _size(used_bytes: int | None, size_bytes: int | None) -> str:
    used = "?" if used_bytes is None else about(used_bytes)
    if size_bytes is None:
        return "-" if used_bytes is None else used
    return f"{used} of {about(size_bytes)}"


def _replicas(volume: answers.VolumeStatus, is_owner_alive: bool) -> str:
    if volume["pool"] == "shared":
        return "shared"
    stuck = volume["stuck"]
    replicas = [
        _replica(copy, is_owner_alive) + (" (stuck)" if copy["node"] in stuck else "")
        for copy in volume["copies"]
    ]
    if (missing := volume["replicas"] - len(replicas)) > 0:
        replicas.append(f"{missing} missing")
    return ", ".join(replicas) or "none"


def _replica(copy: answers.CopyStatus, is_owner_alive: bool) -> str:
    if not is_owner_alive:  # nobody knows how much the owner wrote since
        return f"{copy['node']} up to {clock(copy['complete_until'])}"
    if copy["is_current"]:
        return f"{copy['node']} current"
    behind = now() - datetime.fromisoformat(copy["complete_until"])
    return f"{copy['node']} {age(behind.total_seconds())} behind"


def _state(volume: answers.VolumeStatus) -> str:
    if move := volume["move"]:
        percent = "" if move["percent"] is None else f" {move['percent']} %"
        state = f"on its way to {move['target']}{percent}"
        if move["waits_for"]:
            state += f", after the copy from {move['waits_for']} that is under way"
    else:
        state = f"mounted on {volume['mounted_on']}" if volume["mounted_on"] else "not mounted"
    return f"{state}; {volume['problem']}" if volume["problem"] else state


def _rescue(aside: answers.AsideEntry) -> str:
    return f"flocker clone {aside['reference']} {aside['volume']}-rescued"


def _with_silent(text: str, answer: answers.Conflicts | answers.TrashList) -> str:
    if not answer["silent"]:
        return text
    whose = "its" if len(answer["silent"]) == 1 else "their"
    return f"{text}\n\n{', '.join(answer['silent'])} did not answer; {whose} copies are not listed."
