"""A volume's id has one spelling."""

from __future__ import annotations

import re
import uuid

import pytest

from flocker.base.errors import BadRequest
from flocker.base.volume_id import check_id

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_what_a_volume_is_given_is_an_id() -> None:
    assert check_id(ID) == ID
    assert check_id(str(uuid.uuid4()))


@pytest.mark.parametrize(
    "spelling",
    [
        ID.upper(),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        ID.replace("-", ""),
        f"{ID}\n",
        f" {ID}",
        f"../{ID}",
        "demo",
        "",
        ID.replace("0", "\u0660"),
    ],
)
def test_any_other_spelling_is_refused(spelling: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(f"{spelling!r} is no volume's id")):
        check_id(spelling)
