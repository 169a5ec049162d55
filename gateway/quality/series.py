"""What the checks remember of one series: enough to see steps and flat lines, and nothing else.

Only values in the order of time are remembered. It all follows from the stored history, so after a
restart the same records raise the same flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.quality.table import HOUR_MS, STUCK, Check


@dataclass(slots=True)
class Series:
    """The newest value of a series, and the run of values that did not move before it."""

    newest_ms: int | None = None
    newest: float = 0.0
    run_from_ms: int = 0
    run_records: int = 0
    run_low: float = 0.0
    run_high: float = 0.0

    def push(self, value: float, at_ms: int, tolerance: float) -> None:
        """Remember a value; one that is not newer than the newest is ignored."""
        if self.newest_ms is not None and at_ms <= self.newest_ms:
            return
        low, high = min(self.run_low, value), max(self.run_high, value)
        if self.newest_ms is None or high - low > tolerance + 1e-9:
            self.run_from_ms, self.run_records = at_ms, 0
            low = high = value
        self.run_low, self.run_high = low, high
        self.run_records += 1
        self.newest_ms, self.newest = at_ms, value


def tolerance_of(checks: tuple[Check, ...]) -> float:
    """Return how far values may be apart and still count as not moving."""
    return max((check.parameters["tolerance"] for check in checks if check.name == STUCK), default=0.0)


def flags_of(series: Series, checks: tuple[Check, ...], value: float, at_ms: int) -> list[str]:
    """Return the flags of a value and remember it."""
    in_order = series.newest_ms is None or at_ms > series.newest_ms
    before_ms, before = series.newest_ms, series.newest
    series.push(value, at_ms, tolerance_of(checks))
    flags: list[str] = []
    for check in checks:
        if not check.valid_from_ms <= at_ms < check.valid_to_ms:
            continue
        p = check.parameters
        match check.name:
            case "range":
                raised = not p["low"] <= value <= p["high"]
            case "step":
                raised = in_order and before_ms is not None and _steps(p, before, value, at_ms - before_ms)
            case "stuck":
                raised = (
                    in_order
                    and series.run_records > p["records"]
                    and at_ms - series.run_from_ms >= p["window_ms"]
                    and p["rest_below"] < value < p["rest_above"]
                )
            case _:
                raised = False
        if raised:
            flags.append(check.name)
    return flags


def _steps(parameters: Mapping[str, float], before: float, value: float, dt_ms: int) -> bool:
    change = value - before
    rate = parameters["up_per_h"] if change > 0 else parameters["down_per_h"]
    return abs(change) > max(parameters["allowance"], rate * dt_ms / HOUR_MS)
