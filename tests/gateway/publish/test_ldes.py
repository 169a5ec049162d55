"""The event stream against rdflib: what the LDES and TREE specifications ask of a server.

Sources: LDES server primer (one view, retention policy on the root, timestamps never fall, bounding
relations, ETag, immutable, 410, 429), the vocabularies in the shared vectors; SOSA/SSN 2023.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import ConfigError
from gateway.publish.ldes import LdesServer, LdesSettings
from gateway.publish.ldes.index import FANOUT, PageIndex
from gateway.publish.ldes.server import negotiate
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, FixedClock
from tests.gateway.publish.a_store import AStore

rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed: it judges what we write")

# rdflib reads JSON-LD through a class that it calls deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

LDES = rdflib.Namespace("https://w3id.org/ldes#")
TREE = rdflib.Namespace("https://w3id.org/tree#")
SOSA = rdflib.Namespace("http://www.w3.org/ns/sosa/")
PROV = rdflib.Namespace("http://www.w3.org/ns/prov#")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
MN = rdflib.Namespace("urn:x-meetnet:def:")
BASE = "http://stad.example"
STREAM = rdflib.URIRef(BASE + "/ldes#stream")
SMALL = 640  # positions a page: ten records


class Visit:
    def __init__(self, place: AStore, folder: Path, clock: FixedClock | None = None, **settings: Any) -> None:
        self.place = place
        settings = {"page_positions": SMALL, **settings}
        self.server = LdesServer(
            place.reader, clock or FixedClock(), LdesSettings(**settings), folder / "publish"
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.server), base_url=BASE)  # type: ignore[arg-type]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={name.replace("_", "-"): v for name, v in headers.items()})

    async def graph(self, path: str, accept: str = "text/turtle") -> Any:
        answer = await self.get(path, accept=accept)
        assert answer.status_code == 200, answer.text
        form = "turtle" if accept == "text/turtle" else "json-ld"
        return rdflib.Graph().parse(data=answer.text, format=form, publicID=BASE + path)

    async def everything(self) -> dict[str, list[Any]]:
        """Follow every relation from the root; return members by page address."""
        found: dict[str, list[Any]] = {}
        waiting = ["/ldes"]
        while waiting:
            path = waiting.pop()
            graph = await self.graph(path)
            found[path] = list(graph.objects(STREAM, TREE.member))
            for link in set(graph.objects(None, TREE.node)):
                address = str(link).removeprefix(BASE)
                if address not in found and address not in waiting:
                    waiting.append(address)
        return found


@pytest.fixture
def place(tmp_path: Path) -> AStore:
    return AStore(tmp_path)


@pytest.fixture
async def visit(place: AStore, tmp_path: Path) -> AsyncIterator[Visit]:
    yield Visit(place, tmp_path)


async def test_the_root_says_what_the_stream_is(visit: Visit) -> None:
    visit.place.fill(5)
    graph = await visit.graph("/ldes")
    assert list(graph.objects(STREAM, TREE.view)) == [rdflib.URIRef(BASE + "/ldes")]
    assert graph.value(STREAM, LDES.timestampPath) == PROV.generatedAtTime
    assert graph.value(STREAM, LDES.versionTimestampPath) == SOSA.resultTime
    assert graph.value(STREAM, LDES.versionOfPath) == DCT.isVersionOf
    assert len(list(graph.objects(rdflib.URIRef(BASE + "/ldes"), LDES.retentionPolicy))) == 1


async def test_every_term_of_ldes_and_tree_is_in_their_vocabularies(
    visit: Visit, shared: Callable[[str], Path]
) -> None:
    visit.place.fill(25)
    for name, space in (("ldes", LDES), ("tree", TREE)):
        known = rdflib.Graph().parse(shared(f"vectors/platforms/ldes/{name}-vocabulary.ttl"))
        terms = {str(term) for term in known.subjects()}
        for path in ("/ldes", "/ldes/page/0", "/ldes/page/2"):
            for triple in await visit.graph(path):
                for term in triple:
                    assert not str(term).startswith(str(space)) or str(term) in terms, term


async def test_every_observation_with_a_value_is_a_member_once(visit: Visit) -> None:
    visit.place.fill(47)
    visit.place.add("plein-1", NOW_MS, value=None)
    found = await visit.everything()
    members = [member for page in found.values() for member in page]
    assert len(members) == len(set(members)) == 47 * 3


@pytest.mark.parametrize("path", ["/ldes", "/ldes/page/0", "/ldes/page/4", "/ldes/observation/65",
                                  "/ldes/site/plein-1", "/ldes/properties", "/ldes/procedures"])  # fmt: skip
async def test_turtle_and_json_ld_say_the_same(visit: Visit, path: str) -> None:
    from rdflib.compare import isomorphic

    visit.place.fill(47)
    visit.place.add("kaai-2", flags=("range", "step"), method="koehler")
    one, two = await visit.graph(path), await visit.graph(path, "application/ld+json")
    assert len(one) > 1
    assert isomorphic(one, two)


async def test_a_member_says_everything_about_its_value(visit: Visit) -> None:
    visit.place.add("plein-1", NOW_MS, flags=("range",), value=8.25)
    graph = await visit.graph("/ldes/page/0")
    member = rdflib.URIRef(BASE + "/ldes/observation/65")  # record 1, second value: pm2_5
    assert (member, rdflib.RDF.type, SOSA.Observation) in graph
    assert graph.value(member, SOSA.hasSimpleResult).toPython() == 8.25
    assert graph.value(member, SOSA.resultTime).toPython().isoformat() == "2025-11-23T18:00:00+00:00"
    assert (
        graph.value(member, PROV.generatedAtTime).toPython().isoformat() == "2025-11-23T18:00:01.500000+00:00"
    )
    assert str(graph.value(member, DCT.isVersionOf)) == BASE + "/ldes/site/plein-1#pm2_5"
    assert str(graph.value(member, MN.quality)) == "doubtful"
    assert str(graph.value(member, MN.qualityFlag)) == "range"
    assert str(graph.value(member, DCT.license)) == "CC-BY-4.0"
    for predicate in (SOSA.observedProperty, SOSA.hasFeatureOfInterest, SOSA.usedProcedure):
        target = str(graph.value(member, predicate)).removeprefix(BASE)
        described = await visit.graph(target.split("#")[0])
        assert (rdflib.URIRef(BASE + target), None, None) in described, target


async def test_every_member_has_its_own_shape(visit: Visit) -> None:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed: it runs the shape")
    visit.place.fill(6)
    visit.place.add("kaai-2", flags=("range", "step"), method="koehler", value=-0.0)
    shape = rdflib.Graph().parse(Path(__file__).with_name("observation-shape.ttl"))
    for accept in ("text/turtle", "application/ld+json"):
        graph = await visit.graph("/ldes/page/0", accept)
        conforms, _, text = pyshacl.validate(graph, shacl_graph=shape, inference="none")
        assert conforms, text
    graph.remove((None, MN.quality, None))
    assert not pyshacl.validate(graph, shacl_graph=shape, inference="none")[0]


async def test_timestamps_never_fall_and_late_data_goes_to_the_newest_page(visit: Visit) -> None:
    place = visit.place
    for number in range(23):
        # Reception times jump back, observation times are older still: a clock set back, a back-fill.
        received = NOW_MS + number * 1000 - (5_000_000 if number % 7 == 3 else 0)
        place.add("plein-1", NOW_MS - 86_400_000 * (number % 5), received)
    closed = {page: await visit.get(f"/ldes/page/{page}") for page in (0, 1)}
    newest = ""
    pages = sorted(path for path in await visit.everything() if "/page/" in path)
    for path in pages:
        graph = await visit.graph(path)
        times = [
            str(graph.value(rdflib.URIRef(f"{BASE}/ldes/observation/{position}"), PROV.generatedAtTime))
            for position in sorted(int(str(m).rsplit("/", 1)[1]) for m in graph.objects(STREAM, TREE.member))
        ]
        assert times == sorted(times)
        assert times[0] >= newest
        newest = times[-1]
    place.add("plein-1", NOW_MS - 90 * 86_400_000, NOW_MS + 60_000)
    for page, before in closed.items():
        assert (await visit.get(f"/ldes/page/{page}")).content == before.content
    graph = await visit.graph("/ldes/page/2")
    assert len(list(graph.objects(STREAM, TREE.member))) == 5 * 3


async def test_relations_bound_what_is_behind_them(visit: Visit) -> None:
    visit.place.fill(10 * (FANOUT + 3) + 4)
    waiting = ["/ldes"]
    seen = 0
    while waiting:
        path = waiting.pop()
        graph = await visit.graph(path)
        here = rdflib.URIRef(BASE + path)
        by_node: dict[Any, dict[str, Any]] = {}
        for relation in graph.objects(here, TREE.relation):
            node = graph.value(relation, TREE.node)
            kind = str(graph.value(relation, rdflib.RDF.type)).rsplit("#", 1)[1]
            assert graph.value(relation, TREE.path) == PROV.generatedAtTime
            by_node.setdefault(node, {})[kind] = graph.value(relation, TREE.value).toPython()
        for node, limits in by_node.items():
            behind = await visit.graph(str(node).removeprefix(BASE))
            times = [time.toPython() for time in behind.objects(None, PROV.generatedAtTime)]
            for time in times:
                assert time >= limits["GreaterThanOrEqualToRelation"]
                assert time <= limits.get("LessThanOrEqualToRelation", time)
            is_open = not (behind.value(node, LDES.immutable))
            assert ("LessThanOrEqualToRelation" in limits) != is_open
            seen += len(times)
            waiting.append(str(node).removeprefix(BASE))
    assert seen == 3 * (10 * (FANOUT + 3) + 4)


async def test_the_root_stays_short_however_long_the_history(tmp_path: Path) -> None:
    class Long:
        """Three million records without storing them: what the index asks is arithmetic here."""

        def places(self) -> Any:
            return []

        def newest_position(self) -> int:
            return 3_000_000 * 64

        def stretch(self, first: int, end: int) -> Any:
            return []

        def arrivals(self, first: int, end: int) -> Any:
            return [(first, first)]

    index = PageIndex(tmp_path / "x.db", Long(), 6400)
    blocks = index.blocks(0, index.open_page())
    assert index.open_page() == 30_000
    assert len(blocks) < 4 * FANOUT
    covered = sum(FANOUT**block.level for block in blocks)
    assert covered == 30_001


async def test_a_closed_page_is_immutable_and_an_open_one_says_when_it_changed(visit: Visit) -> None:
    visit.place.fill(15)
    closed = await visit.get("/ldes/page/0")
    assert "immutable" in closed.headers["cache-control"]
    assert (await visit.get("/ldes/page/0", if_none_match=closed.headers["etag"])).status_code == 304
    opened = await visit.get("/ldes/page/1")
    root = await visit.get("/ldes")
    for answer, path in ((opened, "/ldes/page/1"), (root, "/ldes")):
        assert "immutable" not in answer.headers["cache-control"]
        assert (await visit.get(path, if_none_match=answer.headers["etag"])).status_code == 304
    visit.place.fill(1)
    assert (await visit.get("/ldes/page/1", if_none_match=opened.headers["etag"])).status_code == 200
    assert (await visit.get("/ldes/page/0", if_none_match=closed.headers["etag"])).status_code == 304
    other = await visit.get("/ldes/page/0", accept="application/ld+json")
    assert other.headers["etag"] != closed.headers["etag"]
    assert other.headers["vary"] == "Accept"


async def test_what_is_older_than_the_retention_is_gone(place: AStore, tmp_path: Path) -> None:
    place.fill(30, step_ms=3_600_000)
    clock = FixedClock(NOW_MS)
    visit = Visit(place, tmp_path, clock, retention_days=1)
    assert len(await visit.everything()) == 1 + 4
    clock.time_ms = NOW_MS + 36 * 3_600_000
    assert (await visit.get("/ldes/page/0")).status_code == 410
    assert (await visit.get("/ldes/observation/65")).status_code == 410
    found = await visit.everything()
    assert "/ldes/page/0" not in found
    assert "/ldes/page/2" in found
    graph = await visit.graph("/ldes")
    policy = graph.value(rdflib.URIRef(BASE + "/ldes"), LDES.retentionPolicy)
    assert str(graph.value(policy, LDES.fullLogDuration)) == "P1D"


async def test_a_withdrawn_consent_empties_what_was_published(visit: Visit) -> None:
    visit.place.fill(24)
    before = await visit.get("/ldes/page/0")
    member = "/ldes/observation/65"
    assert (await visit.get(member)).status_code == 200
    assert "plein-1" in before.text
    visit.place.public = [site for site in visit.place.public if site.id != "plein-1"]
    after = await visit.get("/ldes/page/0", if_none_match=before.headers["etag"])
    assert after.status_code == 200
    assert "plein-1" not in after.text
    assert (await visit.get(member)).status_code == 410
    assert (await visit.get("/ldes/site/plein-1")).status_code == 404


async def test_nothing_names_a_device_or_the_true_position(visit: Visit) -> None:
    visit.place.fill(12)
    for path in ("/ldes", "/ldes/page/0", "/ldes/page/1", "/ldes/site/plein-1", "/ldes/observation/65"):
        for accept in ("text/turtle", "application/ld+json"):
            text = (await visit.get(path, accept=accept)).text
            assert "70b3d57ed" not in text.lower()
            assert "3.7211" not in text
            assert "51.0512" not in text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/ldes/page/99", 404), ("/ldes/page/x", 404), ("/ldes/page/-1", 404), ("/ldes/node/1-0", 404),
     ("/ldes/observation/99999999", 404), ("/ldes/nothing", 404), ("/ldes/site/none", 404),
     ("/ldes/page/" + "9" * 30, 404)],
)  # fmt: skip
async def test_what_is_not_there_says_so(visit: Visit, path: str, status: int) -> None:
    visit.place.fill(3)
    answer = await visit.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")


async def test_too_many_readers_at_once_get_429(place: AStore, tmp_path: Path) -> None:
    import asyncio

    place.fill(15)
    visit = Visit(place, tmp_path, most_at_once=2)
    answers = await asyncio.gather(*(visit.get("/ldes/page/0") for _ in range(12)))
    codes = sorted(answer.status_code for answer in answers)
    assert set(codes) == {200, 429}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 429)
    assert (await visit.get("/ldes/page/0")).status_code == 200


async def test_only_reading_and_only_two_formats(visit: Visit) -> None:
    assert (await visit.client.post("/ldes")).status_code == 405
    assert (await visit.get("/ldes", accept="image/png")).status_code == 406
    assert (await visit.client.head("/ldes")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "text/turtle"),
        ("*/*", "text/turtle"),
        ("application/ld+json", "application/ld+json"),
        ("text/turtle;q=0.2, application/ld+json;q=0.9", "application/ld+json"),
        ("application/n-quads,text/turtle;q=0.5,*/*;q=0.1", "text/turtle"),
        ("image/png", None),
        ("text/turtle;q=x", None),
    ],
)
def test_the_media_type_follows_accept(accept: str, media: str | None) -> None:
    assert negotiate(accept) == media


async def test_the_index_survives_a_restart_and_another_store(place: AStore, tmp_path: Path) -> None:
    place.fill(35)
    first = Visit(place, tmp_path)
    before = await first.get("/ldes/page/1")
    first.server.close()
    again = Visit(place, tmp_path)
    assert (await again.get("/ldes/page/1")).content == before.content
    again.server.close()
    (tmp_path / "two").mkdir()
    other = AStore(tmp_path / "two")
    other.fill(12, NOW_MS + MINUTE_MS)
    moved = Visit(other, tmp_path)
    assert (await moved.get("/ldes/page/2")).status_code == 404
    assert len(await moved.everything()) == 1 + 2
    moved.server.close()
    (tmp_path / "three").mkdir()
    longer = AStore(tmp_path / "three")
    longer.fill(45, NOW_MS + 7 * MINUTE_MS)  # computed again: as many pages and more, other times
    again = Visit(longer, tmp_path)
    for page in range(4):
        graph = await again.graph(f"/ldes/page/{page}")
        root = await again.graph("/ldes")
        node = rdflib.URIRef(f"{BASE}/ldes/page/{page}")
        (low,) = [
            root.value(relation, TREE.value)
            for relation in root.subjects(TREE.node, node)
            if (relation, rdflib.RDF.type, TREE.GreaterThanOrEqualToRelation) in root
        ]
        assert low == min(graph.objects(None, PROV.generatedAtTime))


@pytest.mark.parametrize(
    "settings",
    [{"base_url": "x"}, {"base_url": "http://a/b"}, {"retention_days": -1}, {"page_positions": 100},
     {"polling_s": 0}, {"most_at_once": 0}],
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        LdesSettings(**settings)
    assert f"publish.ldes.{next(iter(settings))}" in str(caught.value)


def test_settings_are_plain() -> None:
    assert replace(LdesSettings(), retention_days=3).retention_days == 3
