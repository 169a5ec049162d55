"""Pictures that the server draws: they print, need no script, and take their colours from meetnet.css.

Each one stands beside the same as a table; the picture itself is one image with a sentence to read aloud.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from gateway.insight.noise import CalendarDay
from gateway.web.languages import Tongue
from gateway.web.layers import BY_NAME, class_of


def noise_calendar(days: Sequence[CalendarDay], tongue: Tongue, label: str) -> Markup:
    """Draw the levels of each hour: hours across, days down, newest at the bottom."""
    layer = BY_NAME["laeq"]
    left, top, wide, high = 74, 18, 22, 17
    parts = [
        f'<text x="{left + hour * wide + wide / 2:g}" y="12" class="axis mid">{hour}</text>'
        for hour in range(0, 24, 3)
    ]
    for row, day in enumerate(days):
        y = top + row * high
        name = escape(tongue.weekday(day.start_ms))
        parts.append(f'<text x="{left - 6}" y="{y + 12:g}" class="axis end">{name}</text>')
        for hour in range(24):
            level = day.hours.get(hour)
            x = left + hour * wide
            kind = f"scale-noise-{class_of(layer, level)}" if level is not None else "hole"
            box = f'x="{x}" y="{y}" width="{wide - 2}" height="{high - 2}" rx="2"'
            parts.append(f'<rect {box} class="{kind}"/>')
            if level is not None:
                place = f'x="{x + (wide - 2) / 2:g}" y="{y + 11:g}"'
                parts.append(f'<text {place} class="cell mid {kind}-ink">{level:.0f}</text>')
    return _svg(left + 24 * wide, top + len(days) * high, label, parts)


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


def _svg(wide: float, high: float, label: str, parts: Sequence[str]) -> Markup:
    """Wrap parts; every text in them was escaped where it was put in."""
    box = f'class="drawing" role="img" viewBox="0 0 {wide:g} {high:g}"'
    return Markup(f'<svg {box} aria-label="{escape(label)}">{"".join(parts)}</svg>')  # noqa: S704
