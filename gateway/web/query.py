"""Values from the address line: typed, or refused with a sentence that names field and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.web.languages import N_

DAY_MS = 86_400_000
LONGEST_MS = 366 * DAY_MS
LONGEST_NAME = 80
JOINER = "\N{ZERO WIDTH JOINER}"  # makes one picture of several; all else that is unseen is refused

# What a form calls its fields: a sentence about one says what stands beside it on the page.
LABELS: Mapping[str, str] = {
    "area": N_("Area of the funnel, cm² (round: 0.785 × diameter × diameter)"),
    "at": N_("Since when"),
    "bundle": N_("Signed bundle"),
    "code": N_("Code of the card"),
    "email": N_("Mail address"),
    "first": N_("First day"),
    "instrument": N_("Make and number of the calibrator"),
    "last": N_("Last day"),
    "latitude": N_("Latitude"),
    "level": N_("Level of the calibrator in dB, from its certificate"),
    "longitude": N_("Longitude"),
    "note": N_("Note"),
    "photo": N_("Photo"),
    "precision": N_("How exactly others see the place"),
    "text": N_("What was going on"),
    "volume": N_("Poured, ml"),
    "why": N_("Why (a note at both places; may stay empty)"),
}


class QueryError(Exception):
    """A value that cannot be used: `field`, and a message id with %(field)s and %(value)s."""

    def __init__(self, field: str, value: str, message: str, **places: int | str) -> None:
        self.field = field
        self.message = message
        self.places: dict[str, str | int] = {"field": field, "value": value[:60], **places}
        super().__init__(message % self.places)


def span(query: Mapping[str, str], now_ms: int, longest_ms: int = LONGEST_MS) -> tuple[int, int]:
    """Return (start, end) in ms from `from` and `to`; the last day when both are absent."""
    end = moment(query, "to", now_ms + 1)
    start = moment(query, "from", end - DAY_MS)
    if start >= end:
        raise QueryError(
            "from", query.get("from", ""), N_("%(field)s: must lie before “to”. Choose an earlier moment.")
        )
    if end - start > longest_ms:
        raise QueryError(
            "from", query.get("from", ""), N_("%(field)s: at most 366 days at once. Ask for a shorter time.")
        )
    return start, end


def moment(query: Mapping[str, str], field: str, default_ms: int) -> int:
    """Return a moment in ms: a date (midnight UTC), or a date and time with Z or an offset."""
    text = query.get(field, "").strip()
    if not text:
        return default_ms
    try:
        # A plus sign arrives as a space when it was not written as %2B.
        value = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if value.tzinfo is None:
            if "T" in text or " " in text:
                raise ValueError("no time zone")
            value = value.replace(tzinfo=UTC)
        ms = round(value.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise QueryError(
            field,
            text,
            N_("%(field)s: “%(value)s” is not a moment. Write 2026-11-23 or 2026-11-23T18:00:00Z."),
        ) from None
    if not 0 <= ms < 32_503_680_000_000:  # year 3000
        raise QueryError(field, text, N_("%(field)s: “%(value)s” lies outside of the years 1970 to 2999."))
    return ms


def whole(query: Mapping[str, str], field: str, default: int, least: int, most: int) -> int:
    """Return a whole number within bounds."""
    text = query.get(field, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        message = N_(
            "%(field)s: “%(value)s” is not a whole number that fits. Write one from %(least)d to %(most)d."
        )
        raise QueryError(field, text, message, least=least, most=most)
    return int(text)


def place_name(fields: Mapping[str, str]) -> str:
    """Return the name that somebody gives a place: text on one line, a family of emoji as well."""
    text = fields.get("name", "").strip()
    if not 1 <= len(text) <= LONGEST_NAME or not text.replace(JOINER, "").isprintable():
        raise QueryError(
            "name",
            text,
            N_("A place needs a name of 1 to %(most)d letters on one line. Go back and write one."),
            most=LONGEST_NAME,
        )
    return text


def choice(query: Mapping[str, str], field: str, choices: tuple[str, ...]) -> str:
    """Return one of a few words; the first when absent."""
    text = query.get(field, "").strip() or choices[0]
    if text not in choices:
        raise QueryError(
            field,
            text,
            N_("%(field)s: “%(value)s” is not one of the words that fit: %(words)s."),
            words=", ".join(choices),
        )
    return text


def known(query: Mapping[str, str], field: str, allowed: set[str]) -> str | None:
    """Return a name that must be one of `allowed`, None when absent."""
    text = query.get(field, "").strip()
    if not text:
        return None
    if text not in allowed:
        raise QueryError(
            field,
            text,
            N_("%(field)s: “%(value)s” is not known here. Look up the names at /api/sites.geojson."),
        )
    return text


def refuse_unknown(query: Mapping[str, str], allowed: set[str]) -> None:
    """Refuse a field that means nothing here: a misspelt filter would silently give everything."""
    for field in query:
        if field not in allowed:
            raise QueryError(
                field[:40],
                "",
                N_("%(field)s: this address has no such field. Leave it out, or check its name."),
            )
