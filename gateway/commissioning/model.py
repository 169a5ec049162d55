"""What a check of a site says. Verdicts and reasons are codes; `words` has the sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

GREEN, AMBER, RED = "green", "amber", "red"
WAITING = "waiting"  # not judged yet: the device has not told enough
_ORDER = (GREEN, AMBER, WAITING, RED)


@dataclass(frozen=True, slots=True)
class Check:
    """One check. reason: a key of words.REASONS; figures: the numbers in its sentence."""

    name: str
    verdict: str
    reason: str
    figures: dict[str, float | int | str] = field(default_factory=dict[str, "float | int | str"])


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A value of another site at about the same time. distance_m: from the site that is judged."""

    site_id: str
    value: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class Position:
    """Where the technician's phone says it is. accuracy_m: radius at 68 %, as browsers give it."""

    longitude: float
    latitude: float
    accuracy_m: float


def worst(checks: Iterable[Check]) -> str:
    """Return the verdict of all together: red before waiting before amber before green."""
    return max((check.verdict for check in checks), key=_ORDER.index, default=WAITING)
