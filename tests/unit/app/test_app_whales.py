"""How a whale is written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moby_counter.whales import MAX_COORDINATE, MAX_WHALE_BYTES, BadWhale, Whale, parse_whale

coordinates = st.integers(min_value=0, max_value=MAX_COORDINATE)


@settings(deadline=None)
@given(coordinates, coordinates)
def test_a_whale_reads_back_as_it_was_written(x: int, y: int) -> None:
    written = str(Whale(x, y)).encode()
    assert parse_whale(written) == Whale(x, y)
    assert len(written) <= MAX_WHALE_BYTES


@settings(deadline=None)
@given(st.binary(max_size=MAX_WHALE_BYTES))
def test_what_is_read_is_listed_byte_for_byte(text: bytes) -> None:
    try:
        whale = parse_whale(text)
    except BadWhale:
        return
    assert str(whale).encode() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "1",
        "1:",
        ":1",
        "1:2:3",
        "-1:2",
        "+1:2",
        "1.5:2",
        "1e3:2",
        "0x1:2",
        "01:2",
        " 1:2",
        "1:2\n",
        "1,2",
        "NaN:1",
        "null",
        "1_0:2",
        "\u0661:\u0662",  # digits, but not ours
        f"{MAX_COORDINATE + 1}:0",
        f"0:{MAX_COORDINATE + 1}",
        "99999999999:1",
    ],
)
def test_everything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadWhale, match="two whole numbers from 0 to 10000, such as 120:80"):
        parse_whale(text.encode())
