"""Where things are on a label or card: black boxes and lines of text in millimetres, whatever draws them.

QR modules are whole numbers of printer dots at 300 dpi, so that no printer has to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import reportlab
import segno
from PIL import ImageFont

from gateway.labels.content import CARD, LANGUAGES, SCAN, Card, Label

DOT_MM = 25.4 / 300
LABEL_MM = (62.0, 29.0)  # Brother DK-11209, and the usual 62 mm tape
EDGE_X_MM, EDGE_Y_MM = 1.7, 3.2  # what the head of such a printer does not reach
CARD_MM = (85.6, 54.0)  # ISO/IEC 7810 ID-1
_QUIET = 4  # modules of white around a QR code (ISO/IEC 18004)
_MEASURE_AT = 100


@dataclass(frozen=True, slots=True)
class Box:
    """A black rectangle; x, y from the upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text: x, y of the left end of its baseline; size of the font."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing of width x height millimetres."""

    width: float
    height: float
    boxes: tuple[Box, ...] = field(default=())
    texts: tuple[Text, ...] = ()


def label_layout(label: Label) -> Layout:
    """Return a label of 62 x 29 mm."""
    boxes: list[Box] = []
    side = 19.8  # its quiet zone may lie where the printer does not reach
    boxes += _code(label.url, 0.2, 1.2, side)
    lorawan = label.lorawan_code
    right = LABEL_MM[0] - 0.2
    if lorawan is not None:
        boxes += _code(lorawan, right - side, 1.2, side)
        right -= side
    left = side
    room = right - left - (0 if lorawan else EDGE_X_MM)
    language = LANGUAGES.index(label.language)
    texts = _block(
        ((label.measures, 2.5), (label.name, 2.5), (label.whose, 2.3)), left, EDGE_Y_MM, room, 16.0
    )
    wide = LABEL_MM[0] - 2 * EDGE_X_MM
    texts.append(_fitted(f"{SCAN[language]}: {label.address}", EDGE_X_MM, 21.6, 2.2, wide))
    texts.append(_fitted(f"DevEUI {label.grouped_eui}   {label.tag}", EDGE_X_MM, 25.0, 2.9, wide))
    return Layout(*LABEL_MM, tuple(boxes), tuple(texts))


def card_layout(card: Card) -> Layout:
    """Return a card of the size of a bank card."""
    language = LANGUAGES.index(card.language)
    side = 36.0
    boxes = _code(card.url, 2.0, 4.0, side)
    left = side + 4.0
    room = CARD_MM[0] - left - 3.0
    texts = [
        _fitted(str(CARD["title"][language]), left, 10.0, 5.0, room),
        _fitted(card.name, left, 15.5, 3.2, room),
    ]
    y = 22.0
    for step in CARD["steps"][language]:
        texts.append(_fitted(str(step), left, y, 3.2, room))
        y += 5.0
    texts.append(_fitted(card.code, left, 39.0, 4.2, room))
    y = 46.0
    for piece in _wrapped(str(CARD["keep"][language]), 2.6, CARD_MM[0] - 6):
        texts.append(Text(3.0, y, 2.6, piece))
        y += 3.4
    return Layout(*CARD_MM, tuple(boxes), tuple(texts))


def _code(content: str, x: float, y: float, side: float) -> list[Box]:
    """Return the boxes of a QR code, quiet zone included, in a square; error correction M or better."""
    matrix = segno.make_qr(content, error="m", boost_error=True).matrix
    modules = len(matrix) + 2 * _QUIET
    dots = int(side / DOT_MM // modules)
    module = dots * DOT_MM
    margin = (side - modules * module) / 2
    left, top = _snapped(x + margin + _QUIET * module), _snapped(y + margin + _QUIET * module)
    boxes: list[Box] = []
    for row, bits in enumerate(matrix):
        start = None
        for column, bit in enumerate([*bits, 0]):
            if bit and start is None:
                start = column
            elif not bit and start is not None:
                boxes.append(
                    Box(left + start * module, top + row * module, (column - start) * module, module)
                )
                start = None
    return boxes


def _snapped(value: float) -> float:
    return round(value / DOT_MM) * DOT_MM


@cache
def font_path() -> Path:
    """Return Bitstream Vera, which reportlab brings: every letter of our languages, free to embed."""
    return Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


@cache
def font_of(size: float) -> ImageFont.FreeTypeFont:
    """Return that font in a size of pixels."""
    return ImageFont.truetype(str(font_path()), size)


def text_width(text: str, size: float) -> float:
    """Return about how wide a line is; the same units as size."""
    return float(font_of(_MEASURE_AT).getlength(text)) / _MEASURE_AT * size


def _fitted(text: str, x: float, y: float, size: float, room: float) -> Text:
    """Return a line, smaller where it would not fit, cut where it would be too small to read."""
    width = text_width(text, size)
    if width > room:
        size = max(size * room / width, 1.4)
    return Text(x, y, size, _cut(text, size, room))


def _block(lines: Sequence[tuple[str, float]], x: float, y: float, room: float, height: float) -> list[Text]:
    """Return texts below one another in a space, as large as they fit there."""
    texts: list[Text] = []
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6):
        texts, below = [], y
        for text, full_size in lines:
            size = full_size * scale
            for piece in _wrapped(text, size, room):
                below += size * 1.15
                texts.append(Text(x, below - size * 0.2, size, piece))
            below += size * 0.2
        if below - y <= height and not any(text.text.endswith("…") for text in texts):
            break
    return texts


def _wrapped(text: str, size: float, room: float) -> list[str]:
    """Return a text in lines that fit; at most three."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], " ".join(lines[2:])]
    return [_cut(line, size, room) for line in lines]


def _cut(text: str, size: float, room: float) -> str:
    """Return as much of a text as fits."""
    while len(text) > 1 and text_width(text, size) > room * 1.001:
        text = text[:-2] + "…"
    return text
