"""Tables and progress are read as a person reads them."""

from __future__ import annotations

import pytest

from acceptance.base.listing import columns, percentages

HISTORY = """\
TIME           NODE    VOLUME   WHAT      WHY
10:02:11 UTC   node1   ledger   created
10:02:12 UTC   node2   ledger   moved     from node1: asked for by the operator
"""


def test_columns_are_found_by_their_headings() -> None:
    assert columns(HISTORY, ["WHAT", "NODE"]) == [("created", "node1"), ("moved", "node2")]
    assert columns(HISTORY, ["TIME"]) == [("10:02:11 UTC",), ("10:02:12 UTC",)]
    assert columns(HISTORY, ["WHY"])[1] == ("from node1: asked for by the operator",)


def test_a_table_without_lines_is_empty() -> None:
    assert columns("NODE   WHAT\n", ["NODE"]) == []


def test_a_column_that_is_not_there_is_missed() -> None:
    with pytest.raises(ValueError, match="no column OWNER in: TIME"):
        columns(HISTORY, ["NODE", "OWNER"])


def test_progress_is_read_in_order() -> None:
    shown = "\rmoving: 0 %\rmoving: 34 %, about 2 s left\rmoving: 99%\n"
    assert percentages(shown) == [0, 34, 99]
    assert percentages("films is on node2 now (epoch 2).") == []
