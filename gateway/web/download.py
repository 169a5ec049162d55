"""Days and a site chosen in a form, as the address of a file: for who wants a table and not an interface.

A form speaks of whole days of the reader's clock, the file's address of moments in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from gateway import exports
from gateway.insight.noise import local
from gateway.web.languages import N_, Tongue
from gateway.web.query import QueryError, known, span

FIELDS = {"site", "first", "last"}
WEEK = timedelta(days=6)
BAD_DAY = N_("%(field)s: “%(value)s” is not a day. Write one like 2026-11-23.")
BACKWARDS = N_("%(field)s: the last day lies before the first. Choose a later one.")


def days(now_ms: int, tongue: Tongue) -> dict[str, str]:
    """Return the days that the form begins with: the last seven."""
    today = local(now_ms, tongue.zone).date()
    return {"first": (today - WEEK).isoformat(), "last": today.isoformat()}


def file_of(query: Mapping[str, str], sites: Collection[str], now_ms: int, tongue: Tongue) -> str:
    """Return the address of the CSV of what was chosen; raise QueryError."""
    usual = days(now_ms, tongue)
    first, last = (_day(query, field, usual[field]) for field in ("first", "last"))
    if last < first:
        raise QueryError("last", query.get("last", ""), BACKWARDS)
    fields = {
        "from": exports.iso_utc(_midnight_ms(first, tongue)),
        "to": exports.iso_utc(_midnight_ms(last + timedelta(days=1), tongue)),
        "lang": tongue.language,
    }
    span(fields, now_ms)
    site_id = known(query, "site", set(sites))
    if site_id:
        fields["site"] = site_id
    if tongue.language != "en":
        fields["decimal"] = "comma"
    return f"/api/observations.csv?{urlencode(fields)}"


def _day(query: Mapping[str, str], field: str, default: str) -> date:
    text = query.get(field, "").strip() or default
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise QueryError(field, text, BAD_DAY) from None
    if not 1970 < found.year < 2999:
        raise QueryError(field, text, BAD_DAY)
    return found


def _midnight_ms(day: date, tongue: Tongue) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=tongue.zone).timestamp() * 1000)
