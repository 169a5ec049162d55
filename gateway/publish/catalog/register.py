"""The sensor register: one record a public sensor, in no city's own form (P9).

Amsterdam asks for a report at least five days before placing (APV article 2.25a), at removal, and when what
is collected changes; no national register takes part yet. The terms for personal data are those of the Smart
Data Model PrivacyObject.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.exports import iso_utc
from gateway.model import PublicSite
from gateway.publish.catalog.settings import CatalogSettings
from gateway.publish.quantities import quantity_units
from gateway.units import unit

_UNITS = quantity_units()
REPORT_BEFORE_MS = 5 * 86_400_000
SENSOR_TYPES = {
    "air": "fijnstof, temperatuur, vochtigheid",
    "noise": "geluidsniveau; er wordt geen geluid opgenomen of verzonden",
    "bin": "afstand tot de inhoud van een afvalbak",
    "garden": "weer en bodem",
}
# What must be reported again when it changes.
REPORTED = ("sensorType", "collected", "location", "endDate", "isPersonalData", "owner", "purpose")

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Meetnet sensor register record",
    "type": "object",
    "additionalProperties": False,
    "required": [
        "id", "name", "owner", "contact", "purpose", "sensorType", "collected", "location", "startDate",
        "endDate", "isPersonalData", "legitimateInterest", "retentionPeriod", "licence",
    ],
    "properties": {
        "id": {"type": "string", "format": "uri"},
        "name": {"type": "string", "minLength": 1},
        "owner": {"type": "string", "minLength": 1},
        "contact": {"type": "string", "format": "uri"},
        "purpose": {"type": "string", "minLength": 1},
        "sensorType": {"type": "string", "minLength": 1},
        "collected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["quantity", "unit"],
                "properties": {"quantity": {"type": "string"}, "unit": {"type": "string"}},
            },
        },
        "location": {
            "type": "object",
            "required": ["longitude", "latitude", "precision_m"],
            "properties": {
                "longitude": {"type": "number", "minimum": -180, "maximum": 180},
                "latitude": {"type": "number", "minimum": -90, "maximum": 90},
                "precision_m": {"type": "integer", "minimum": 0},
            },
        },
        "startDate": {"type": ["string", "null"], "format": "date-time"},
        "endDate": {"type": ["string", "null"], "format": "date"},
        "isPersonalData": {"type": "boolean"},
        "legitimateInterest": {"type": "string", "minLength": 1},
        "retentionPeriod": {"type": "string", "minLength": 1},
        "licence": {"type": "string", "minLength": 1},
    },
}  # fmt: skip


def record(site: PublicSite, first_ms: int | None, origin: str, settings: CatalogSettings) -> dict[str, Any]:
    """Return a site's record. first_ms: when it measured first, None when it has not yet."""
    contact = f"mailto:{settings.email}" if settings.email else settings.contact_url or f"{origin}/"
    return {
        "id": f"{origin}/register/{site.site_id}.json",
        "name": site.name or site.site_id,
        "owner": settings.publisher or settings.title,
        "contact": contact,
        "purpose": settings.purpose,
        "sensorType": SENSOR_TYPES[site.kind],
        "collected": [{"quantity": name, "unit": _unit(name)} for name in sorted(site.quantities)],
        "location": {
            "longitude": site.longitude,
            "latitude": site.latitude,
            "precision_m": site.precision_m,
        },
        "startDate": None if first_ms is None else iso_utc(first_ms),
        "endDate": settings.end_date or None,
        # Levels and concentrations of a place; its position is as coarse as the host wants it.
        "isPersonalData": site.precision_m == 0,
        "legitimateInterest": settings.legal_basis,
        "retentionPeriod": settings.retention,
        "licence": site.licence,
    }


def changes(reported: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the fields that have changed since a record was reported, so that it must be again."""
    return [name for name in REPORTED if reported.get(name) != now.get(name)]


def report_is_late(planned_ms: int, now_ms: int) -> bool:
    """Say whether a sensor planned for a moment should have been reported by now."""
    return planned_ms - now_ms < REPORT_BEFORE_MS


def _unit(quantity: str) -> str:
    name = _UNITS.get(quantity, "1")
    return unit(name).symbol or name
