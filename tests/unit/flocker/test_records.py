"""What the records say of a volume that had several owners."""

from __future__ import annotations

from dataclasses import replace

from flocker.divergence import last_shared
from flocker.records import CUTS_KEPT, Cut, Snapshot, Volume

VOLUME = Volume("demo", "id", "node1", 1, "2026-01-01", base=Snapshot(1, "first"))


def promoted(volume: Volume, number: int) -> Volume:
    return volume.promoted_on("node2", Snapshot(number, f"identity-{number}"))


def test_a_promotion_cuts_what_former_owners_wrote_and_a_move_does_not() -> None:
    later = promoted(VOLUME, 5)
    assert (later.owner, later.epoch, later.base) == ("node2", 2, Snapshot(5, "identity-5"))
    assert later.cuts == (Cut(2, 5),)
    assert later.owned_by("node3", Snapshot(8, "identity-8")).cuts == later.cuts


def test_a_promotion_that_goes_back_further_makes_an_earlier_one_needless() -> None:
    volume = promoted(promoted(promoted(VOLUME, 3), 7), 5)
    assert volume.cuts == (Cut(2, 3), Cut(4, 5))


def test_after_many_promotions_too_much_is_put_aside_rather_than_too_little() -> None:
    volume = VOLUME
    exact = VOLUME
    for number in range(1, 3 * CUTS_KEPT):
        volume = promoted(volume, number)
        exact = replace(exact, cuts=(*exact.cuts, Cut(volume.epoch, number)), base=volume.base)
    assert len(volume.cuts) == CUTS_KEPT
    for epoch in range(volume.epoch):
        kept, right = last_shared(volume, epoch), last_shared(exact, epoch)
        assert kept is not None
        assert right is not None
        assert kept <= right
        if epoch > volume.epoch - CUTS_KEPT:
            assert kept == right


def test_cuts_can_be_written_and_read_and_need_not_be_there() -> None:
    volume = promoted(promoted(VOLUME, 3), 7)
    written = volume.to_json()
    assert Volume.from_json(written) == volume
    del written["cuts"]
    assert Volume.from_json(written) == replace(volume, cuts=())
