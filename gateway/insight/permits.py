"""Noise limits of events as dated tables: what a permit can refer to. A change of the law is a new row.

Flanders: VLAREM II, chapter 6.7 and articles 5.32.2.2bis and 5.32.3.10, in force since 1 January 2013: limits
where the public stands, measured at the mixing desk or another place that stands for it. Whoever organises
chooses by which of the two tests of categories 2 and 3 they are judged.
The Netherlands: there is no national limit for events, a municipality sets it in the permit (type it in). For
buildings of businesses table 2.17a of the Activiteitenbesluit milieubeheer held until the end of 2023; the
municipal environment plans took the same values over on 1 January 2024 (bruidsschat, article 22.63), until a
municipality sets its own.

Meetnet's microphones are no class 1 meters: what is said by these limits is an indication.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.insight.bands import FOREVER_MS, day_ms
from gateway.insight.noise import DAY, EVENING, NIGHT

MIXER, FACADE = "mixer", "facade"
PART = 0  # as window_min: the running part of the day, as far as the event has come
MAXIMUM = -1  # as window_min: no mean; each value counts for itself


@dataclass(frozen=True, slots=True)
class Limit:
    """A level that may not be passed. quantity: whose; window_min: minutes of its mean, or PART, or MAXIMUM.

    parts: the parts of the day in which it holds.
    """

    quantity: str
    window_min: int
    upper_db: float
    parts: tuple[str, ...] = (DAY, EVENING, NIGHT)


@dataclass(frozen=True, slots=True)
class Regime:
    """One version of a set of limits. duties: codes of what else is asked. place: MIXER or FACADE."""

    name: str
    place: str
    limits: tuple[Limit, ...]
    source: str
    duties: tuple[str, ...] = ()
    from_ms: int = 0
    to_ms: int = FOREVER_MS


_VLAREM = "VLAREM II, hoofdstuk 6.7 en art. 5.32.2.2bis, 5.32.3.10 (2013-01-01)"
_2013, _2024, _2008 = day_ms(2013, 1, 1), day_ms(2024, 1, 1), day_ms(2008, 1, 1)
_FACADE = tuple(
    Limit(quantity, window, upper, (part,))
    for part, level, peak in ((DAY, 50.0, 70.0), (EVENING, 45.0, 65.0), (NIGHT, 40.0, 60.0))
    for quantity, window, upper in (("laeq", PART, level), ("lafmax", MAXIMUM, peak))
)
REGIMES: tuple[Regime, ...] = (
    Regime("vlarem1", MIXER, (Limit("laeq", 15, 85.0),), _VLAREM, (), _2013),
    Regime("vlarem2", MIXER, (Limit("laeq", 15, 95.0),), _VLAREM, ("measure", "visible"), _2013),
    Regime(
        "vlarem2_slow", MIXER, (Limit("lasmax", MAXIMUM, 102.0),), _VLAREM, ("measure", "visible"), _2013
    ),
    Regime(
        "vlarem3", MIXER, (Limit("laeq", 60, 100.0),), _VLAREM,
        ("measure", "visible", "record", "earplugs"), _2013,
    ),
    Regime(
        "vlarem3_15", MIXER, (Limit("laeq", 15, 102.0),), _VLAREM,
        ("measure", "visible", "record", "earplugs"), _2013,
    ),
    Regime(
        "nl_facade", FACADE, _FACADE, "Activiteitenbesluit milieubeheer, art. 2.17, tabel 2.17a", ("rating",),
        _2008, _2024,
    ),
    Regime(
        "nl_facade", FACADE, _FACADE, "Omgevingsplan, bruidsschat, art. 22.63 (2024-01-01)", ("rating",),
        _2024,
    ),
)  # fmt: skip
OWN = "own"  # limits as typed from the permit
NAMES = (*dict.fromkeys(regime.name for regime in REGIMES), OWN)


def regime_at(name: str, at_ms: int) -> Regime | None:
    """Return the version of a regime that held at a moment, None when there was none."""
    found = (regime for regime in REGIMES if regime.name == name and regime.from_ms <= at_ms < regime.to_ms)
    return next(found, None)
