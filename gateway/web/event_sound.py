"""What an event's sites say against its limits, in numbers: the same for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.insight import events
from gateway.insight.events import Exceedance, Level
from gateway.insight.permits import MAXIMUM, OWN, PART, Limit, Regime, regime_at
from gateway.model import PublicReader
from gateway.registry.events import Event
from gateway.web.languages import N_, Tongue
from gateway.web.view import is_doubtful
from gateway.web.words import quantity

LOOK_BACK_MS = 3_600_000  # the longest window
MOST_ROWS = 100_000
WORST_FIRST = (events.OVER, events.CLOSE, events.UNDER, events.UNKNOWN)

REGIME_WORDS = {
    "vlarem1": N_("Flanders, category 1: 85 dB(A) LAeq,15min"),
    "vlarem2": N_("Flanders, category 2: 95 dB(A) LAeq,15min"),
    "vlarem2_slow": N_("Flanders, category 2, tested by its maximum: 102 dB(A) LAmax,slow"),
    "vlarem3": N_("Flanders, category 3: 100 dB(A) LAeq,60min"),
    "vlarem3_15": N_("Flanders, category 3, tested in short: 102 dB(A) LAeq,15min"),
    "nl_facade": N_("The Netherlands, façade of a dwelling: 50, 45, 40 dB(A) by day, evening, night"),
    OWN: N_("As the permit says"),
}
DUTIES = {
    "measure": N_("Measure during the whole event, at the mixing desk or a place that stands for it."),
    "visible": N_("Whoever sets the level must see it."),
    "record": N_("Record, and keep the record for a month at least."),
    "earplugs": N_("Earplugs for free."),
    "rating": N_(
        "In judging, audible music adds 10 dB to a level at a façade; nothing is added in what stands here."
    ),
}


@dataclass(frozen=True, slots=True)
class Sound:
    """One limit at one site: its levels, stretches above, state now. newest: values of the last ten minutes.

    doubtful, values: of the event so far. room_db: see insight.events.room_db. step_ms: what a value stands
    for.
    """

    site_id: str
    limit: Limit
    state: str
    levels: Sequence[Level]
    exceedances: Sequence[Exceedance]
    newest: Sequence[tuple[int, float]]
    values: int
    doubtful: int
    room_db: float | None
    step_ms: int

    @property
    def highest(self) -> Level | None:
        """Return the level that came nearest to its limit, or farthest above it."""
        return max(self.levels, key=lambda one: one.level_db - one.upper_db, default=None)

    @property
    def last(self) -> Level | None:
        """Return the newest level."""
        return self.levels[-1] if self.levels else None


def regime_of(event: Event) -> Regime:
    """Return the limits of an event: those in force when it began, or its own."""
    found = regime_at(event.regime, event.from_ms)
    if found is not None:
        return found
    own = tuple(Limit(one.quantity, one.window_min, one.upper_db) for one in event.own)
    return Regime(OWN, "", own, "")


def sounds(reader: PublicReader, event: Event, now_ms: int, tongue: Tongue) -> list[Sound]:
    """Return every limit at every site of an event that is public. Blocks."""
    end_ms = min(now_ms, event.to_ms) + 1
    sites = {site.site_id: site for site in reader.sites()}
    found: list[Sound] = []
    for site_id in event.sites:
        if site_id not in sites:
            continue
        for limit in regime_of(event).limits:
            if limit.quantity not in sites[site_id].quantities:
                continue
            rows = reader.series(
                site_id, limit.quantity, event.from_ms - LOOK_BACK_MS, max(end_ms, event.from_ms), MOST_ROWS
            )
            good = [(r.observed_at_ms, r.value) for r in rows if r.value is not None and not is_doubtful(r)]
            levels = events.levels(good, limit, tongue.zone, event.from_ms)
            step = events.step_ms(good)
            during = [row for row in rows if row.observed_at_ms > event.from_ms]
            over = now_ms > event.to_ms + 3 * step
            found.append(
                Sound(
                    site_id,
                    limit,
                    events.UNKNOWN if over else events.state(levels, now_ms, step),
                    levels,
                    events.exceedances(levels, step),
                    [(at, level) for at, level in good if at > end_ms - 600_000],
                    len(during),
                    sum(is_doubtful(row) for row in during),
                    None if over else events.room_db(good, limit, now_ms),
                    step,
                )
            )
    return found


def limit_words(limit: Limit, tongue: Tongue) -> str:
    """Name a limit: "LAeq,15min at most 95 dB(A)"."""
    name = {"laeq": "LAeq", "lceq": "LCeq", "lasmax": "LAmax,slow", "lafmax": "LAmax,fast"}
    weight = "C" if limit.quantity.startswith("lc") else "A"
    level = tongue.number(limit.upper_db, 0 if limit.upper_db == int(limit.upper_db) else 1)
    what = name.get(limit.quantity) or tongue.gettext(quantity(limit.quantity).label)
    if limit.window_min > 0:
        what += f",{limit.window_min}min"
    elif limit.window_min == PART:
        what += " " + tongue.gettext(N_("(of the part of the day)"))
    text = tongue.gettext(N_("%(what)s at most %(level)s")) % {
        "what": what,
        "level": f"{level}\N{NO-BREAK SPACE}dB({weight})",
    }
    if len(limit.parts) < 3:
        words = {"day": N_("7–19 h"), "evening": N_("19–23 h"), "night": N_("23–7 h")}
        text += ", " + ", ".join(tongue.gettext(words[part]) for part in limit.parts)
    return text


def is_mean(limit: Limit) -> bool:
    """Tell whether a limit is about a mean."""
    return limit.window_min != MAXIMUM


def exceedance_rows(sound: Sound, tongue: Tongue) -> Sequence[dict[str, str]]:
    """Return the stretches above the limit, in words."""
    return [
        {
            "from": tongue.moment(one.from_ms),
            "to": tongue.clock(one.to_ms)[:5],
            "minutes": tongue.number((one.to_ms - one.from_ms + sound.step_ms) / 60_000, 0),
            "highest": tongue.number(one.highest_db, 1),
            "above": tongue.number(one.highest_db - one.upper_db, 1),
        }
        for one in sound.exceedances
    ]
