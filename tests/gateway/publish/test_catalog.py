"""The catalogue against the shapes of DCAT-AP 3.0.1 and DCAT-AP-NL 3.0; register; record of processing.

Shapes: SEMICeu/DCAT-AP 3.0.1 and Geonovum/DCAT-AP-NL30 in the shared vectors, unchanged. pyshacl refuses
counts typed xsd:long, so they are retyped in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.outlets import Surroundings, served
from gateway.publish.catalog import CatalogSettings, catalog_applications, processing_record
from gateway.publish.catalog.dcat import licence_address
from gateway.publish.catalog.processing import outlet_rows
from gateway.publish.catalog.register import REPORT_BEFORE_MS, SCHEMA, changes, report_is_late
from gateway.publish.sensorthings_server import SensorThingsServer, SensorThingsServerSettings
from tests.gateway.house import SetClock, a_site
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.publish.a_store import AStore

rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed: it judges what we write")
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

BASE = "https://meetnet.example"
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
ALL = ("/sta/v1.1", "/ldes", "/metrics")
FULL = {
    "base_url": BASE,
    "title": "Meetnet Stadshagen",
    "publisher": "Gemeente Zwolle",
    "publisher_uri": "https://www.zwolle.nl/",
    "contact": "Team Meetnet",
    "email": "meetnet@zwolle.example",
    "end_date": "2028-12-31",
}


@pytest.fixture
def place(tmp_path: Path) -> AStore:
    sites = [
        a_site("plein-1", "air", longitude=6.0512, latitude=52.5261),
        a_site("kaai-2", "noise", longitude=6.0533, latitude=52.5201, licence="CC0-1.0"),
        a_site("bak-3", "bin", licence="https://stad.example/licentie"),
        a_site("tuin-4", "garden", name='Tuin "van" An\nen \\ Bé'),
    ]
    found = AStore(tmp_path, sites)
    found.fill(12)
    return found


async def fetch(place: AStore, path: str, accept: str = "", **settings: Any) -> httpx.Response:
    served = settings.pop("served", ALL)
    applications = catalog_applications(CatalogSettings(**settings), place.reader, served)
    transport = httpx.ASGITransport(next(iter(applications.values())))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        return await client.get(path, headers={"accept": accept} if accept else {})


async def graph_of(place: AStore, path: str = "/catalog.ttl", **settings: Any) -> Any:
    answer = await fetch(place, path, **settings)
    assert answer.status_code == 200
    form = "turtle" if path.endswith("ttl") else "json-ld"
    return rdflib.Graph().parse(data=answer.text, format=form)


def shapes(shared: Callable[[str], Path], *names: str) -> Any:
    graph = rdflib.Graph()
    for name in names:
        graph.parse(shared(f"vectors/platforms/dcat/{name}"))
    xsd = rdflib.XSD
    for triple in list(graph):
        value = triple[2]
        if isinstance(value, rdflib.Literal) and value.datatype == xsd.long:
            graph.remove(triple)
            graph.add((triple[0], triple[1], rdflib.Literal(str(value), datatype=xsd.integer)))
    return graph


SETS = {"eu": ("eu-3.0.1-shapes.ttl",), "nl": ("nl-dcat-ap-SHACL.ttl", "nl-dcat-ap-nl-SHACL.ttl")}


@pytest.mark.parametrize("profile", list(SETS))
@pytest.mark.parametrize("settings", [{}, FULL], ids=["defaults", "full"])
async def test_the_catalogue_conforms_to_the_shapes(
    place: AStore, shared: Callable[[str], Path], profile: str, settings: dict[str, Any]
) -> None:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed: it runs the shapes")
    graph = await graph_of(place, **settings)
    _, results, text = pyshacl.validate(graph, shacl_graph=shapes(shared, *SETS[profile]), inference="none")
    severity = rdflib.Namespace("http://www.w3.org/ns/shacl#")
    violations = list(results.subjects(severity.resultSeverity, severity.Violation))
    assert violations == [], text
    assert len(list(results.subjects(severity.resultSeverity, severity.Warning))) <= 5, text
    # The judge is awake: without its title every profile objects.
    graph.remove((rdflib.URIRef(f"{BASE}/catalog/air-cc-by-4.0"), DCT.title, None))
    assert not pyshacl.validate(graph, shacl_graph=shapes(shared, *SETS[profile]), inference="none")[0]


async def test_a_data_service_for_each_interface_that_is_on(place: AStore) -> None:
    graph = await graph_of(place, **FULL)
    here = rdflib.URIRef(f"{BASE}/catalog")
    services = {str(graph.value(one, DCAT.endpointURL)): one for one in graph.objects(here, DCAT.service)}
    assert set(services) == {f"{BASE}/sta/v1.1", f"{BASE}/ldes"}
    sta = services[f"{BASE}/sta/v1.1"]
    # The OGC's own name of the standard, as a SensorThings server tells it in its conformance list.
    assert str(graph.value(sta, DCT.conformsTo)) == "http://www.opengis.net/spec/iot_sensing/1.1"
    assert set(graph.objects(sta, DCAT.servesDataset)) == set(graph.objects(here, DCAT.dataset))
    ways = {str(url) for url in graph.objects(None, DCAT.accessURL)}
    assert f"{BASE}/ldes" in ways
    for one in graph.subjects(DCAT.accessService, sta):
        assert (one, rdflib.RDF.type, DCAT.Distribution) in graph
    assert len(list(graph.subjects(DCAT.accessService, sta))) == 4  # one a dataset
    off = await graph_of(place, served=(), **FULL)
    assert list(off.objects(here, DCAT.service)) == []
    assert not [url for url in off.objects(None, DCAT.accessURL) if "/ldes" in url or "/sta/" in url]


async def test_the_way_by_sensorthings_leads_to_the_sites_of_its_dataset_and_to_no_others(
    place: AStore, tmp_path: Path
) -> None:
    graph = await graph_of(place, **FULL)
    server = SensorThingsServer(place.reader, SetClock(NOW_MS), SensorThingsServerSettings(), tmp_path)
    found: dict[str, list[str]] = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url=BASE) as client:
        for dataset in graph.subjects(rdflib.RDF.type, DCAT.Dataset):
            for form in graph.objects(dataset, DCAT.distribution):
                url = str(graph.value(form, DCAT.accessURL))
                if "/sta/" in url:
                    answer = await client.get(url)
                    names = [thing["properties"]["site"] for thing in answer.json()["value"]]
                    found[str(dataset).rsplit("/", 1)[1].split("-")[0]] = names
    assert found == {"air": ["plein-1"], "noise": ["kaai-2"], "bin": ["bak-3"], "garden": ["tuin-4"]}


async def test_the_box_of_one_site_has_an_area_and_holds_the_cell_in_which_it_is(place: AStore) -> None:
    graph = await graph_of(place, **FULL)
    dataset = rdflib.URIRef(f"{BASE}/catalog/air-cc-by-4.0")
    text = str(graph.value(graph.value(dataset, DCT.spatial), DCAT.bbox))
    ring = [tuple(map(float, corner.split())) for corner in text[len("POLYGON((") : -2].split(",")]
    assert len(ring) == 5
    assert ring[0] == ring[-1]
    (west, south), (east, north) = ring[0], ring[2]
    (site,) = [one for one in place.reader.sites() if one.kind == "air"]
    metres = (north - south) * 111_320, (east - west) * 111_320 * math.cos(math.radians(52.5261))
    for side in metres:
        assert side == pytest.approx(site.precision_m, rel=0.01)
    assert (west + east) / 2 == pytest.approx(site.longitude, abs=1e-6)
    assert (south + north) / 2 == pytest.approx(site.latitude, abs=1e-6)


@pytest.mark.parametrize("own", [{}, {"title": "Eigen titel", "base_url": "https://eigen.example"}])
async def test_what_nobody_said_of_the_catalogue_is_as_the_page_has_it(
    place: AStore, tmp_path: Path, own: dict[str, Any]
) -> None:
    config = Config(
        {
            "web.url": "https://meten.stad.example/",
            "web.title": "Meetnet Stad",
            "web.owner": "Gemeente Stad",
            "web.contact": "meten@stad.example",
        },
        {"catalog": own} if own else {},
        tmp_path,
    )
    around = Surroundings(Counters(), tmp_path, SetClock(NOW_MS))
    applications = served(config, lambda _: place.reader, around)
    transport = httpx.ASGITransport(applications["/catalog"])
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        turtle = (await client.get("/catalog.ttl")).text
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(applications["/sta/v1.1"]), base_url="http://127.0.0.1:8080"
    ) as client:
        links = (await client.get("/sta/v1.1")).text
    assert own.get("title", "Meetnet Stad") in turtle
    assert "Gemeente Stad" in turtle
    assert "mailto:meten@stad.example" in turtle
    assert own.get("base_url", "https://meten.stad.example") + "/catalog" in turtle
    assert "https://meten.stad.example/sta/v1.1/Things" in links
    assert "127.0.0.1" not in links + turtle


async def test_both_forms_say_the_same(place: AStore) -> None:
    from rdflib.compare import isomorphic

    one, two = await graph_of(place, **FULL), await graph_of(place, "/catalog.jsonld", **FULL)
    assert isomorphic(one, two)


async def test_a_dataset_for_each_kind_and_licence(place: AStore) -> None:
    graph = await graph_of(place, **FULL)
    found = {
        str(name).rsplit("/", 1)[1]: str(graph.value(name, DCT.license))
        for name in graph.subjects(rdflib.RDF.type, DCAT.Dataset)
    }
    eu = "http://publications.europa.eu/resource/authority/licence/"
    assert found["air-cc-by-4.0"] == eu + "CC_BY_4_0"
    assert found["noise-cc0-1.0"] == eu + "CC0"
    assert len(found) == 4
    for name in graph.subjects(rdflib.RDF.type, DCAT.Distribution):
        assert graph.value(name, DCT.license) is not None
    contact = graph.value(rdflib.URIRef(f"{BASE}/catalog"), DCAT.contactPoint)
    assert (contact, rdflib.URIRef("http://www.w3.org/2006/vcard/ns#hasEmail"), None) in graph


async def test_a_name_with_quotes_and_lines_stays_a_name(place: AStore) -> None:
    graph = await graph_of(place, **FULL)
    assert 'Tuin "van" An\nen \\ Bé' in {str(value) for value in graph.objects(None, DCT.title)}


@pytest.mark.parametrize("profile", ["nl", "eu", "vl"])
async def test_the_profile_is_a_setting(place: AStore, profile: str) -> None:
    settings = CatalogSettings(profile=profile)
    graph = await graph_of(place, profile=profile)
    node = graph.value(predicate=rdflib.RDF.type, object=DCAT.Catalog)
    assert str(graph.value(node, DCT.conformsTo)) == settings.profile_address
    other = await graph_of(place, profile=profile, profile_url="https://profile.example/301")
    assert rdflib.URIRef("https://profile.example/301") in set(other.objects(None, DCT.conformsTo))


async def test_the_media_type_and_what_is_not_there(place: AStore) -> None:
    assert (await fetch(place, "/catalog")).headers["content-type"].startswith("text/turtle")
    json_ld = await fetch(place, "/catalog", "application/ld+json")
    assert json_ld.headers["content-type"].startswith("application/ld+json")
    assert (await fetch(place, "/catalog/none")).status_code == 404
    assert (await fetch(place, "/register/none.json")).status_code == 404
    assert catalog_applications(CatalogSettings(enabled=False), place.reader) == {}


def test_licences_are_addresses() -> None:
    assert licence_address("https://a.example/x y>") == "https://a.example/x%20y%3E"
    assert licence_address("eigen voorwaarden").startswith("urn:")
    assert licence_address("cc-by-4.0").endswith("CC_BY_4_0")


async def test_every_public_sensor_has_a_register_record_of_its_form(place: AStore) -> None:
    records = (await fetch(place, "/register.json", **FULL)).json()
    checker = jsonschema.FormatChecker()
    assert [record["id"] for record in records] == [
        f"{BASE}/register/{name}.json" for name in ("plein-1", "kaai-2", "bak-3", "tuin-4")
    ]
    for record in records:
        jsonschema.Draft202012Validator(SCHEMA, format_checker=checker).validate(record)
        assert record["endDate"] == "2028-12-31"
        assert record["startDate"] == "2025-11-23T18:0" + record["startDate"][15:]
    one = (await fetch(place, "/register/plein-1.json", **FULL)).json()
    assert one in records
    assert (await fetch(place, "/register/schema.json")).json() == SCHEMA
    text = (await fetch(place, "/register.json")).text + (await fetch(place, "/catalog.ttl")).text
    assert "70b3d57ed" not in text
    assert "6.0512" not in text


def test_a_change_of_what_is_collected_must_be_reported() -> None:
    before = {"collected": [{"quantity": "pm10", "unit": "µg/m³"}], "owner": "a"}
    assert changes(before, before) == []
    assert changes(before, {**before, "collected": []}) == ["collected"]


def test_a_report_is_due_five_days_before_placing() -> None:
    assert not report_is_late(NOW_MS + REPORT_BEFORE_MS, NOW_MS)
    assert report_is_late(NOW_MS + REPORT_BEFORE_MS - 1, NOW_MS)


def test_the_record_of_processing_names_every_outlet_and_no_secret() -> None:
    tables = {
        "orion": {"type": "ngsi_ld", "url": "https://user:geheim@orion.example", "token": "ook-geheim"},
        "sensor_community": {},
        "thuis": {"type": "mqtt", "host": "broker.example"},
    }
    rows = outlet_rows(tables, {"sensor_community": "sensor_community"})
    text = processing_record(CatalogSettings(**FULL), rows, 30, {"air": 3, "noise": 1})
    for name in tables:
        assert f"| {name} |" in text
    assert "https://orion.example" in text
    assert "geheim" not in text
    assert "30 dagen" in text
    assert "Gemeente Zwolle" in text


@pytest.mark.parametrize(
    "settings",
    [{"profile": "be"}, {"email": "x"}, {"end_date": "morgen"}, {"base_url": "x"}, {"language": "de"},
     {"contact_url": "ftp://x"}],
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        CatalogSettings(**settings)
    assert f"publish.catalog.{next(iter(settings))}" in str(caught.value)
