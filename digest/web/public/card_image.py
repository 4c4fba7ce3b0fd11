"""A title and a line → the picture that other sites show for a link to a page. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from digest.resources import resource

if TYPE_CHECKING:  # it takes memory, and most processes never draw
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1200, 630
_EDGE = 80
_TOP, _BOTTOM = 190, 470  # of the part with the title
_SIZES = (76, 66, 56, 48)  # of the title, the largest that fits
_LINE = 1.25  # times the size
_LONGEST = 300  # characters
_MARK = 72  # pixels, of the 32 units of icon.svg
_FINER = 4  # the mark is drawn so many times as large, so that its edges are smooth
_PAPER, _INK, _SOFT, _RUST = "#f6f4ef", "#1f1f1c", "#5c5951", "#9a3b1f"
_COLOURS = 48
_SERIF, _SANS = ("serif.woff2", 600), ("sans.woff2", 400)  # files with their weights


@lru_cache(maxsize=128)
def card_image(site: str, title: str, line: str) -> bytes:
    """A PNG. A title that our typefaces cannot write gives way to the name of the site; such a name, to the mark."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    image.paste(_mark(), (_EDGE, 72))
    draw = ImageDraw.Draw(image)
    name, small = _font(_SERIF, 40), _font(_SANS, 36)
    site, title, line = (_written(text) for text in (site, title, line))
    if title and _can_write(name, title):
        if _can_write(name, site):
            draw.text((_EDGE + _MARK + 24, 72 + _MARK / 2), _shortened(site, name), _INK, name, anchor="lm")
    else:
        title = site if _can_write(name, site) else ""
    font, lines = _fitted(title)
    for number, words in enumerate(lines):
        draw.text((_EDGE, _TOP + number * _LINE * font.size), words, _INK, font)
    if _can_write(small, line):
        draw.text((_EDGE, HEIGHT - _EDGE), _shortened(line, small), _SOFT, small, anchor="ls")
    file = BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _written(text: str) -> str:
    """Without what has no width or turns the direction of writing."""
    return "".join(character for character in text[:_LONGEST] if character.isprintable()).strip()


def _can_write(font: "FreeTypeFont", text: str) -> bool:
    missing = _shape(font, "\uffff")
    return all(_shape(font, character) != missing for character in set(text))


def _shape(font: "FreeTypeFont", character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _fitted(title: str) -> tuple["FreeTypeFont", list[str]]:
    """The lines of a title at the largest size that has room for all, else as many as there is room for."""
    font, lines = _font(_SERIF, _SIZES[0]), [""]
    for size in _SIZES:
        font = _font(_SERIF, size)
        lines = list(_lines(title, font))
        most = int((_BOTTOM - _TOP) / (_LINE * size))
        if len(lines) <= most:
            return font, lines
    return font, [*lines[: most - 1], _shortened(" ".join(lines[most - 1 :]), font)]


def _lines(text: str, font: "FreeTypeFont") -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= _room():
            line = longer
            continue
        if line:
            yield line
        while font.getlength(word) > _room():
            part = _beginning(word, font)
            yield part
            word = word[len(part) :]  # noqa: PLW2901 - what is left of it
        line = word
    if line:
        yield line


def _beginning(text: str, font: "FreeTypeFont", room: float | None = None) -> str:
    """As much of a text as fits in a line, one character at least."""
    room = _room() if room is None else room
    lengths = range(1, len(text) + 1)
    return text[: max(1, bisect_right(lengths, room, key=lambda length: font.getlength(text[:length])))]


def _shortened(text: str, font: "FreeTypeFont") -> str:
    room = _room() - _MARK - 24
    return text if font.getlength(text) <= room else _beginning(text, font, room).rstrip() + "…"


def _room() -> float:
    return WIDTH - 2 * _EDGE


def _font(face: tuple[str, int], size: int) -> "FreeTypeFont":
    """A typeface for one thread: FreeType's are not to be shared."""
    from PIL import ImageFont

    name, weight = face
    font = ImageFont.truetype(BytesIO(_file(name)), size)
    font.set_variation_by_axes([weight])
    return font


@cache
def _file(name: str) -> bytes:
    return (resource("templates") / "web" / "static" / name).read_bytes()


@cache
def _mark() -> "Image":
    """The mark of icon.svg."""
    from PIL import Image, ImageDraw

    unit = _MARK * _FINER / 32
    image = Image.new("RGB", (_MARK * _FINER, _MARK * _FINER), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 32 * unit - 1, 32 * unit - 1), 8 * unit, _RUST)
    curve = [*_curve((7, 23), (13, 23), (13.5, 20.5), (16, 16)), *_curve((16, 16), (18.5, 11.5), (20, 9), (23, 9))]
    draw.line([(x * unit, y * unit) for x, y in curve], _PAPER, round(2.6 * unit), joint="curve")
    draw.circle((24 * unit, 9 * unit), 3 * unit, _PAPER)
    draw.circle((7 * unit, 23 * unit), 1.3 * unit, _PAPER)
    return image.resize((_MARK, _MARK), Image.Resampling.LANCZOS)


def _curve(*points: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Points of a cubic Bézier curve."""
    for step in range(33):
        t = step / 32
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        yield (
            sum(weight * x for weight, (x, _y) in zip(weights, points, strict=True)),
            sum(weight * y for weight, (_x, y) in zip(weights, points, strict=True)),
        )
