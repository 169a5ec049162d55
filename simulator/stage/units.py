"""Durations as people write them."""

from __future__ import annotations

import re

from simulator.nodeproc import SimulatorError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration_us(text: str, field: str = "duration", least_us: int = 1) -> int:
    """Return microseconds of 90s, 15m, 24h, 7d or 2w; SimulatorError names the field."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text)
    value = round(float(found[1]) * _UNITS_S[found[2] or "s"] * 1_000_000) if found else -1
    if value < least_us:
        raise SimulatorError(f"{field}: {text!r} is no duration; write 90s, 15m, 24h or 7d")
    return value
