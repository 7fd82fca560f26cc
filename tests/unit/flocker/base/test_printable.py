"""Text from elsewhere does nothing to a terminal and forges no line."""

from __future__ import annotations

import json

import pytest

from flocker.base.errors import FlockerError, InUse, LeavesBehind
from flocker.base.printable import printable, printable_json, printable_parts

UNFIT = [
    "\x00",
    "\n",
    "\r",
    "\x1b",
    "\x7f",
    "\x9b",
    "\u200e",
    "\u202e",
    "\u2066",
    "\u2028",
    "\ud800",
]


@pytest.mark.parametrize("character", UNFIT)
def test_what_a_terminal_would_obey_is_escaped(character: str) -> None:
    assert printable(f"a{character}b").isprintable()
    assert printable(f"a{character}b").startswith("a\\")
    assert character not in printable_json(json.dumps([f"a{character}b"], ensure_ascii=False))


def test_all_else_stays() -> None:
    text = "größer, 日本語 😀 'a' \\"
    assert printable(text) == text


def test_json_stays_what_it_says() -> None:
    answer = {"label": f"a{''.join(UNFIT[:-1])}b", "number": [1, None]}
    written = printable_json(json.dumps(answer, indent=2, ensure_ascii=False))
    assert json.loads(written) == answer


def test_all_parts_of_an_answer_are_made_printable() -> None:
    answer = {"events": [{"why": "a\nb", "at": 1}], "node\x1b": True, "none": None}
    assert printable_parts(answer) == {
        "events": [{"why": "a\\nb", "at": 1}],
        "node\\x1b": True,
        "none": None,
    }


@pytest.mark.parametrize("character", [*UNFIT, "\udcff"])
def test_no_error_takes_a_name_to_a_terminal_as_it_is(character: str) -> None:
    """Docker prints it as it comes; a container may have given the folder its name."""
    for error in (
        FlockerError(f"a{character}b"),
        LeavesBehind([f"a{character}b"]),
        InUse("demo", f"a{character}b", []),
    ):
        assert str(error).isprintable()
        assert f"{FlockerError(f'why: {error}')}" == f"why: {error}", "escaped once"
        str(error).encode()
