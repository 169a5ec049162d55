"""The record of processing (GDPR article 30) and the start of a DPIA, from the configuration (P10).

A template: what the configuration knows is filled in, what only people know is asked for in brackets. It is
in Dutch, the language of those who must sign it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.publish.catalog.settings import CatalogSettings

_RECIPIENTS = {
    "ngsi_ld": "contextbroker (NGSI-LD)",
    "ngsi_v2": "contextbroker (NGSI-v2)",
    "sensorthings": "SensorThings-server",
    "sensor_community": "Sensor.Community (openbaar)",
    "opensensemap": "openSenseMap (openbaar, PDDL, onherroepelijk)",
    "home_assistant": "Home Assistant",
    "influx": "InfluxDB",
    "mqtt": "MQTT-broker",
    "webhook": "webhook",
    "prometheus": "Prometheus",
}


def processing_record(
    settings: CatalogSettings,
    outlets: Mapping[str, tuple[str, str, str]],
    raw_days: int,
    kinds: Mapping[str, int],
) -> str:
    """Return Markdown. outlets: name -> (type, address, recipient of consent); kinds: how many sites."""
    lines = [
        f"# Verwerkingsregister en DPIA: {settings.title}",
        "",
        f"Verwerkingsverantwoordelijke: {settings.publisher or '[naam]'}  ",
        f"Contact: {settings.email or settings.contact_url or '[adres]'}  ",
        f"Doel: {settings.purpose}  ",
        f"Grondslag: {settings.legal_basis}  ",
        f"Einddatum: {settings.end_date or '[datum]'}",
        "",
        "## Gegevens",
        "",
        "| soort | meetpunten | persoonsgegevens |",
        "|---|---|---|",
        *[f"| {kind} | {count} | {_personal(kind)} |" for kind, count in sorted(kinds.items())],
        "",
        "Van gastgezinnen: naam en exacte plaats van het meetpunt, alleen in de gateway. Naar buiten gaan "
        "een afgeronde plaats en een kenmerk dat niets over het toestel zegt.",
        "",
        "## Ontvangers",
        "",
        "| naam | soort | adres | toestemming voor |",
        "|---|---|---|---|",
        "| open data | pagina, CSV, GeoJSON, LDES, catalogus | deze gateway | public |",
        *[
            _row(name, _RECIPIENTS.get(kind, kind), address or "-", recipient)
            for name, (kind, address, recipient) in sorted(outlets.items())
        ],
        "",
        "## Bewaren",
        "",
        f"Ruwe berichten en radiogegevens: {raw_days} dagen. {settings.retention}",
        "",
        "## Beoordeling (DPIA)",
        "",
        "1. Kan uit de waarden blijken of iemand thuis is? [antwoord per soort meetpunt]",
        "2. Is de afronding van de plaats genoeg bij weinig woningen in een vak? [antwoord]",
        "3. Hoe trekt een gastgezin toestemming in, en hoe snel stopt elke ontvanger? Binnen één ronde; wat "
        "al openbaar is gekopieerd, is niet terug te halen. [aanvullen]",
        "4. Wie kan bij `registry.db` en `secrets.db`, en hoe zijn back-ups beveiligd? [antwoord]",
        "5. Meldplicht sensoren: vijf dagen voor plaatsing; ook bij wijziging en verwijdering. [gemeld op]",
        "",
        "Vastgesteld door [naam], [datum].",
        "",
    ]
    return "\n".join(lines)


def outlet_rows(
    tables: Mapping[str, Mapping[str, Any]], recipients: Mapping[str, str]
) -> dict[str, tuple[str, str, str]]:
    """Return name -> (type, address without user and password, recipient) of the tables under `publish`."""
    found: dict[str, tuple[str, str, str]] = {}
    for name, table in tables.items():
        address = str(table.get("url") or table.get("host") or "")
        scheme, mark, rest = address.rpartition("://")
        found[name] = (
            str(table.get("type", name)),
            scheme + mark + rest.rpartition("@")[2],
            recipients.get(name, "public"),
        )
    return found


def _personal(kind: str) -> str:
    return {
        "noise": "nee: niveaus over minuten, geen geluid",
        "bin": "mogelijk: gebruik van een bak bij één adres",
    }.get(kind, "nee, mits de plaats is afgerond")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
