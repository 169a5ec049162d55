"""Languages of the page: which one a reader gets, its words, and how it writes numbers and times.

Words come from gettext catalogues `locale/<language>.po`, read at start; English is the language of the
message ids. Dutch comes first: it is the answer when a reader asks for nothing that we have.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime, get_timezone
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = {"nl": "nl_BE", "fr": "fr_BE", "en": "en_GB"}  # in the order of the switch
LANGUAGE_NAMES = {"nl": "Nederlands", "fr": "Français", "en": "English"}
DEFAULT = "nl"
CATALOGUES = Path(__file__).parent / "locale"

NO_VALUE = "–"


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for marking a message
    """Mark a message for the catalogues without translating it here."""
    return message


def negotiate(query: str | None, accept_language: str | None) -> str:
    """Return the reader's language: the wish if we have it, else Accept-Language's best, else Dutch."""
    if query and query.lower()[:2] in LOCALES:
        return query.lower()[:2]
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate((accept_language or "")[:500].split(",")):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        if language in LOCALES:
            wishes.append((-_weight(parameter), place, language))
    wishes.sort()
    return wishes[0][2] if wishes and wishes[0][0] < 0 else DEFAULT


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


@cache
def translations(language: str) -> NullTranslations:
    """Return the catalogue of a language; the message ids themselves where there is no file."""
    path = CATALOGUES / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _signs(locale: str) -> dict[int, str]:
    """Return what the signs of a number become in a locale: decimal, grouping, minus."""
    symbols = Locale.parse(locale).number_symbols["latn"]
    return {0x2E: symbols["decimal"], 0x2C: symbols["group"], 0x2D: "\N{MINUS SIGN}"}


@cache
def _step(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


@lru_cache(20_000)
def _written(ms: int, pattern: str, locale: str, zone: tzinfo) -> str:
    """Write a moment; the same ones are asked for on every page."""
    moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    return format_datetime(moment, pattern, tzinfo=zone, locale=locale)


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language at work: its words, its numbers, its clock."""

    language: str
    zone: tzinfo

    @property
    def locale(self) -> str:
        """Return the locale, as Babel names it."""
        return LOCALES[self.language]

    @property
    def gettext(self) -> Callable[[str], str]:
        """Return the function that translates a message."""
        return translations(self.language).gettext

    @property
    def ngettext(self) -> Callable[[str, str, int], str]:
        """Return the function that translates a message with a number."""
        return translations(self.language).ngettext

    def number(self, value: float | None, decimals: int) -> str:
        """Write a number with the language's own decimal sign and a true minus."""
        if value is None or not math.isfinite(value):
            return NO_VALUE
        text = f"{Decimal(repr(float(value))).quantize(_step(decimals), ROUND_HALF_EVEN):,f}"
        return text.translate(_signs(self.locale))

    def moment(self, ms: int) -> str:
        """Write day and time of day, for example "23 nov. 18:04"."""
        return self._format(ms, "d MMM HH:mm")

    def day(self, ms: int) -> str:
        """Write a day, for example "23 nov. 2026"."""
        return self._format(ms, "d MMM y")

    def month(self, ms: int) -> str:
        """Write a month, for example "november 2026"."""
        return self._format(ms, "MMMM y")

    def weekday(self, ms: int) -> str:
        """Write a day with its name, for example "ma 23 nov."."""
        return self._format(ms, "EEE d MMM")

    def day_of_year(self, ms: int) -> int:
        """Return the number of the local day in its year, from 1."""
        return self._local(ms).timetuple().tm_yday

    def hour(self, ms: int) -> str:
        """Write an hour with its zone's offset where the clock is put back: "02:00" comes twice then."""
        return self._format(ms, "d MMM HH:mm zzzz" if self._is_doubled(ms) else "d MMM HH:mm")

    def clock(self, ms: int) -> str:
        """Write a time of day with seconds."""
        return self._format(ms, "HH:mm:ss")

    def field(self, ms: int) -> str:
        """Write a moment for a field of a form, to the minute: "2026-07-18T20:00"."""
        return self._local(ms).strftime("%Y-%m-%dT%H:%M")

    def local_ms(self, text: str) -> int:
        """Return the moment of a field of a form in ms: a local time without zone. Raise ValueError."""
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is not None:
            raise ValueError(text)
        try:
            return round(found.replace(tzinfo=self.zone).timestamp() * 1000)
        except OverflowError as error:
            raise ValueError(text) from error

    def iso(self, ms: int) -> str:
        """Write the moment for a machine, in the reader's zone."""
        return self._local(ms).isoformat(timespec="seconds")

    def age(self, age_ms: int) -> str:
        """Write how long ago something was, in the largest unit that fits."""
        seconds = max(0, age_ms) // 1000
        ngettext = self.ngettext
        if seconds < 10:
            return self.gettext(N_("just now"))
        if seconds < 60:
            return ngettext("%(num)d second ago", "%(num)d seconds ago", seconds) % {"num": seconds}
        if seconds < 3600:
            minutes = seconds // 60
            return ngettext("%(num)d minute ago", "%(num)d minutes ago", minutes) % {"num": minutes}
        if seconds < 86400:
            hours = seconds // 3600
            return ngettext("%(num)d hour ago", "%(num)d hours ago", hours) % {"num": hours}
        days = seconds // 86400
        return ngettext("%(num)d day ago", "%(num)d days ago", days) % {"num": days}

    def _is_doubled(self, ms: int) -> bool:
        local = self._local(ms)
        return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()

    def _local(self, ms: int) -> datetime:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(self.zone)

    def _format(self, ms: int, pattern: str) -> str:
        unit_ms = 1000 if "s" in pattern else 60_000
        return _written(ms // unit_ms * unit_ms, pattern, self.locale, self.zone)


def tongues(time_zone: str) -> dict[str, Tongue]:
    """Return every language at work in a time zone; LookupError for a zone that is unknown here."""
    zone = get_timezone(time_zone)
    return {language: Tongue(language, zone) for language in LOCALES}
