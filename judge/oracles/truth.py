"""Truth: the driver's words about owners, mounts and copies are never better than the facts."""

from __future__ import annotations

from judge.history import Begin, CopyClaim, FaultBegan, FaultEnded, Promoted, Sample
from judge.oracles.oracle import Handlers, Oracle
from judge.oracles.troubles import Troubles

Epoch = tuple[str, int]  # identity of a volume, epoch


class Truth(Oracle):
    """Compares what nodes say with each other and with the clock.

    The content that they claim for copies is compared when one of these is promoted.
    """

    name = "truth"

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin)
        self._troubles = Troubles(begin)
        self._owners: dict[Epoch, Sample] = {}
        self._mounts: dict[Epoch, tuple[str, Sample]] = {}
        self._epochs: dict[tuple[str, str], int] = {}  # node, identity of a volume

    def handlers(self) -> Handlers:
        return {
            FaultBegan: self._troubles.began,
            FaultEnded: self._troubles.ended,
            Sample: self._sampled,
            Promoted: self._promoted,
        }

    def _sampled(self, event: Sample) -> None:
        self._check_owner(event)
        self._check_mounts(event)
        self._check_epoch(event)
        for copy in event.copies:
            self._check_copy(event, copy)

    def _check_owner(self, event: Sample) -> None:
        first = self._owners.setdefault((event.identity, event.epoch), event)
        if first.owner != event.owner:
            self._said(
                event, f"{event.owner} owns it at epoch {event.epoch}, and {first.node} said at "
                f"{first.at:.3f} s that {first.owner} does"
            )  # fmt: skip

    def _check_mounts(self, event: Sample) -> None:
        for node in event.mounted_on:
            where, first = self._mounts.setdefault((event.identity, event.epoch), (node, event))
            if where != node:
                self._said(
                    event, f"it is mounted on {node} at epoch {event.epoch}, and {first.node} said "
                    f"at {first.at:.3f} s that it is mounted on {where}"
                )  # fmt: skip

    def _check_epoch(self, event: Sample) -> None:
        key = (event.node, event.identity)
        before = self._epochs.get(key, 0)
        if event.epoch < before:
            self._said(event, f"its epoch is {event.epoch}, and was {before}")
        self._epochs[key] = event.epoch

    def _check_copy(self, event: Sample, copy: CopyClaim) -> None:
        promises, until = self.begin.promises, copy.complete_until
        if until is not None and until > event.at + promises.slack:
            self._said(event, f"the copy on {copy.node} is complete until {until:.3f} s")
        age = promises.current + promises.slack
        heard = max(map(self._troubles.hears_since, (event.node, event.owner)))
        is_old = until is not None and until < event.at - age
        if copy.is_current and is_old and heard <= event.at - age:
            self._said(
                event, f"the copy on {copy.node} is current, and is complete until {until:.3f} s"
            )

    def _promoted(self, event: Promoted) -> None:
        until = event.complete_until
        if until is not None and until > event.at + self.begin.promises.slack:
            self.found(
                event.at, f"the promotion promises everything until {until:.3f} s",
                volume=event.volume, node=event.node,
            )  # fmt: skip

    def _said(self, event: Sample, what: str) -> None:
        self.found(event.at, f"says that {what}", volume=event.volume, node=event.node)
