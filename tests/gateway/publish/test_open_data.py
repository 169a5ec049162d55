"""What a running gateway shows the world by itself: it answers, and gives nobody away (P1, P2, P8)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.counters import Counters
from gateway.publish.files import FilesPublisher, FilesSettings
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.publish.ngsi_v2 import NgsiV2Publisher, NgsiV2Settings
from gateway.registry import Registry
from gateway.store import SqlitePublicReader
from tests.gateway.house import AIR, T0_MS, SetClock, a_record, a_site, an_uplink, fill_registry
from tests.gateway.publish.a_store import AStore
from tests.gateway.test_app import get, running

SECRETS = (AIR, "70B3D57ED", "4.899431", "52.379189")
PATHS = {
    "/ldes": "text/turtle",
    "/ldes/page/0": "text/turtle",
    "/ldes/observation/64": "text/turtle",
    "/ldes/site/plein-1": "text/turtle",
    "/ldes/properties": "text/turtle",
    "/ldes/procedures": "text/turtle",
    "/catalog": "text/turtle",
    "/catalog.ttl": "text/turtle",
    "/catalog.jsonld": "application/ld+json",
    "/register.json": "application/json",
    "/register/plein-1.json": "application/json",
    "/register/schema.json": "application/json",
    "/codec/meetnet-ts013.js": "text/javascript",
    "/api/observations.csv-metadata.json": "application/csvm+json",
}


async def test_open_data_is_there_without_being_asked_for_and_names_no_device(tmp_path: Path) -> None:
    async with running(tmp_path, SetClock(T0_MS + 60_000)) as gateway:
        fill_registry(gateway.registry)
        await gateway.log.accept(an_uplink(a_record(1, temperature=20.0, pm2_5=7.5)))
        await gateway.drained()
        for path, media in PATHS.items():
            answer = await get(gateway, path)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["content-type"].startswith(media), path
            assert not [secret for secret in SECRETS if secret.lower() in answer.text.lower()], path
        assert "7.5" in (await get(gateway, "/ldes/page/0")).text
        assert "air-cc-by-4.0" in (await get(gateway, "/catalog.ttl")).text


@pytest.fixture
def place(tmp_path: Path) -> AStore:
    found = AStore(tmp_path, [a_site("plein-1", "air"), a_site("kaai-2", "air", precision_m=1000)])
    found.fill(20, T0_MS)
    return found


async def test_no_publisher_shows_a_device_or_the_true_position(place: AStore, tmp_path: Path) -> None:
    rows = place.reader.after(0, 1000)
    texts: list[str] = []
    for parcel in (
        NgsiLdPublisher(NgsiLdSettings(url="http://b"), Counters()).pack(rows, place.reader).parcels
    ):
        texts += [item.text for item in parcel.content.items]
    for parcel in (
        NgsiV2Publisher(NgsiV2Settings(url="http://b"), Counters()).pack(rows, place.reader).parcels
    ):
        texts += [item.text for item in parcel.content]
    settings = FilesSettings(folder=str(tmp_path / "dumps"))
    dumps = FilesPublisher(settings, SetClock(T0_MS + 2 * 86_400_000))
    for parcel in dumps.pack(rows, place.reader).parcels:
        await dumps.send(parcel, 0)
    files = list((tmp_path / "dumps").glob("meetnet-*"))
    assert len(files) >= 3
    texts += [path.read_text("utf-8") for path in files]
    for text in texts:
        assert not [secret for secret in (*SECRETS, "70b3d57ed") if secret.lower() in text.lower()]


def test_a_thousand_reads_give_one_point(place: AStore) -> None:
    """P1: drawn anew each time, positions would average out to the true one."""
    points = {(site.longitude, site.latitude) for _ in range(1000) for site in place.reader.places()}
    assert len(points) == 2


def test_a_site_without_consent_is_in_no_file_and_no_stream(place: AStore, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for site in place.public:
        registry.put_site(site)
    registry.consent("kaai-2")
    reader = SqlitePublicReader(place.store, lambda: registry.consenting_sites("public", T0_MS))
    packed = NgsiLdPublisher(NgsiLdSettings(url="http://b"), Counters()).pack(reader.after(0, 1000), reader)
    ids = {item.id for parcel in packed.parcels for item in parcel.content.items}
    assert ids
    assert not [name for name in ids if "plein-1" in name]
    assert "plein-1" not in json.dumps([site.site_id for site in reader.places()])
    assert {row.site_id for row in reader.stretch(0, 10**9)} == {"kaai-2"}
    registry.close()
