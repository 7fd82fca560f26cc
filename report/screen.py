"""The screen of the film: a terminal on the left, a browser on the right, a note below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from host.problem import Problem

SIZE = (1080, 364)
MARGIN = 14
TERMINAL = (MARGIN, MARGIN, 600, 316)  # left, top, right, bottom, in pixels
BROWSER = (614, MARGIN, SIZE[0] - MARGIN, 316)
BAR = 26  # of a window's title
LINE = 17.4
TEXT, TITLE, NOTE = 14, 13, 20  # sizes of letters
COLOURS = 256  # as many as a GIF has
SWATCH = 40  # pixels each way of a colour of few pixels, so that it counts

PAPER, INK, MUTED = "#f4f6f8", "#22313f", "#5d6d7e"
DARK, LIGHT, PROMPT, FRAME = "#1f2933", "#e4e9ee", "#8fd3a8", "#c3ccd5"


@dataclass(frozen=True)
class Screen:
    """A moment of the film.

    Attributes:
        lines: of the terminal, already as long as it is wide.
        picture: what the browser shows; None before it is opened.
        caption: above the picture.
        note: below both.
    """

    lines: tuple[str, ...] = ()
    picture: Path | None = None
    caption: str = ""
    note: str = ""


def write_film(frames: Sequence[tuple[Screen, float]], path: Path) -> None:
    """Write screens, each with the seconds it stays, as an animated GIF that starts again.

    Raises:
        Problem: the font is missing.
    """
    pictures = [draw(screen) for screen, _ in frames]
    # One palette for all frames: a colour that changes slightly would count as a changed pixel.
    palette = _with_swatches(pictures[-1]).quantize(COLOURS)
    quantized = [
        picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    quantized[0].save(
        path,
        "GIF",
        save_all=True,
        append_images=quantized[1:],
        duration=[round(seconds * 1000) for _, seconds in frames],
        loop=0,
        optimize=True,
        disposal=1,
    )


def _with_swatches(picture: Image.Image) -> Image.Image:
    """A picture with large patches of the colours that letters have."""
    sample = picture.copy()
    pen = ImageDraw.Draw(sample)
    for number, colour in enumerate((PROMPT, LIGHT, DARK, INK, MUTED)):
        pen.rectangle((number * SWATCH, 0, (number + 1) * SWATCH, SWATCH), fill=colour)
    return sample


def draw(screen: Screen) -> Image.Image:
    """Draw one screen."""
    image = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(image)
    _draw_terminal(pen, screen.lines)
    _draw_browser(image, pen, screen)
    centre = (SIZE[0] / 2, (TERMINAL[3] + SIZE[1]) / 2)
    pen.text(centre, screen.note, fill=INK, font=_font("DejaVuSans-Bold.ttf", NOTE), anchor="mm")
    return image


def _draw_terminal(pen: ImageDraw.ImageDraw, lines: Sequence[str]) -> None:
    left, top, _, _ = TERMINAL
    pen.rounded_rectangle(TERMINAL, 8, fill=DARK)
    font = _font("DejaVuSansMono.ttf", TEXT)
    for number, line in enumerate(lines):
        place = (left + 12, top + 12 + number * LINE)
        prompt, dollar, command = line.partition("$ ")
        if dollar and " " not in prompt:
            pen.text(place, prompt + dollar, fill=PROMPT, font=font)
            after = place[0] + font.getlength(prompt + dollar)
            pen.text((after, place[1]), command, fill=LIGHT, font=font)
        else:
            pen.text(place, line, fill=LIGHT, font=font)


def _draw_browser(image: Image.Image, pen: ImageDraw.ImageDraw, screen: Screen) -> None:
    left, top, right, bottom = BROWSER
    pen.rounded_rectangle(BROWSER, 8, fill="white", outline=FRAME)
    pen.line((left, top + BAR, right, top + BAR), fill=FRAME)
    for number in range(3):
        pen.ellipse(
            (left + 10 + number * 14, top + 9, left + 18 + number * 14, top + 17), fill=FRAME
        )
    title = screen.caption or "the visitor's browser"
    font = _font("DejaVuSans.ttf", TITLE)
    pen.text(((left + right) / 2, top + BAR / 2), title, fill=MUTED, font=font, anchor="mm")
    if screen.picture is not None:
        with Image.open(screen.picture) as shot:
            width = right - left - 2
            height = round(shot.height * width / shot.width)
            fitted = shot.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        room = bottom - top - BAR - 2
        image.paste(fitted.crop((0, 0, width, min(height, room))), (left + 1, top + BAR + 1))


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(name, size)
    except OSError as error:
        raise Problem(f"no font {name}; type: apt-get install fonts-dejavu-core") from error
