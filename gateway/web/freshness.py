"""What a value is worth, in one word and one shape.

missing  there is no number: the sensor did not deliver one (its state says why)
suspect  there is a number, but a check of the gateway raised a flag, or the sensor itself says that it was
         settling, overloaded, worn, or that part of the measuring time is missing, or the value comes from
         more than a minute in the future
stale    the number was good, but is older than its kind of site should be (WebSettings.stale_after_s)
fresh    none of these. "below_floor" is fresh too: very little is also an answer; its reason is shown

The worst one counts: missing, then suspect, then stale. Shape and word always go together with the colour.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import PublicObservation

MISSING, SUSPECT, STALE, FRESH = "missing", "suspect", "stale", "fresh"
WORST_FIRST = (MISSING, SUSPECT, STALE, FRESH)
DOUBTFUL_STATES = frozenset({"warmup", "overload", "degraded", "gap"})
FUTURE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Worth:
    """The verdict, and the names of states and flags that led to it."""

    grade: str
    reasons: tuple[str, ...]
    is_old: bool


def judge(row: PublicObservation, now_ms: int, stale_ms: int) -> Worth:
    """Judge one observation at a moment."""
    age_ms = now_ms - row.observed_at_ms
    is_old = age_ms > stale_ms
    reasons = (() if row.state == "ok" else (row.state,)) + row.flags
    if age_ms < -FUTURE_MS:
        reasons += ("future",)
    if row.value is None:
        return Worth(MISSING, reasons, is_old)
    if row.flags or row.state in DOUBTFUL_STATES or age_ms < -FUTURE_MS:
        return Worth(SUSPECT, reasons, is_old)
    return Worth(STALE if is_old else FRESH, reasons, is_old)
