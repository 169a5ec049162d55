"""A small printed page of boxes, lines and words: as SVG for the screen, as PDF for paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import reportlab
from markupsafe import escape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

UNITS_A_MM = 4  # of what shapes are given in
_POINTS = 72 / 25.4 / UNITS_A_MM
_FONTS = {False: ("Vera", "Vera.ttf"), True: ("VeraBd", "VeraBd.ttf")}
_ALIGN = {"start": "drawString", "middle": "drawCentredString", "end": "drawRightString"}


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; y is its upper edge."""

    x: float
    y: float
    wide: float
    high: float
    fill: str
    round: float = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""

    x: float
    to_x: float
    y: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Words:
    """A text; y is the line it stands on. anchor: start, middle or end."""

    x: float
    y: float
    size: float
    text: str
    fill: str
    bold: bool = False
    anchor: str = "start"


Shape = Box | Rule | Words


@dataclass(frozen=True, slots=True)
class Card:
    """A page of shapes in the order in which they are drawn."""

    wide: float
    high: float
    title: str
    language: str
    shapes: Sequence[Shape]

    def svg(self) -> str:
        """Return it as SVG."""
        size = f'width="{self.wide / UNITS_A_MM:g}mm" height="{self.high / UNITS_A_MM:g}mm"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.wide:g} {self.high:g}" {size} '
            f'lang="{self.language}" role="img" font-family="system-ui, Open Sans, sans-serif">'
            f"<title>{escape(self.title)}</title>{''.join(map(_svg, self.shapes))}</svg>"
        )

    def pdf(self) -> bytes:
        """Return it as PDF, its fonts within."""
        for name, file in _FONTS.values():
            pdfmetrics.registerFont(TTFont(name, str(Path(reportlab.__file__).parent / "fonts" / file)))
        out = io.BytesIO()
        page: Any = Canvas(out, pagesize=(self.wide * _POINTS, self.high * _POINTS), lang=self.language)
        page.setTitle(self.title)
        page.scale(_POINTS, _POINTS)
        for shape in self.shapes:
            self._draw(page, shape)
        page.showPage()
        page.save()
        return out.getvalue()

    def _draw(self, page: Any, shape: Shape) -> None:
        match shape:
            case Box():
                page.setFillColor(shape.fill)
                y = self.high - shape.y - shape.high
                page.roundRect(shape.x, y, shape.wide, shape.high, shape.round, stroke=0, fill=1)
            case Rule():
                page.setStrokeColor(shape.stroke)
                page.line(shape.x, self.high - shape.y, shape.to_x, self.high - shape.y)
            case Words():
                page.setFillColor(shape.fill)
                page.setFont(_FONTS[shape.bold][0], shape.size)
                getattr(page, _ALIGN[shape.anchor])(shape.x, self.high - shape.y, shape.text)


def _svg(shape: Shape) -> str:
    match shape:
        case Box():
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.wide:.1f}" height="{shape.high:.1f}"'
            return f'<rect {place} rx="{shape.round:g}" fill="{shape.fill}"/>'
        case Rule():
            return f'<path d="M{shape.x:g} {shape.y:g}H{shape.to_x:g}" stroke="{shape.stroke}"/>'
        case Words():
            weight = ' font-weight="bold"' if shape.bold else ""
            place = f'x="{shape.x:g}" y="{shape.y:g}" font-size="{shape.size:g}"{weight}'
            look = f'fill="{shape.fill}" text-anchor="{shape.anchor}"'
            return f"<text {place} {look}>{escape(shape.text)}</text>"
