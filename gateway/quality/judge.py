"""Decoded records to observations: raw and shown value side by side, with flags, method and version.

The memory of flat lines, steps and tip counters is rebuilt from the store when a site is first met, so it
is the same after a restart as without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from gateway.model import Decoded, Observation, Reading
from gateway.quality import table
from gateway.quality.correct import FOG, Corrected, Corrections, correct, inputs_of, is_foggy, no_corrections
from gateway.quality.series import Series, flags_of, tolerance_of

HISTORY_MS = 24 * table.HOUR_MS  # longer than any window in the table
_ORDERED = frozenset(name for names in table.ORDERS for name in names)


class SiteGeometry(Protocol):
    """What is needed of a site (gateway.registry.Site has it)."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def empty_mm(self) -> float | None: ...  # noqa: D102
    @property
    def full_mm(self) -> float | None: ...  # noqa: D102
    @property
    def rain_mm_per_tip(self) -> float | None: ...  # noqa: D102


# (quantity, observed_at_ms, raw value) of a site's last HISTORY_MS, by observed time
History = Callable[[str], Sequence[tuple[str, int, float | None]]]


@dataclass(slots=True)
class _Tips:
    at_ms: int
    count: int


@dataclass(slots=True)
class _Memory:
    series: dict[str, Series] = field(default_factory=dict[str, Series])
    tips: _Tips | None = None


class Judge:
    """Quality control of all sites. Belongs to one thread."""

    def __init__(self, history: History, corrections: Corrections = no_corrections) -> None:
        self._history = history
        self._corrections = corrections
        self._memory: dict[str, _Memory] = {}

    def forget(self) -> None:
        """Drop what was remembered, after a commit that failed: it is read from the store again."""
        self._memory.clear()

    def observations(self, decoded: Decoded, site: SiteGeometry) -> list[Observation]:
        """Return the observations of one record, derived ones last."""
        memory = self._memory.get(site.id)
        if memory is None:
            memory = self._memory[site.id] = self._recall(site.id)
        common = _common_flags(decoded)
        disordered = _disordered(decoded.readings)
        heard = _heard(decoded.readings)
        inputs = inputs_of(decoded.readings, _in_range)
        found: list[Observation] = []
        for reading in decoded.readings:
            flags = list(common)
            if is_foggy(reading.quantity, inputs):
                flags.append(FOG)
            if reading.unit.startswith("dB"):
                flags += heard
            if reading.value is not None:
                flags += _series_flags(memory, reading.quantity, reading.value, decoded.observed_at_ms)
                if reading.quantity in disordered:
                    flags.append(table.ORDER)
            better = correct(decoded.dev_eui, reading, decoded.observed_at_ms, inputs, self._corrections)
            found.append(_observation(decoded, site.id, reading, tuple(flags), better))
        for reading in decoded.readings:
            if reading.quantity == "distance" and site.empty_mm is not None and site.full_mm is not None:
                found.append(_filling(decoded, site.id, reading, site.empty_mm, site.full_mm, common))
            if reading.quantity == "rain_tips" and site.rain_mm_per_tip is not None:
                found += _rain(decoded, site.id, reading, site.rain_mm_per_tip, memory, common)
        return found

    def _recall(self, site_id: str) -> _Memory:
        memory = _Memory()
        for quantity, at_ms, value in self._history(site_id):
            if value is None:
                continue
            series = memory.series.setdefault(quantity, Series())
            series.push(value, at_ms, tolerance_of(table.checks_of(quantity)))
            if quantity == "rain_tips" and (memory.tips is None or at_ms > memory.tips.at_ms):
                memory.tips = _Tips(at_ms, int(value))
        return memory


def _series_flags(memory: _Memory, quantity: str, value: float, at_ms: int) -> list[str]:
    checks = table.checks_of(quantity)
    if not checks:
        return []
    return flags_of(memory.series.setdefault(quantity, Series()), checks, value, at_ms)


def _common_flags(decoded: Decoded) -> tuple[str, ...]:
    flags: list[str] = []
    if decoded.time_quality == "estimated":
        flags.append(table.TIME_UNSET)
    if decoded.observed_at_ms > decoded.received_at_ms + table.FUTURE_TOLERANCE_MS:
        flags.append(table.FUTURE)
    return tuple(flags)


def _heard(readings: Sequence[Reading]) -> list[str]:
    """Return what a noise node heard beside its street, as flags of all levels of the record."""
    notes = next((int(r.value) for r in readings if r.quantity == "sound_notes" and r.value is not None), 0)
    return [flag for bit, flag in table.SOUND_FLAGS if notes & bit]


def _disordered(readings: Sequence[Reading]) -> frozenset[str]:
    """Return the quantities of a record that contradict one another."""
    values = {r.quantity: r.value for r in readings if r.value is not None and r.quantity in _ORDERED}
    found: set[str] = set()
    for names in table.ORDERS:
        present = [name for name in names if name in values]
        for low, high in pairwise(present):
            if values[low] > values[high] + table.ORDER_TOLERANCE:
                found |= {low, high}
    return frozenset(found)


def _in_range(reading: Reading) -> bool:
    return reading.value is not None and all(
        check.parameters["low"] <= reading.value <= check.parameters["high"]
        for check in table.checks_of(reading.quantity)
        if check.name == table.RANGE
    )


def _observation(
    decoded: Decoded, site_id: str, reading: Reading, flags: tuple[str, ...], better: Corrected | None
) -> Observation:
    return Observation(
        site_id=site_id,
        dev_eui=decoded.dev_eui,
        seq=decoded.seq,
        quantity=reading.quantity,
        unit=reading.unit,
        raw_value=reading.value,
        value=reading.value if better is None else better.value,
        state=reading.state,
        flags=flags,
        method="none" if better is None else better.method,
        method_version=0 if better is None else better.version,
        observed_at_ms=decoded.observed_at_ms,
        received_at_ms=decoded.received_at_ms,
        time_quality=decoded.time_quality,
    )


def _derived(
    decoded: Decoded,
    site_id: str,
    method: table.Method,
    value: float | None,
    state: str,
    flags: tuple[str, ...],
) -> Observation:
    """A derived value has no raw value of its own: that is in the series it was derived from."""
    return Observation(
        site_id=site_id,
        dev_eui=decoded.dev_eui,
        seq=decoded.seq,
        quantity=method.quantity,
        unit=method.unit,
        raw_value=None,
        value=value,
        state=state,
        flags=flags,
        method=method.name,
        method_version=method.version,
        observed_at_ms=decoded.observed_at_ms,
        received_at_ms=decoded.received_at_ms,
        time_quality=decoded.time_quality,
    )


def _filling(
    decoded: Decoded, site_id: str, reading: Reading, empty_mm: float, full_mm: float, common: tuple[str, ...]
) -> Observation:
    method = table.FILLING_LEVEL
    if reading.value is None:
        return _derived(decoded, site_id, method, None, reading.state, common)
    percent = 100 * (empty_mm - reading.value) / (empty_mm - full_mm)
    slack = method.parameters["slack_percent"]
    flags = common if -slack <= percent <= 100 + slack else (*common, table.GEOMETRY)
    return _derived(decoded, site_id, method, round(min(100.0, max(0.0, percent)), 1), reading.state, flags)


def _rain(
    decoded: Decoded,
    site_id: str,
    reading: Reading,
    mm_per_tip: float,
    memory: _Memory,
    common: tuple[str, ...],
) -> list[Observation]:
    if reading.value is None:
        return []  # the next good count brings what fell meanwhile
    method, before, at_ms = table.PRECIPITATION, memory.tips, decoded.observed_at_ms
    if before is not None and at_ms <= before.at_ms:
        return []
    memory.tips = _Tips(at_ms, int(reading.value))
    if before is None:
        return []
    mm = ((int(reading.value) - before.count) % int(method.parameters["wrap"])) * mm_per_tip
    if mm > method.parameters["most_mm_per_h"] * max(at_ms - before.at_ms, 60_000) / table.HOUR_MS:
        return [_derived(decoded, site_id, method, None, "not_ready", (*common, table.COUNTER_RESET))]
    return [_derived(decoded, site_id, method, round(mm, 3), reading.state, common)]
