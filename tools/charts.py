"""Line charts as SVG, in panels: for commands that show two curves to be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 330, 210, 46, 30, 34
_COLOURS = ("#1b4965", "#d1495b", "#3a7d44", "#8d6a9f", "#c77d1e", "#555555")


@dataclass(frozen=True)
class Line:
    """A curve; marks draws points instead of a line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    marks: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart: its title says what is on the axes, with units."""

    title: str
    x_name: str
    lines: Sequence[Line]
    y_range: tuple[float, float] | None = None
    log_x: bool = False


def svg(panels: Sequence[Panel], columns: int, caption: str) -> str:
    """Return a picture of panels in rows of so many columns."""
    rows = -(-len(panels) // columns)
    width, height = columns * _WIDTH, rows * _HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11" role="img"><title>{escape(caption)}</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<text x="8" y="18" font-size="13">{escape(caption)}</text>'
    ]
    for k, panel in enumerate(panels):
        parts.append(_panel(panel, k % columns * _WIDTH, k // columns * _HEIGHT + 30))
    return "".join(parts) + "</svg>\n"


def _panel(panel: Panel, left: float, top: float) -> str:
    def across(value: float) -> float:
        return math.log10(value) if panel.log_x else value

    xs = [across(x) for line in panel.lines for x in line.x]
    ys = [y for line in panel.lines for y in line.y]
    x0, x1 = min(xs), max(xs)
    y0, y1 = panel.y_range or (min(ys), max(ys))
    y1 = y1 if y1 > y0 else y0 + 1.0
    inner_w, inner_h = _WIDTH - _LEFT - 12, _HEIGHT - _TOP - _BOTTOM

    def px(x: float) -> float:
        return left + _LEFT + (across(x) - x0) / ((x1 - x0) or 1.0) * inner_w

    def py(y: float) -> float:
        return top + _TOP + (1.0 - (min(max(y, y0), y1) - y0) / (y1 - y0)) * inner_h

    out = [f'<text x="{left + 8}" y="{top + 14}" font-weight="bold">{escape(panel.title)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = y0 + (y1 - y0) * part
        out.append(
            f'<line x1="{left + _LEFT}" x2="{left + _WIDTH - 12}" y1="{py(y):.1f}" '
            f'y2="{py(y):.1f}" stroke="#dddddd"/>'
            f'<text x="{left + _LEFT - 4}" y="{py(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>'
        )
        value = 10 ** (x0 + (x1 - x0) * part) if panel.log_x else x0 + (x1 - x0) * part
        out.append(
            f'<text x="{px(value):.1f}" y="{top + _HEIGHT - 18}" text-anchor="middle">{value:.3g}</text>'
        )
    out.append(
        f'<text x="{left + _WIDTH / 2}" y="{top + _HEIGHT - 4}" text-anchor="middle">'
        f"{escape(panel.x_name)}</text>"
    )
    for k, line in enumerate(panel.lines):
        colour = _COLOURS[k % len(_COLOURS)]
        points = [(px(x), py(y)) for x, y in zip(line.x, line.y, strict=True)]
        if line.marks:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            stroke = f'stroke="{colour}" stroke-width="1.6"'
            out.append(f'<polyline points="{path}" fill="none" {stroke}/>')
        out.append(
            f'<text x="{left + _WIDTH - 14}" y="{top + _TOP + 10 + 13 * k}" text-anchor="end" '
            f'fill="{colour}">'
            f"{escape(line.name)}</text>"
        )
    return "".join(out)
