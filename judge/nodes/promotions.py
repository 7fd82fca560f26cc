"""The promotions of a run, as `flocker history` tells them: also those that nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from judge.clients.cluster import Refused, Unanswered
from judge.history import Promoted
from judge.nodes.clock import Clock
from judge.nodes.cluster import Nodes
from judge.recorder import Recorder

PROMISED = re.compile(r"what it wrote after (\S+) may be lost")
NEW_OWNER = ("moved", "promoted", "undeleted")  # each raises the epoch by one


class History:
    """The events of all volumes, put together from many looks: nodes keep the last hundred."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}

    def see(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add events, as in `flocker history --json`."""
        for each in events:
            self._events[each["volume"], each["at"], each["node"], each["what"]] = each

    def promotions(self, epochs: Mapping[str, int], clock: Clock) -> Iterator[Promoted]:
        """All promotions since the run began.

        Args:
            epochs: of each volume, after all of these events.
        """
        for volume, epoch in epochs.items():
            changes = sorted(
                (each for each in self._events.values() if _is_change(each, volume)),
                key=lambda each: str(each["at"]),
            )
            for back, change in enumerate(reversed(changes)):
                # An earlier volume of the name was not the run's.
                if change["what"] == "promoted" and clock.of_wall(change["at"]) >= 0:
                    yield _promoted(change, epoch - back, clock)


def note_promotions(nodes: Nodes, history: History, recorder: Recorder) -> None:
    """Note all promotions so far, as one of the nodes tells them; any that answers will do."""
    for node in nodes.nodes:
        with suppress(Refused, Unanswered):
            history.see(nodes.ask(node, "history")["events"])
            volumes = nodes.ask(node, "status")["volumes"]
            epochs = {each["name"]: int(each["epoch"]) for each in volumes}
            recorder.note(*history.promotions(epochs, nodes.clock))
            return


def _is_change(event: Mapping[str, Any], volume: str) -> bool:
    return event["volume"] == volume and event["what"] in NEW_OWNER


def _promoted(event: Mapping[str, Any], epoch: int, clock: Clock) -> Promoted:
    promised = PROMISED.search(event["why"])
    return Promoted(
        at=clock.of_wall(event["at"]),
        volume=event["volume"],
        node=event["node"],
        former=event["why"].split(" ")[0],
        epoch=epoch,
        complete_until=clock.of_wall(promised[1]) if promised else None,
    )
