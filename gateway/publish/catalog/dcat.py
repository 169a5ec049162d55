"""The network as a DCAT-AP catalogue: a dataset for each kind of site and licence, and who answers for it.

What is obligatory follows from the shapes of DCAT-AP 3.0.1 and DCAT-AP-NL 3.0, which the tests run. Names of
themes, licences, file types and frequencies are those of the EU vocabularies (publications.europa.eu).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from gateway.exports import iso_utc
from gateway.model import PublicSite
from gateway.publish.catalog.rdf import Node, iri, typed, words
from gateway.publish.catalog.settings import CatalogSettings

_EU = "http://publications.europa.eu/resource/authority/"
_IANA = "http://www.iana.org/assignments/media-types/"
THEME = f"{_EU}data-theme/ENVI"
PUBLIC = f"{_EU}access-right/PUBLIC"
LICENCES = {
    "CC-BY-4.0": f"{_EU}licence/CC_BY_4_0",
    "CC-BY-SA-4.0": f"{_EU}licence/CC_BYSA_4_0",
    "CC0-1.0": f"{_EU}licence/CC0",
    "PDDL-1.0": f"{_EU}licence/ODC_PDDL",
    "ODbL-1.0": f"{_EU}licence/ODC_BL",
    "ODC-BY-1.0": f"{_EU}licence/ODC_BY",
}
LANGUAGES = {"nl": "NLD", "fr": "FRA", "en": "ENG"}
TITLES = {
    "air": {"nl": "Luchtkwaliteit", "fr": "Qualité de l’air", "en": "Air quality"},
    "noise": {"nl": "Geluid", "fr": "Bruit", "en": "Noise"},
    "bin": {
        "nl": "Vulling van afvalbakken",
        "fr": "Remplissage des poubelles",
        "en": "Filling of waste bins",
    },
    "garden": {
        "nl": "Weer en bodem in tuinen",
        "fr": "Météo et sol au jardin",
        "en": "Weather and soil in gardens",
    },
}
# name, path, file type, media type, what it is, the service that serves it ("": the page, always there)
_FORMS = (
    ("csv", "/api/observations.csv", "CSV", "text/csv", "CSV", ""),
    ("geojson", "/api/latest.geojson", "GEOJSON", "application/geo+json", "GeoJSON", ""),
    ("json", "/api/latest.json", "JSON", "application/json", "JSON", ""),
    ("sensorthings", "/sta/v1.1/Things", "JSON", "application/json", "OGC SensorThings", "/sta/v1.1"),
    ("ldes", "/ldes", "RDF_TURTLE", "text/turtle", "LDES (SOSA, TREE)", "/ldes"),
)
# What holds all kinds of sites says how to find those of the dataset.
_TOGETHER = "; alle soorten meetpunten samen, neem die "
_MIXED = {
    "csv": _TOGETHER + "met kind = {0.kind} en licence = {0.licence}",
    "geojson": _TOGETHER + "met kind = {0.kind} en licence = {0.licence}",
    "json": _TOGETHER + "waarvan /api/sites.geojson als kind {0.kind} geeft",
    "ldes": _TOGETHER + "waarvan /api/sites.geojson als kind {0.kind} geeft",
}
_METRES_A_DEGREE = 111_320  # of latitude; of longitude times its cosine
# path at which it is served, name, title, what it conforms to, where it is described
_SERVICES = (
    (
        "/sta/v1.1",
        "sensorthings",
        "OGC SensorThings API 1.1",
        "http://www.opengis.net/spec/iot_sensing/1.1",
        "https://docs.ogc.org/is/18-088/18-088.html",
    ),
    (
        "/ldes",
        "ldes",
        "Linked Data Event Stream",
        "https://w3id.org/ldes/specification",
        "https://w3id.org/ldes/specification",
    ),
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The sites of one kind and licence."""

    id: str
    kind: str
    licence: str
    sites: tuple[PublicSite, ...]


def datasets(sites: Sequence[PublicSite]) -> list[Dataset]:
    """Return the datasets that public sites make up, by id."""
    found: dict[tuple[str, str], list[PublicSite]] = {}
    for site in sites:
        found.setdefault((site.kind, site.licence), []).append(site)
    return [
        Dataset(f"{kind}-{quote(licence, safe='').lower()}", kind, licence, tuple(members))
        for (kind, licence), members in sorted(found.items())
    ]


def licence_address(licence: str) -> str:
    """Return the IRI of a licence: the EU's for its usual names, an address as it is."""
    known = {name.lower(): address for name, address in LICENCES.items()}
    if licence.strip().lower() in known:
        return known[licence.strip().lower()]
    if licence.startswith(("http://", "https://")):
        return quote(licence, safe=":/?#=&%~+,;@")
    return f"urn:x-meetnet:licence:{quote(licence, safe='')}"


def catalog(
    sites: Sequence[PublicSite], origin: str, settings: CatalogSettings, served: Collection[str] = ()
) -> list[Node]:
    """Return the catalogue's nodes. served: paths of the interfaces that are on ("/sta/v1.1", "/ldes")."""
    agent, contact, here = f"{origin}/catalog#publisher", f"{origin}/catalog#contact", f"{origin}/catalog"
    if settings.publisher_uri:
        agent = settings.publisher_uri
    found = datasets(sites)
    forms = [form for form in _FORMS if not form[5] or form[5] in served]
    parts = [_dataset(one, origin, agent, contact, settings, forms) for one in found]
    services = [row for row in _SERVICES if row[0] in served] if found else []
    licences = sorted({one.licence for one in found})
    return [
        {
            "@id": here,
            "@type": "dcat:Catalog",
            "dct:title": words(settings.title, settings.language),
            "dct:description": words(settings.description, settings.language),
            "dct:publisher": iri(agent),
            "dct:language": iri(_language(settings.language)),
            "dct:conformsTo": iri(settings.profile_address),
            "dcat:contactPoint": iri(contact),
            "dcat:themeTaxonomy": iri(f"{_EU}data-theme"),
            "foaf:homepage": iri(f"{origin}/"),
            "dcat:dataset": [iri(f"{origin}/catalog/{one.id}") for one in found],
            **({"dcat:service": [iri(f"{here}/service/{row[1]}") for row in services]} if services else {}),
        },
        *[node for part in parts for node in part],
        *[_service(row, found, origin, agent, contact, settings) for row in services],
        _agent(agent, settings),
        _contact(contact, origin, settings),
        *_vocabulary(settings),
        *[
            {
                "@id": licence_address(licence),
                "@type": "dct:LicenseDocument",
                "dct:identifier": licence,
                "rdfs:label": licence,
            }
            for licence in licences
        ],
        *(
            {
                "@id": f"{origin}/catalog#licences",
                "@type": "dct:LicenseDocument",
                "dct:identifier": "licences",
                "rdfs:label": "The licence of each dataset",
            }
            for _ in services[:1]
            if len(licences) > 1
        ),
        *[
            {"@id": address, "@type": ["foaf:Document", "rdfs:Resource"]}
            for address in sorted(
                {
                    f"{origin}/",
                    *(origin + _path(form[1], form[0], one) for form in forms for one in found),
                    *(f"{origin}{row[0]}" for row in services),
                    *(row[4] for row in services),
                }
            )
        ],
    ]


def _service(
    row: tuple[str, str, str, str, str],
    found: Sequence[Dataset],
    origin: str,
    agent: str,
    contact: str,
    settings: CatalogSettings,
) -> Node:
    path, name, title, standard, about = row
    here = f"{origin}/catalog/service/{name}"
    language = settings.language
    return {
        "@id": here,
        "@type": "dcat:DataService",
        "dct:title": words(f"{settings.title}: {title}", language),
        "dct:description": words(f"{title}: alle openbare metingen, ook die van vroeger.", "nl"),
        "dct:identifier": here,
        "dct:publisher": iri(agent),
        "dct:creator": iri(agent),
        "dcat:contactPoint": iri(contact),
        "dcat:theme": iri(THEME),
        "dct:accessRights": iri(PUBLIC),
        "dct:language": iri(_language(language)),
        "dct:license": iri(_licence_of_all(found, origin)),
        "dct:conformsTo": iri(standard),
        "dcat:endpointURL": iri(f"{origin}{path}"),
        "dcat:endpointDescription": iri(about),
        "dcat:servesDataset": [iri(f"{origin}/catalog/{one.id}") for one in found],
        "dcat:landingPage": iri(f"{origin}/"),
        "dcat:keyword": [words("SensorThings" if name == "sensorthings" else "LDES", "en")],
    }


def _licence_of_all(found: Sequence[Dataset], origin: str) -> str:
    """Return the licence of a service: a profile allows one, so where datasets differ it refers to theirs."""
    addresses = {licence_address(one.licence) for one in found}
    return addresses.pop() if len(addresses) == 1 else f"{origin}/catalog#licences"


def _dataset(
    found: Dataset,
    origin: str,
    agent: str,
    contact: str,
    settings: CatalogSettings,
    forms: Sequence[tuple[str, str, str, str, str, str]],
) -> list[Node]:
    here = f"{origin}/catalog/{found.id}"
    language = settings.language
    title = f"{settings.title}: {TITLES[found.kind][language]}"
    quantities = sorted({name for site in found.sites for name in site.quantities})
    newest = max((site.last_observed_at_ms or 0 for site in found.sites), default=0)
    count = len(found.sites)
    node: Node = {
        "@id": here,
        "@type": "dcat:Dataset",
        "dct:title": words(title, language),
        "dct:description": words(
            f"{title}. {count} {'meetpunt' if count == 1 else 'meetpunten'}; {', '.join(quantities) or '-'}. "
            "Elke waarde draagt kwaliteit, methode en versie; posities zijn afgerond.",
            "nl",
        ),
        "dct:identifier": here,
        "dct:publisher": iri(agent),
        "dct:creator": iri(agent),
        "dcat:contactPoint": iri(contact),
        "dcat:theme": iri(THEME),
        "dct:accessRights": iri(PUBLIC),
        "dct:language": iri(_language(language)),
        "dct:accrualPeriodicity": iri(f"{_EU}frequency/CONT"),
        "dct:license": iri(licence_address(found.licence)),
        "dct:spatial": {"@type": "dct:Location", "dcat:bbox": typed(_box(found.sites), "geo:wktLiteral")},
        "dcat:keyword": [words(name, "en") for name in (found.kind, *quantities)],
        "dcat:landingPage": iri(f"{origin}/"),
        "dcat:distribution": [iri(f"{here}#{form[0]}") for form in forms],
        "dct:relation": [
            iri(f"{origin}/register/{quote(site.site_id, safe='')}.json") for site in found.sites
        ],
    }
    if newest:
        node["dct:modified"] = typed(iso_utc(newest), "xsd:dateTime")
    return [
        node,
        *[
            {
                "@id": f"{here}#{name}",
                "@type": "dcat:Distribution",
                "dct:title": words(f"{title} ({label})", language),
                "dct:description": words(f"{title} als {label}{_MIXED.get(name, '').format(found)}", "nl"),
                "dcat:accessURL": iri(origin + _path(path, name, found)),
                "dct:license": iri(licence_address(found.licence)),
                "dct:format": iri(f"{_EU}file-type/{file_type}"),
                "dcat:mediaType": iri(f"{_IANA}{media}"),
                "dct:rights": {
                    "@type": "dct:RightsStatement",
                    "rdfs:label": f"{found.licence}; {_publisher(settings)}",
                },
            }
            | ({"dcat:accessService": iri(f"{origin}/catalog/service/{name}")} if service else {})
            for name, path, file_type, media, label, service in forms
        ],
        *[
            {
                "@id": f"{origin}/register/{quote(site.site_id, safe='')}.json",
                "@type": ["foaf:Document", "rdfs:Resource"],
                "dct:title": words(site.name or site.site_id, language),
            }
            for site in found.sites
        ],
    ]


def _path(path: str, name: str, found: Dataset) -> str:
    """Return where a distribution is: SensorThings can choose the sites of a dataset by itself."""
    if name != "sensorthings":
        return path
    licence = found.licence.replace("'", "''")
    wanted = f"properties/kind eq '{found.kind}' and properties/licence eq '{licence}'"
    return f"{path}?$filter={quote(wanted, safe='/')}"


def _box(sites: Sequence[PublicSite]) -> str:
    """Return the box around the cells in which sites are, as WKT: a public place is the middle of one.

    So it has an area also where there is one site; a ring without one is no polygon (OGC 06-103r4, 6.1.11).
    """
    edges: list[tuple[float, float, float, float]] = []
    for site in sites:
        north = max(site.precision_m, 10) / 2 / _METRES_A_DEGREE
        east = north / max(0.01, math.cos(math.radians(site.latitude)))
        edges.append(
            (site.longitude - east, site.latitude - north, site.longitude + east, site.latitude + north)
        )
    west, south = (round(min(edge[at] for edge in edges), 6) for at in (0, 1))
    east, north = (round(max(edge[at] for edge in edges), 6) for at in (2, 3))
    return f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"


def _publisher(settings: CatalogSettings) -> str:
    return settings.publisher or settings.title


def _language(language: str) -> str:
    return f"{_EU}language/{LANGUAGES[language]}"


def _agent(agent: str, settings: CatalogSettings) -> Node:
    return {
        "@id": agent,
        "@type": "foaf:Agent",
        "foaf:name": words(_publisher(settings), settings.language),
        "dct:identifier": agent,
    }


def _contact(contact: str, origin: str, settings: CatalogSettings) -> Node:
    node: Node = {
        "@id": contact,
        "@type": "vcard:Kind",
        "vcard:fn": settings.contact or _publisher(settings),
        "vcard:hasURL": iri(settings.contact_url or f"{origin}/"),
    }
    if settings.email:
        node["vcard:hasEmail"] = iri(f"mailto:{settings.email}")
    return node


def _vocabulary(settings: CatalogSettings) -> list[Node]:
    """Return the types of what the catalogue refers to: validators look nowhere else for them."""
    found: list[Node] = [
        {
            "@id": THEME,
            "@type": "skos:Concept",
            "skos:prefLabel": [words("Milieu", "nl"), words("Environment", "en")],
            "skos:inScheme": iri(f"{_EU}data-theme"),
        },
        {
            "@id": f"{_EU}data-theme",
            "@type": "skos:ConceptScheme",
            "dct:title": words("Data theme", "en"),
        },
        {"@id": PUBLIC, "@type": "dct:RightsStatement"},
        {"@id": f"{_EU}frequency/CONT", "@type": "dct:Frequency"},
        {"@id": _language(settings.language), "@type": "dct:LinguisticSystem"},
        {"@id": settings.profile_address, "@type": "dct:Standard"},
        *({"@id": row[3], "@type": "dct:Standard"} for row in _SERVICES),
    ]
    for _, _, file_type, media, _, _ in _FORMS:
        found.append({"@id": f"{_EU}file-type/{file_type}", "@type": "dct:MediaTypeOrExtent"})
        found.append({"@id": f"{_IANA}{media}", "@type": "dct:MediaType"})
    return found
