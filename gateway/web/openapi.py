"""The open addresses as an OpenAPI 3.1 document, with an example of each that runs as it stands."""

from __future__ import annotations

from typing import Any

_FROM = ("from", "start: a date, or a moment with Z or an offset; default: a day before `to`", "2026-11-23")
_TO = ("to", "end, not included; default: now", "2026-11-24T12:00:00Z")
_SITE = ("site", "id of one site, as in /api/sites.geojson", "")

# path -> (summary, media type, parameters: (name, what, example))
PATHS: dict[str, tuple[str, str, tuple[tuple[str, str, str], ...]]] = {
    "/api/sites.geojson": ("Public sites", "application/geo+json", ()),
    "/api/latest.json": ("Newest observation of each site and quantity", "application/json", ()),
    "/api/latest.geojson": ("The same as features", "application/geo+json", ()),
    "/api/observations.csv": (
        "All observations of a time, streamed; at most 366 days",
        "text/csv",
        (
            _FROM,
            _TO,
            _SITE,
            ("decimal", "point or comma", "point"),
            ("notes", "yes: a last column of what hosts and staff wrote on that time", "no"),
        ),
    ),
    "/api/observations.geojson": (
        "The same as features, at most 10,000",
        "application/geo+json",
        (_FROM, _TO, _SITE),
    ),
    "/api/series.json": (
        "One series for a chart, never more than `points` points",
        "application/json",
        (
            ("site", "id of the site; needed", ""),
            ("quantity", "one of the site's quantities; needed", ""),
            _FROM,
            _TO,
            ("points", "16 to 4000", "800"),
            ("form", "fitting, points or buckets", "fitting"),
            ("value", "shown, or raw: as the sensor measured, before any correction", "shown"),
        ),
    ),
    "/api/notes.json": (
        "What hosts and staff wrote on times of a site, for everybody",
        "application/json",
        (_FROM, _TO, _SITE),
    ),
    "/api/notes.csv": (
        "The same as CSV",
        "text/csv",
        (_FROM, _TO, _SITE, ("decimal", "point or comma: how a spreadsheet parts fields", "point")),
    ),
    "/api/quality.json": ("Hours measured, values and doubts of the last week", "application/json", ()),
    "/api/status": ("How the gateway is doing", "application/json", ()),
}


def document(base: str, title: str) -> dict[str, Any]:
    """Return the document. base: address of the page, "" for relative ones."""
    paths: dict[str, Any] = {}
    for path, (summary, media_type, parameters) in PATHS.items():
        paths[path] = {
            "get": {
                "summary": summary,
                "parameters": [
                    {
                        "name": name,
                        "in": "query",
                        "description": what,
                        "required": what.endswith("needed"),
                        "schema": {"type": "string"},
                        **({"example": example} if example else {}),
                    }
                    for name, what, example in parameters
                ],
                "responses": {
                    "200": {"description": summary, "content": {media_type: {}}},
                    "400": {
                        "description": "A field is wrong: the title names it and the remedy",
                        "content": {"application/problem+json": {}},
                    },
                },
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title}: open data",
            "version": "1",
            "description": "Times are RFC 3339 UTC; numbers have a decimal point; absent is empty or null.",
        },
        "servers": [{"url": base or "/"}],
        "paths": paths,
    }
