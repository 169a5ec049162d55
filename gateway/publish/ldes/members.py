"""Observations as RDF: SOSA 2023 terms first, the terms of OSLO Observaties en Metingen beside them.

Turtle and JSON-LD are written as text and say the same (a test compares the graphs). A member describes
itself: value with unit, both times, quality, method and licence. Observations without a value are no members.
OSLO's application profile builds on ISO 19156:2011, so its terms have that namespace; see the README.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import quote

from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicSite
from gateway.units import unit

DOUBTFUL_STATES = frozenset({"warmup", "overload", "degraded", "gap"})

PREFIXES = {
    "sosa": "http://www.w3.org/ns/sosa/",
    "iso": "http://def.isotc211.org/iso19156/2011/Observation#",
    "om": "https://data.vlaanderen.be/ns/observaties-en-metingen#",
    "prov": "http://www.w3.org/ns/prov#",
    "time": "http://www.w3.org/2006/time#",
    "qudt": "http://qudt.org/schema/qudt/",
    "dct": "http://purl.org/dc/terms/",
    "ldes": "https://w3id.org/ldes#",
    "tree": "https://w3id.org/tree#",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "mn": "urn:x-meetnet:def:",
}
TURTLE_PREFIXES = "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in PREFIXES.items())

_IRI: dict[str, str] = {"@type": "@id"}


def _typed(name: str, datatype: str) -> dict[str, str]:
    return {"@id": name, "@type": datatype}


CONTEXT: dict[str, Any] = {
    **PREFIXES,
    **{
        name: {"@id": name, **_IRI}
        for name in (
            "dct:isVersionOf sosa:observedProperty sosa:hasFeatureOfInterest sosa:madeBySensor "
            "sosa:usedProcedure iso:OM_Observation.observedProperty iso:OM_Observation.featureOfInterest "
            "om:Observatie.uitgevoerdDoor tree:member tree:view tree:node tree:path ldes:timestampPath "
            "ldes:versionOfPath ldes:versionTimestampPath sosa:isFeatureOfInterestOf sosa:hosts "
            "sosa:isHostedBy sosa:observes dct:isPartOf sosa:isObservedBy"
        ).split()
    },
    **{
        name: _typed(name, "xsd:dateTime")
        for name in (
            "prov:generatedAtTime sosa:resultTime iso:OM_Observation.resultTime tree:value ldes:startingFrom"
        ).split()
    },
    "time:inXSDDateTimeStamp": _typed("time:inXSDDateTimeStamp", "xsd:dateTimeStamp"),
    **{
        name: _typed(name, "xsd:double")
        for name in ("sosa:hasSimpleResult", "qudt:numericValue", "mn:rawValue")
    },
    "qudt:ucumCode": _typed("qudt:ucumCode", "qudt:UCUMcs"),
    "ldes:fullLogDuration": _typed("ldes:fullLogDuration", "xsd:duration"),
    "geo:asWKT": _typed("geo:asWKT", "geo:wktLiteral"),
}


def text(value: str) -> str:
    """Return a string as Turtle and JSON write it."""
    return json.dumps(value, ensure_ascii=False)


class Writer:
    """Writes members under one origin ("https://meetnet.example")."""

    def __init__(self, origin: str, sites: Iterable[PublicSite]) -> None:
        self.origin = origin
        self._sites = {site.site_id: site for site in sites}
        self._tails: dict[tuple[Any, ...], Any] = {}

    def site(self, site_id: str) -> str:
        """Return the IRI of a site."""
        return f"{self.origin}/ldes/site/{quote(site_id, safe='')}"

    def member(self, position: int) -> str:
        """Return the IRI of an observation."""
        return f"{self.origin}/ldes/observation/{position}"

    def shown(self, rows: Sequence[PublicObservation]) -> list[PublicObservation]:
        """Return the rows that are members."""
        return [row for row in rows if row.value is not None and row.site_id in self._sites]

    def turtle(self, rows: Sequence[PublicObservation], times: Sequence[int]) -> str:
        """Return members as Turtle without prefixes; times: when each was published."""
        parts: list[str] = []
        for row, published_ms in zip(rows, times, strict=True):
            moment = f'"{iso_utc(row.observed_at_ms)}"^^xsd:dateTime'
            stamp = f'"{iso_utc(row.observed_at_ms)}"^^xsd:dateTimeStamp'
            stamp = f"[ a time:Instant ; time:inXSDDateTimeStamp {stamp} ]"
            value = f'"{row.value!r}"^^xsd:double'
            result = f"[ a qudt:QuantityValue ; qudt:numericValue {value} ; qudt:ucumCode {self._ucum(row)} ]"
            raw = "" if row.raw_value is None else f'  mn:rawValue "{row.raw_value!r}"^^xsd:double ;\n'
            parts.append(
                f"<{self.member(row.position)}> a sosa:Observation , iso:OM_Observation ;\n"
                f'  prov:generatedAtTime "{iso_utc(published_ms)}"^^xsd:dateTime ;\n'
                f"  sosa:resultTime {moment} ; iso:OM_Observation.resultTime {moment} ;\n"
                f"  sosa:phenomenonTime {stamp} ; iso:OM_Observation.phenomenonTime {stamp} ;\n"
                f"  sosa:hasSimpleResult {value} ;\n"
                f"  sosa:hasResult {result} ; iso:OM_Observation.result {result} ;\n{raw}"
                f"{self._turtle_tail(row)}"
            )
        return "".join(parts)

    def json_ld(self, rows: Sequence[PublicObservation], times: Sequence[int]) -> list[dict[str, Any]]:
        """Return members as JSON-LD objects under CONTEXT."""
        found: list[dict[str, Any]] = []
        for row, published_ms in zip(rows, times, strict=True):
            moment = iso_utc(row.observed_at_ms)
            stamp = {"@type": "time:Instant", "time:inXSDDateTimeStamp": moment}
            result = {
                "@type": "qudt:QuantityValue",
                "qudt:numericValue": repr(row.value),
                "qudt:ucumCode": unit(row.unit).ucum,
            }
            member: dict[str, Any] = {
                "@id": self.member(row.position),
                "@type": ["sosa:Observation", "iso:OM_Observation"],
                "prov:generatedAtTime": iso_utc(published_ms),
                "sosa:resultTime": moment,
                "iso:OM_Observation.resultTime": moment,
                "sosa:phenomenonTime": stamp,
                "iso:OM_Observation.phenomenonTime": stamp,
                "sosa:hasSimpleResult": repr(row.value),
                "sosa:hasResult": result,
                "iso:OM_Observation.result": result,
                **self._relations(row),
                **self._words(row),
            }
            if row.raw_value is not None:
                member["mn:rawValue"] = repr(row.raw_value)
            found.append(member)
        return found

    def _relations(self, row: PublicObservation) -> dict[str, str]:
        site = self.site(row.site_id)
        quantity = f"{self.origin}/ldes/properties#{quote(row.quantity, safe='')}"
        return {
            "dct:isVersionOf": f"{site}#{quote(row.quantity, safe='')}",
            "sosa:observedProperty": quantity,
            "iso:OM_Observation.observedProperty": quantity,
            "sosa:hasFeatureOfInterest": site,
            "iso:OM_Observation.featureOfInterest": site,
            "sosa:madeBySensor": f"{site}#sensor",
            "om:Observatie.uitgevoerdDoor": f"{site}#sensor",
            "sosa:usedProcedure": f"{self.origin}/ldes/procedures#{quote(row.method, safe='')}",
        }

    def _words(self, row: PublicObservation) -> dict[str, Any]:
        is_doubtful = bool(row.flags) or row.state in DOUBTFUL_STATES
        found: dict[str, Any] = {
            "mn:quality": "doubtful" if is_doubtful else "good",
            "mn:sensorState": row.state,
            "mn:methodVersion": row.method_version,
            "dct:license": self._sites[row.site_id].licence,
        }
        if row.flags:
            found["mn:qualityFlag"] = list(row.flags)
        return found

    def _turtle_tail(self, row: PublicObservation) -> str:
        key = (row.site_id, row.quantity, row.state, row.flags, row.method, row.method_version)
        found = self._tails.get(key)
        if found is None:
            lines = [f"  {name} <{iri}>" for name, iri in self._relations(row).items()]
            for name, value in self._words(row).items():
                words = cast("list[Any]", value) if isinstance(value, list) else [value]
                lines.append(
                    f"  {name} "
                    + " , ".join(str(word) if isinstance(word, int) else text(word) for word in words)
                )
            found = self._tails[key] = " ;\n".join(lines) + " .\n"
        return found

    def _ucum(self, row: PublicObservation) -> str:
        return f"{text(unit(row.unit).ucum)}^^qudt:UCUMcs"
