"""A value as a stranger gives it, before anybody knows what it means."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """One named value. unit: where the message itself says it. at_s: its own time, UTC since 1970.

    text: what stands there where it is no number (a time may be one).
    """

    name: str
    value: float
    unit: str | None = None
    at_s: float | None = None
    text: str | None = None
