"""Duty cycle of both sides: what each sender had on air in any hour, by sub-band (ETSI EN 300 220-2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from wire.lorawan import eu868

_HOUR_US = 3_600_000_000


@dataclass(slots=True)
class _Hour:
    rows: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (start, air time)
    now_us: int = 0
    most_us: int = 0


class DutyBook:
    """Sliding hours of many senders. Sub-bands are those of wire.lorawan.eu868."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, int], _Hour] = {}

    def book(self, sender: int, freq_hz: int, start_us: int, air_us: int) -> None:
        """Note a transmission; those of one sender come in the order of time."""
        band = eu868.sub_band(freq_hz)
        hour = self._hours.setdefault((sender, -1 if band is None else band), _Hour())
        self._pass(hour, start_us + air_us)
        hour.rows.append((start_us, air_us))
        hour.now_us += air_us
        hour.most_us = max(hour.most_us, hour.now_us)

    def book_half(self, sender: int, now_us: int) -> None:
        """A sender that has lost its memory takes half of the hour for spent, as the firmware does."""
        for band, row in enumerate(eu868.SUB_BANDS):
            hour = self._hours.setdefault((sender, band), _Hour())
            hour.rows.append((now_us, row[2] * _HOUR_US // 2000))
            hour.now_us += row[2] * _HOUR_US // 2000

    def wait_us(self, sender: int, freq_hz: int, air_us: int, now_us: int) -> int:
        """Return how long to wait until a transmission keeps to the duty cycle."""
        band = eu868.sub_band(freq_hz)
        hour = self._hours.get((sender, -1 if band is None else band))
        if hour is None or band is None:
            return 0
        allowed_us = eu868.SUB_BANDS[band][2] * _HOUR_US // 1000
        self._pass(hour, now_us)
        over_us = hour.now_us + air_us - allowed_us
        for start_us, spent_us in hour.rows:
            if over_us <= 0:
                break
            over_us -= spent_us
            if over_us <= 0:
                return max(start_us + _HOUR_US - now_us, 0)
        return 0

    def worst(self) -> dict[int, float]:
        """Return by sender how much of its allowance it used in its worst hour; above 1 it broke the rule."""
        found: dict[int, float] = {}
        for (sender, band), hour in self._hours.items():
            allowed_us = eu868.SUB_BANDS[band][2] * _HOUR_US // 1000 if band >= 0 else 1
            found[sender] = max(found.get(sender, 0.0), hour.most_us / allowed_us)
        return found

    @staticmethod
    def _pass(hour: _Hour, now_us: int) -> None:
        while hour.rows and hour.rows[0][0] <= now_us - _HOUR_US:
            hour.now_us -= hour.rows.pop(0)[1]
