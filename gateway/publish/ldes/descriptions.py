"""What members refer to: sites, their sensors and series, properties, procedures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from gateway.model import PublicSite
from gateway.publish.ldes.members import text
from gateway.publish.quantities import quantity_units
from gateway.units import unit

PROCEDURES = {
    "none": "the value as the sensor gave it",
    "bin_geometry": "filling level from the distance and the dimensions of the bin",
    "tip_difference": "rain from the difference of two readings of the tipping bucket",
    "kappa_koehler": "dry particulate matter, by kappa-Köhler with the humidity of the same record",
    "epa_extended": "particulate matter as the US EPA corrects Plantower sensors, smoke ranges included",
    "linear_rh": "particulate matter by a co-location: slope, humidity term and intercept",
    "linear": "the value by a co-location: slope and intercept",
}

Node = dict[str, Any]
_IRI_VALUES = frozenset(
    {"sosa:hosts", "sosa:isHostedBy", "sosa:observes", "dct:isPartOf", "sosa:isFeatureOfInterestOf"}
)


def describe(path: str, origin: str, sites: Sequence[PublicSite]) -> list[Node]:
    """Return the nodes of a document, none when there is no such document."""
    if path.startswith("/ldes/site/"):
        wanted = unquote(path.removeprefix("/ldes/site/"))
        return [node for site in sites if site.site_id == wanted for node in _site(origin, site)]
    if path == "/ldes/properties":
        return [
            {
                "@id": f"{origin}/ldes/properties#{name}",
                "@type": "sosa:Property",
                "rdfs:label": name,
                "qudt:ucumCode": unit(name_of_unit).ucum,
            }
            for name, name_of_unit in quantity_units().items()
        ]
    if path == "/ldes/procedures":
        return [
            {"@id": f"{origin}/ldes/procedures#{name}", "@type": "sosa:Procedure", "rdfs:comment": meaning}
            for name, meaning in PROCEDURES.items()
        ]
    return []


def turtle(nodes: Sequence[Node]) -> str:
    """Return nodes as Turtle without prefixes."""
    return "".join(
        f"<{node['@id']}> a {_types(node)}"
        + "".join(
            f" ;\n  {name} {_value(name, value)}" for name, value in node.items() if not name.startswith("@")
        )
        + " .\n"
        for node in nodes
    )


def _types(node: Node) -> str:
    types = node["@type"]
    return types if isinstance(types, str) else " , ".join(types)


def _value(name: str, value: Any) -> str:
    if name in _IRI_VALUES:
        return f"<{value}>"
    if name == "geo:hasGeometry":
        return f"[ a geo:Geometry ; geo:asWKT {text(value['geo:asWKT'])}^^geo:wktLiteral ]"
    if name == "qudt:ucumCode":
        return f"{text(value)}^^qudt:UCUMcs"
    return str(value) if isinstance(value, int) else text(value)


def _site(origin: str, site: PublicSite) -> list[Node]:
    iri = f"{origin}/ldes/site/{quote(site.site_id, safe='')}"
    return [
        {
            "@id": iri,
            "@type": ["sosa:FeatureOfInterest", "sosa:Platform", "geo:Feature"],
            "rdfs:label": site.name or site.site_id,
            "dct:identifier": site.site_id,
            "dct:license": site.licence,
            "mn:kind": site.kind,
            "mn:positionPrecision": site.precision_m,
            "geo:hasGeometry": {
                "@type": "geo:Geometry",
                "geo:asWKT": f"POINT({site.longitude} {site.latitude})",
            },
            "sosa:hosts": f"{iri}#sensor",
        },
        {"@id": f"{iri}#sensor", "@type": "sosa:Sensor", "sosa:isHostedBy": iri},
    ]
