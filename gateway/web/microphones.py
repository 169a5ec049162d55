"""Judgements of microphones in words, made once an hour of all noise sites that a reader gives."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Protocol, cast

from gateway.commissioning.rules import distance_m
from gateway.insight.microphone import (
    DAY_MS,
    HOUR_MS,
    LOOK_MS,
    NEAR_M,
    Floors,
    Hours,
    Judgement,
    floors,
    judge,
)
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.web.languages import N_, Tongue

VERDICTS = {  # the worst first
    "bad": (N_("microphone broken or blocked"), "missing"),
    "doubt": (N_("microphone in doubt"), "suspect"),
    "unknown": (N_("microphone not judged yet"), "stale"),
    "good": (N_("microphone well"), "fresh"),
}
WORDS = {
    "few_nights": N_("Nights measured so far: %(nights)s. Needed: %(needed)s."),
    "doubted": N_("Checks doubt most of what it measured in the last two days."),
    "flat": N_("In a week it moved by %(spread)s dB only: no street is so even. Is it blocked or dead?"),
    "drift": N_(
        "The quietest hour of the night moved by %(change)s dB in four weeks. Check it with a calibrator."
    ),
    "broken": N_(
        "The quietest hour of the night moved by %(change)s dB in four weeks: replace the microphone."
    ),
    "drift_around": N_(
        "The quietest hour of the night moved by %(change)s dB in four weeks beside %(around)s neighbours. "
        "Check it with a calibrator."
    ),
    "broken_around": N_(
        "The quietest hour of the night moved by %(change)s dB in four weeks beside %(around)s neighbours: "
        "replace the microphone."
    ),
    "loud": N_(
        "Its nights are %(above)s dB above those of %(around)s neighbours. Is something humming beside it?"
    ),
    "white": N_(
        "The spectrum rises by %(slope)s dB an octave, as electric noise does. Check cable and power."
    ),
    "self_noise": N_("Below %(level)s dBA it hears its own noise: such values are 1 dB or more too high."),
}
FEW_HOURS = 12  # of the last two days without doubt: then it is asked how many were doubted
DOUBTED = 0.5


class HourlyReader(Protocol):
    """A reader that gives the hourly means of all its sites at once (the store's)."""

    def hourly(self, quantity: str, start_ms: int, end_ms: int) -> Any:
        """Return means of whole hours, hours x sites, without what is doubted."""
        ...


@dataclass(frozen=True, slots=True)
class _Made:
    hour: int
    sites: tuple[str, ...]
    found: Mapping[str, Judgement]


class MicrophoneBook:
    """Judges, and remembers for the running hour. Safe to call from several threads; calls block."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._lock = threading.Lock()
        self._made: _Made | None = None

    def judgements(
        self, reader: PublicReader, now_ms: int, sites: Sequence[PublicSite] | None = None
    ) -> Mapping[str, Judgement]:
        """Return the judgement of each noise site that a reader gives; sites: what it gave a moment ago."""
        known = reader.sites() if sites is None else sites
        sites = [site for site in known if site.kind == "noise" and "laeq" in site.quantities]
        names, hour = tuple(site.site_id for site in sites), now_ms // HOUR_MS
        with self._lock:
            made = self._made
            if made is None or (made.hour, made.sites) != (hour, names):
                made = self._made = _Made(hour, names, self._judge(reader, sites, now_ms))
            return made.found

    def _judge(self, reader: PublicReader, sites: Sequence[PublicSite], now_ms: int) -> dict[str, Judgement]:
        hours = _hours(reader, sites, now_ms)
        nights = {site.site_id: floors(hours[site.site_id], now_ms, self._zone) for site in sites}
        spectra = _spectra(reader.latest()) if sites else {}
        found: dict[str, Judgement] = {}
        for site in sites:
            around = [
                nights[other.site_id]
                for other in sites
                if other is not site
                and distance_m(site.longitude, site.latitude, other.longitude, other.latitude) <= NEAR_M
            ]
            found[site.site_id] = self._one(reader, site, hours[site.site_id], around, spectra, now_ms)
        return found

    def _one(
        self,
        reader: PublicReader,
        site: PublicSite,
        hours: Hours,
        around: Sequence[Floors],
        spectra: Mapping[str, Mapping[float, float]],
        now_ms: int,
    ) -> Judgement:
        since_ms = now_ms - 2 * DAY_MS
        is_doubted = False
        if sum(start_ms >= since_ms for start_ms, _ in hours) < FEW_HOURS:
            first_ms = since_ms - since_ms % HOUR_MS
            rows = reader.buckets(site.site_id, "laeq", first_ms, now_ms, HOUR_MS)
            n = sum(row.n for row in rows)
            is_doubted = len(rows) >= FEW_HOURS and sum(row.flagged for row in rows) > DOUBTED * n
        return judge(hours, around, now_ms, self._zone, spectra.get(site.site_id), is_doubted)


def told(found: Judgement, tongue: Tongue) -> dict[str, Any]:
    """Return a judgement in words: badge, grade, sentences."""
    words, grade = VERDICTS[found.verdict]
    sentences: list[str] = []
    for one in found.findings:
        has_around = one.code in ("drift", "broken") and one.figures["around"] > 0
        figures = {
            name: tongue.number(value, 0 if name in ("nights", "needed", "around") else 1)
            for name, value in one.figures.items()
        }
        sentences.append(tongue.gettext(WORDS[f"{one.code}_around" if has_around else one.code]) % figures)
    return {
        "verdict": found.verdict,
        "words": tongue.gettext(words),
        "grade": grade,
        "sentences": sentences,
        "floor": tongue.number(found.floor, 1),
        "nights": found.nights,
    }


def _hours(reader: PublicReader, sites: Sequence[PublicSite], now_ms: int) -> dict[str, Hours]:
    """Return the hours without doubt of each site."""
    end_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
    start_ms = end_ms - LOOK_MS - HOUR_MS
    found: dict[str, Hours] = {site.site_id: [] for site in sites}
    if hasattr(reader, "hourly"):
        means = cast("HourlyReader", reader).hourly("laeq", start_ms, end_ms)
        for site_id, column in zip(means.sites, means.means.T.tolist(), strict=True):
            if site_id in found:
                found[site_id] = [
                    (start_ms + n * HOUR_MS, level) for n, level in enumerate(column) if math.isfinite(level)
                ]
        return found
    for site in sites:
        rows = reader.buckets(site.site_id, "laeq", start_ms, end_ms, HOUR_MS)
        found[site.site_id] = [(row.start_ms, row.mean) for row in rows if row.flagged < row.n]
    return found


def _spectra(rows: Sequence[PublicObservation]) -> dict[str, dict[float, float]]:
    """Return the newest bands of each site, by centre in Hz."""
    found: dict[str, dict[float, float]] = {}
    for row in rows:
        if row.quantity.startswith("lzeq_") and row.value is not None:
            hz = float(row.quantity.removeprefix("lzeq_").removesuffix("hz").replace("_", "."))
            found.setdefault(row.site_id, {})[hz] = row.value
    return found
