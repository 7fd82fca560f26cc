"""One type for a whale, rounded in one place."""

from __future__ import annotations

import pytest

from acceptance.app.whale import Whale


def test_a_whale_is_read_and_written_as_the_app_has_it() -> None:
    assert Whale.parse("10:20") == Whale(10, 20) == (10, 20)
    assert str([Whale(10, 20)]) == "[10:20]"


@pytest.mark.parametrize(("x", "whole"), [(13.46, 13), (13.51, 14), (13.0, 13)])
def test_a_whale_between_two_pixels_is_rounded_once(x: float, whole: int) -> None:
    assert Whale.at(x, 20.04) == Whale(whole, 20)
