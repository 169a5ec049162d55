"""Values from the address line: typed, or refused with a sentence that names field and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.web.languages import N_

DAY_MS = 86_400_000
LONGEST_MS = 366 * DAY_MS


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
