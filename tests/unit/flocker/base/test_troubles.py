"""Trouble with one thing stops no other, and is listed until it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from flocker.base.errors import ControlPlaneAway, PoolError, StaleEpoch
from flocker.base.troubles import Troubles


def fail(error: Exception) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


@pytest.mark.parametrize("error", [PoolError("stuck"), OSError("stuck"), KeyError("stuck")])
def test_one_things_trouble_stops_no_other(error: Exception) -> None:
    troubles, done = Troubles(), []
    with troubles.round("tidying") as round_:
        assert not round_.attempt("volume 'a'", fail(error))
        assert round_.attempt("volume 'b'", lambda: done.append("b"))
    assert done == ["b"]
    [trouble] = troubles.all()
    assert trouble.startswith("volume 'a': ")
    assert "stuck" in trouble


def test_a_trouble_is_over_when_a_round_goes_well_or_the_thing_is_gone() -> None:
    troubles = Troubles()
    with troubles.round("tidying") as round_:
        round_.attempt("volume 'a'", fail(PoolError("stuck")))
        round_.attempt("volume 'b'", fail(PoolError("stuck")))
    with troubles.round("purging"):
        pass
    assert len(troubles.all()) == 2
    with troubles.round("tidying") as round_:
        round_.attempt("volume 'a'", lambda: None)
    assert troubles.all() == []


def test_a_round_that_etcd_ends_says_nothing_about_the_rest() -> None:
    troubles = Troubles()
    with troubles.round("tidying") as round_:
        round_.attempt("volume 'b'", fail(PoolError("stuck")))
    with pytest.raises(ControlPlaneAway), troubles.round("tidying") as round_:
        round_.attempt("volume 'a'", fail(ControlPlaneAway("away")))
    assert troubles.all() == ["volume 'b': stuck"]


def test_what_only_changed_meanwhile_is_no_trouble() -> None:
    troubles = Troubles()
    with troubles.round("tidying") as round_:
        assert not round_.attempt("volume 'a'", fail(StaleEpoch("it moved")))
    assert troubles.all() == []


def test_the_same_trouble_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    with caplog.at_level(logging.WARNING, "flocker.base.troubles"):
        for why in ("stuck", "stuck", "stuck", "full"):
            with troubles.round("tidying") as round_:
                round_.attempt("volume 'a'", fail(PoolError(why)))
    logged = [record.message for record in caplog.records]
    assert logged == ["volume 'a': stuck", "volume 'a': full"]
