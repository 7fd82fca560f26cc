"""Two screenshots as one picture."""

from __future__ import annotations

import io

from PIL import Image

from acceptance.app import pictures
from report import attachments
from tests.unit.acceptance.attached import Attached, attached

__all__ = ["attached"]


def picture(size: tuple[int, int], colour: str) -> bytes:
    png = io.BytesIO()
    Image.new("RGB", size, colour).save(png, "PNG")
    return png.getvalue()


def test_two_screenshots_become_one_picture(attached: list[Attached]) -> None:
    pictures.side_by_side(
        picture((40, 30), "red"), picture((60, 20), "blue"), ("before, node1", "after, node2")
    )
    assert attached[0].name == "before, node1 | after, node2"
    assert attached[0].extension == attachments.MOVE
    sheet = Image.open(io.BytesIO(attached[0].body))
    margin, top = pictures.MARGIN_PIXELS, pictures.TITLE_PIXELS
    assert sheet.size == (40 + 60 + 3 * margin, 30 + top + margin)
    assert sheet.getpixel((margin, top)) == (255, 0, 0)
    assert sheet.getpixel((margin + 39, top + 29)) == (255, 0, 0)
    assert sheet.getpixel((2 * margin + 40, top)) == (0, 0, 255)
    titles = sheet.crop((0, 0, sheet.width, top - 1)).getcolors()
    assert titles is not None
    assert len(titles) > 1, "nothing is written above the pictures"
