"""Two pictures of the page as one, to be compared at a glance."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from acceptance.base import evidence
from report import attachments

INK = "#22313f"
PAPER = "#ffffff"
TITLE_PIXELS = 96  # the report shows the picture at a third of its size
MARGIN_PIXELS = 16


def side_by_side(before_png: bytes, after_png: bytes, titles: tuple[str, str]) -> None:
    """Attach two screenshots as one picture, each below its title."""
    picture = stitch(before_png, after_png, titles)
    evidence.picture(" | ".join(titles), picture, attachments.MOVE)


def stitch(before_png: bytes, after_png: bytes, titles: tuple[str, str]) -> bytes:
    """One PNG of two, side by side with their titles above."""
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in (before_png, after_png)]
    width = sum(picture.width for picture in pictures) + 3 * MARGIN_PIXELS
    height = max(picture.height for picture in pictures) + TITLE_PIXELS + MARGIN_PIXELS
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=TITLE_PIXELS * 0.6)
    left = MARGIN_PIXELS
    for picture, title in zip(pictures, titles, strict=True):
        pen.text((left, TITLE_PIXELS / 2), title, fill=INK, font=font, anchor="lm")
        sheet.paste(picture, (left, TITLE_PIXELS))
        # A white page on white paper has no edge.
        pen.rectangle(
            (left - 1, TITLE_PIXELS - 1, left + picture.width, TITLE_PIXELS + picture.height),
            outline=INK,
        )
        left += picture.width + MARGIN_PIXELS
    png = io.BytesIO()
    sheet.save(png, "PNG", optimize=True)
    return png.getvalue()
