"""Pictures that the server draws: they print, need no script, and take their colours from meetnet.css.

Each one stands beside the same as a table; the picture itself is one image with a sentence to read aloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup, escape

from gateway.insight.events import Level
from gateway.insight.noise import CalendarDay
from gateway.web.languages import Tongue
from gateway.web.layers import BY_NAME, class_of

_LEFT, _TOP, _WIDE, _HIGH = 74, 18, 22, 17  # of the calendar, and of one of its hours
_NOISE = BY_NAME["laeq"]
_HOUR_AXIS = "".join(
    f'<text x="{_LEFT + hour * _WIDE + _WIDE / 2:g}" y="12" class="axis mid">{hour}</text>'
    for hour in range(0, 24, 3)
)


def noise_calendar(days: Sequence[CalendarDay], tongue: Tongue, label: str) -> Markup:
    """Draw the levels of each hour: hours across, days down, newest at the bottom."""
    parts = [_HOUR_AXIS]
    for row, day in enumerate(days):
        name = escape(tongue.weekday(day.start_ms))
        parts.append(f'<text x="{_LEFT - 6}" y="{_TOP + row * _HIGH + 12:g}" class="axis end">{name}</text>')
        for (box, place), level in zip(_calendar_row(row), map(day.hours.get, range(24)), strict=True):
            if level is None:
                parts.append(f'<rect {box} class="hole"/>')
                continue
            kind = f"scale-noise-{class_of(_NOISE, level)}"
            parts.append(
                f'<rect {box} class="{kind}"/><text {place} class="cell mid {kind}-ink">{level:.0f}</text>'
            )
    return _svg(_LEFT + 24 * _WIDE, _TOP + len(days) * _HIGH, label, parts)


@lru_cache(64)  # four weeks are the same 672 places at every site
def _calendar_row(row: int) -> list[tuple[str, str]]:
    """Return box and place of the number of each hour of a row."""
    y = _TOP + row * _HIGH
    found: list[tuple[str, str]] = []
    for hour in range(24):
        x = _LEFT + hour * _WIDE
        box = f'x="{x}" y="{y}" width="{_WIDE - 2}" height="{_HIGH - 2}" rx="2"'
        found.append((box, f'x="{x + (_WIDE - 2) / 2:g}" y="{y + 11:g}"'))
    return found


def bars(rows: Sequence[tuple[str, float]], low: float, high: float, label: str, decimals: int = 0) -> Markup:
    """Draw bars side by side with their names below. rows: (name, value); low and high: ends of the scale."""
    wide, tall, foot = 26, 150, 30
    parts: list[str] = []
    for i, (name, value) in enumerate(rows):
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        x, height = i * wide + 2, max(1.0, share * (tall - 16))
        top, middle = tall - height, x + (wide - 4) / 2
        box = f'x="{x}" y="{top:.1f}" width="{wide - 4}" height="{height:.1f}" rx="2"'
        parts.append(f'<rect {box} class="bar-fill"/>')
        parts.append(f'<text x="{middle:g}" y="{top - 3:.1f}" class="cell mid">{value:.{decimals}f}</text>')
        if len(rows) <= 16 or i % 3 == 0:
            parts.append(f'<text x="{middle:g}" y="{tall + 14}" class="axis mid">{escape(name)}</text>')
    return _svg(max(len(rows) * wide, wide), tall + foot - 10, label, parts)


def sparkline(values: Sequence[float | None], label: str, wide: int = 160, high: int = 36) -> Markup:
    """Draw a small line; gaps stay gaps."""
    known = [value for value in values if value is not None]
    if not known:
        return Markup("")
    low, span = min(known), (max(known) - min(known)) or 1.0
    step = wide / max(1, len(values) - 1)
    pieces: list[str] = []
    pen = "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        pieces.append(f"{pen}{i * step:.1f} {high - 3 - (value - low) / span * (high - 6):.1f}")
        pen = "L"
    return _svg(wide, high, label, [f'<path d="{"".join(pieces)}" class="spark"/>'])


def _svg(wide: float, high: float, label: str, parts: Sequence[str], kind: str = "") -> Markup:
    """Wrap parts; every text in them was escaped where it was put in.

    kind: "few" where so few words stand in it that on a phone they can be written larger.
    """
    size = f'width="{wide:g}" height="{high:g}" viewBox="0 0 {wide:g} {high:g}"'
    box = f'class="drawing{f" {kind}" if kind else ""}" role="img" {size}'
    return Markup(f'<svg {box} aria-label="{escape(label)}">{"".join(parts)}</svg>')  # noqa: S704


def levels(found: Sequence[Level], start_ms: int, end_ms: int, tongue: Tongue, label: str) -> Markup:
    """Draw levels of an event and their limit; what is above lies in a stripe of its own below the line."""
    if not found:
        return Markup("")
    wide, high, left, foot = 640, 150, 44, 24
    low = min(min(one.level_db for one in found), min(one.upper_db for one in found) - 10)
    top = max(max(one.level_db for one in found), max(one.upper_db for one in found) + 3)
    scale_x, scale_y = (wide - left) / max(1, end_ms - start_ms), (high - foot) / max(1.0, top - low)

    def x(at_ms: int) -> float:
        return left + (at_ms - start_ms) * scale_x

    def y(level: float) -> float:
        return high - foot - (level - low) * scale_y

    # No more points than pixels: of each column the highest, which is what a limit is about.
    columns: dict[int, Level] = {}
    for one in found:
        column = int(x(one.at_ms))
        if column not in columns or one.level_db > columns[column].level_db:
            columns[column] = one
    steps = sorted(b - a for a, b in pairwise(sorted(columns)))
    hole = 3 * max(4, steps[len(steps) // 2]) if steps else 0  # from here on two neighbours are not joined
    path, limit, marks, before = "", "", "", -hole - 1
    for column, one in sorted(columns.items()):
        pen = "M" if column - before > hole else "L"
        path += f"{pen}{column} {y(one.level_db):.1f}"
        limit += f"{pen}{column} {y(one.upper_db):.1f}"
        if one.is_over:
            marks += f"M{column - 1} {high - foot + 2}h2.5v5h-2.5z"
        before = column
    parts = [
        f'<path d="{limit}" class="limit"/>',
        f'<path d="{path}" class="spark"/>',
        f'<path d="{marks}" class="over"/>' if marks else "",
        f'<text x="{left - 4}" y="{y(found[-1].upper_db) + 4:.1f}" class="axis end">'
        f"{escape(tongue.number(found[-1].upper_db, 0))}</text>",
        f'<text x="{left}" y="{high - 2}" class="axis">{escape(tongue.clock(start_ms)[:5])}</text>',
        f'<text x="{wide}" y="{high - 2}" class="axis end">{escape(tongue.clock(end_ms)[:5])}</text>',
    ]
    return _svg(wide, high, label, parts, "few")


def hours(
    lines: Sequence[Sequence[float | None]],
    names: Sequence[str],
    marks: Sequence[str],
    label: str,
    tongue: Tongue,
    decimals: int,
) -> Markup:
    """Draw at most two lines over the hours of a day: the first whole, the second dashed with squares.

    marks: what stands below each hour; decimals: of the numbers at the axis.
    Without any value the axes alone, to draw on paper.
    """
    wide, high, left, foot = 640, 230, 66, 52
    known = [value for line in lines for value in line if value is not None]
    low, top = (min(known), max(known)) if known else (0.0, 1.0)
    span, step = (top - low) or 1.0, (wide - left) / max(1, len(marks))

    def place(i: int, value: float) -> tuple[float, float]:
        return left + (i + 0.5) * step, high - foot - 8 - (value - low) / span * (high - foot - 24)

    parts = [f'<path d="M{left} 4V{high - foot}H{wide}" class="rule"/>']
    for i, mark in enumerate(marks):
        x = left + (i + 0.5) * step
        parts.append(f'<path d="M{x:.1f} {high - foot}v4" class="rule"/>')
        if i % 3 == 0:
            parts.append(f'<text x="{x:.1f}" y="{high - foot + 22}" class="axis mid">{escape(mark)}</text>')
    if known:
        for value in (low, top):
            y = place(0, value)[1]
            number = escape(tongue.number(value, decimals))
            parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" class="axis end">{number}</text>')
    for n, line in enumerate(lines[:2]):
        path, pen = "", "M"
        for i, value in enumerate(line):
            if value is None:
                pen = "M"
                continue
            x, y = place(i, value)
            path += f"{pen}{x:.1f} {y:.1f}"
            pen = "L"
            mark = (
                f'<rect x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5" class="dot2"/>'
                if n
                else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="dot1"/>'
            )
            parts.append(mark)
        parts.append(f'<path d="{path}" class="{"second" if n else "spark"}"/>' if path else "")
        if names[n]:
            sign = "\N{BLACK SQUARE}" if n else "\N{BLACK CIRCLE}"
            x = left + n * (wide - left) / 2
            parts.append(f'<text x="{x:.0f}" y="{high - 3}">{sign} {escape(names[n])}</text>')
    return _svg(wide, high, label, parts, "few")
