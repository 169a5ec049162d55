"""A site that is renamed, moved, licensed otherwise or withdrawn: every platform hears of it at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.app import Gateway
from gateway.config import Config
from gateway.counters import Counters
from gateway.model import PublicReader, PublicSite
from gateway.publish import FileSideList, Follower, News, Outcome, Packed, Parcel, Rejection, SiteBook
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.mqtt import MqttPublisher, MqttPublisherSettings
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from gateway.publish.ngsi_v2 import NgsiV2Publisher, NgsiV2Settings
from gateway.publish.sensorthings import SensorThingsPublisher, SensorThingsSettings
from gateway.publish.webhook import WebhookPublisher, WebhookSettings
from gateway.registry import Registry
from tests.gateway.house import AIR, T0_MS, SetClock, a_record, an_uplink, fill_registry
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader
from tests.gateway.publish.conftest import MemoryPositions, until


class Street(MemoryReader):
    """A reader whose withdrawn sites are in no answer, as in the real one."""

    def latest(self) -> Any:
        return [row for row in super().latest() if row.site_id in self.registered]

    def after(self, position: int, limit: int) -> Any:
        return [row for row in super().after(position, limit) if row.site_id in self.registered]


class Teller:
    """A publisher that notes what it is told, and fails when asked to."""

    name = "teller"

    def __init__(self) -> None:
        self.told: list[News] = []
        self.sent: list[Any] = []
        self.is_away = False

    def pack(self, rows: Sequence[Any], reader: PublicReader) -> Packed:
        return Packed([Parcel(tuple(rows), "values")])

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        return [Parcel((), news)]

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        if self.is_away and isinstance(parcel.content, News):
            return Outcome((), parcel, "away")
        self.sent.append(parcel.content)
        return Outcome()

    async def close(self) -> None:
        return None


def a_street() -> Street:
    reader = Street()
    reader.add_site("plein", "air", "Plein")
    reader.add_site("kaai", "air", "Kaai")
    reader.add("plein", "pm2_5", "ug/m3", 7.5)
    return reader


def rename(reader: Street, site_id: str, **changes: Any) -> None:
    reader.registered[site_id] = msgspec.structs.replace(reader.registered[site_id], **changes)


def follow(publisher: Any, reader: Street, path: Path, positions: Any = None) -> Follower:
    book = SiteBook(path / "sites.json")
    return Follower(
        publisher, reader, positions or MemoryPositions(), FileSideList(path), Counters(), book=book
    )


async def test_what_a_platform_has_is_told_when_it_changes_and_only_then(tmp_path: Path) -> None:
    reader, teller, positions = a_street(), Teller(), MemoryPositions()
    one = follow(teller, reader, tmp_path, positions)
    await one.step()
    await one.step()
    assert teller.sent == ["values"]  # new sites tell themselves with their first value
    rename(reader, "plein", name="Grote Plein", longitude=3.73)
    rename(reader, "kaai", name="Nooit verzonden")
    await one.step()
    (_, news) = teller.sent
    assert [site.name for site in news.changed] == ["Grote Plein"]
    assert not news.gone
    # after a restart it is not told again; another change is
    again = follow(teller, reader, tmp_path, positions)
    await again.step()
    assert len(teller.sent) == 2
    for field, value in (("licence", "CC0-1.0"), ("precision_m", 500), ("latitude", 51.06)):
        rename(reader, "plein", **{field: value})
        await again.step()
        assert getattr(teller.sent[-1].changed[0], field) == value
    del reader.registered["plein"]
    await again.step()
    assert teller.sent[-1].gone["plein"].quantities == ("pm2_5",)
    await again.step()
    assert len(teller.sent) == 6


async def test_news_that_fails_comes_again_and_holds_up_no_value(tmp_path: Path) -> None:
    reader, teller = a_street(), Teller()
    one = follow(teller, reader, tmp_path)
    await one.step()
    teller.is_away = True
    rename(reader, "plein", name="Anders")
    reader.add("plein", "pm2_5", "ug/m3", 8.5, NOW_MS + 1000)
    await one.step()
    assert teller.sent == ["values", "values"]
    teller.is_away = False
    task = asyncio.create_task(one.run())
    await until(lambda: len(teller.sent) == 3)  # a second later, by itself
    task.cancel()
    assert [site.name for site in teller.sent[2].changed] == ["Anders"]


async def test_a_platform_that_was_fed_before_there_was_a_book_is_not_flooded(tmp_path: Path) -> None:
    reader, teller, positions = a_street(), Teller(), MemoryPositions()
    positions.saved["teller"] = 1
    one = follow(teller, reader, tmp_path, positions)
    await one.step()
    assert teller.sent == []
    rename(reader, "plein", name="Anders")
    await one.step()
    assert len(teller.sent) == 1


class Wire:
    """An HTTP platform that takes everything and keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        path = request.url.raw_path.decode().split("?")[0]
        self.heard.append((request.method, path, body))
        if request.method == "GET":
            return httpx.Response(200, json={"value": []})
        if path.endswith("CreateObservations"):
            return httpx.Response(
                201, json=["http://x/Observations(1)" for a in body for _ in a["dataArray"]]
            )
        if "/v1.1/" in path:
            return httpx.Response(201, json={"@iot.id": len(self.heard)})
        return httpx.Response(204)


async def changed_and_gone(publisher: Any, wire: Wire, path: Path) -> tuple[list[Any], list[Any]]:
    """Return what a platform hears when a site is moved, and when it is withdrawn."""
    reader = a_street()
    one = follow(publisher, reader, path)
    await one.step()
    assert wire.heard
    wire.heard.clear()
    rename(reader, "plein", name="Grote Plein", longitude=3.7345, latitude=51.0567)
    await one.step()
    moved = list(wire.heard)
    wire.heard.clear()
    del reader.registered["plein"]
    await one.step()
    assert await one.step() == 0
    await publisher.close()
    return moved, list(wire.heard)


async def test_ngsi_ld_entities_follow_their_site(tmp_path: Path) -> None:
    wire = Wire()
    settings = NgsiLdSettings("http://broker", withdrawn="delete")
    moved, gone = await changed_and_gone(
        NgsiLdPublisher(settings, Counters(), wire.transport), wire, tmp_path
    )
    assert [path for _, path, _ in moved] == ["/ngsi-ld/v1/entityOperations/upsert"] * 2
    for _, _, (entity,) in moved:
        assert entity["location"]["value"]["coordinates"] == [3.7345, 51.0567]
        assert entity["name"]["value"] == "Grote Plein"
        # A value that is sent again would stand twice in the broker's history (Orion-LD 1518).
        assert not {"pm25", "dateObserved"} & entity.keys()
    assert [body[0]["type"] for _, _, body in moved] == ["AirQualityObserved", "Device"]
    names = ["urn:ngsi-ld:AirQualityObserved:meetnet:plein", "urn:ngsi-ld:Device:meetnet:plein"]
    assert gone == [("POST", "/ngsi-ld/v1/entityOperations/delete", names)]


async def test_ngsi_ld_keeps_withdrawn_entities_unless_told_otherwise(tmp_path: Path) -> None:
    wire = Wire()
    publisher = NgsiLdPublisher(NgsiLdSettings("http://broker"), Counters(), wire.transport)
    assert (await changed_and_gone(publisher, wire, tmp_path))[1] == []


async def test_ngsi_v2_entities_follow_their_site(tmp_path: Path) -> None:
    wire = Wire()
    publisher = NgsiV2Publisher(NgsiV2Settings("http://broker"), Counters(), wire.transport)
    (((_, _, body),), gone) = await changed_and_gone(publisher, wire, tmp_path)
    (entity,) = body["entities"]
    assert entity["location"]["value"]["coordinates"] == [3.7345, 51.0567]
    assert "pm25" not in entity
    assert gone == []


async def test_things_at_a_sensorthings_server_follow_their_site(tmp_path: Path) -> None:
    wire = Wire()
    publisher = SensorThingsPublisher(
        SensorThingsSettings("http://sta/v1.1"), Counters(), tmp_path, wire.transport
    )
    moved, gone = await changed_and_gone(publisher, wire, tmp_path)
    posted = [(path, body) for method, path, body in moved if method == "POST"]
    ((path, place),) = posted
    assert path == "/v1.1/Locations"
    assert place["location"]["coordinates"] == [3.7345, 51.0567]
    thing, series = [body for method, _, body in moved if method == "PATCH"]
    assert thing["description"] == "Grote Plein"
    assert "Grote Plein" in series["description"]
    assert gone == []
    assert "plein" not in (tmp_path / "sensorthings.entities.json").read_text()
    assert "plein" not in (tmp_path / "sites.json").read_text()


async def test_webhooks_hear_of_changed_and_withdrawn_sites(tmp_path: Path) -> None:
    wire = Wire()
    settings = WebhookSettings("http://hook", secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    publisher = WebhookPublisher(settings, Counters(), FixedClock(), wire.transport)
    ((_, _, moved),), ((_, _, gone),) = await changed_and_gone(publisher, wire, tmp_path)
    assert moved["type"] == gone["type"] == "sites"
    assert moved["data"]["changed"][0]["longitude"] == 3.7345
    assert gone["data"] == {"changed": [], "gone": ["plein"]}


class Link:
    """In place of a broker: what is retained there."""

    def __init__(self, publisher: Any) -> None:
        self.retained: dict[str, bytes] = {}
        publisher._link = self

    async def publish(self, messages: Any) -> str:
        for message in messages:
            assert message.retain
            self.retained[message.topic] = message.payload
            if not message.payload:
                del self.retained[message.topic]
        return ""

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("kind", ["mqtt", "home_assistant"])
async def test_nothing_of_a_withdrawn_site_stays_retained(tmp_path: Path, kind: str) -> None:
    publisher: Any = (
        MqttPublisher(MqttPublisherSettings(), Counters())
        if kind == "mqtt"
        else HomeAssistantPublisher(HomeAssistantSettings(), Counters())
    )
    link, reader = Link(publisher), a_street()
    one = follow(publisher, reader, tmp_path)
    await one.step()
    assert any("plein" in topic for topic in link.retained)
    rename(reader, "plein", name="Grote Plein")
    await one.step()
    assert any(b"Grote Plein" in content for content in link.retained.values())
    del reader.registered["plein"]
    await one.step()
    assert link.retained == {}


async def test_a_running_gateway_notices_what_another_process_changes(tmp_path: Path) -> None:
    teller = Teller()
    config = Config(
        {"data.directory": str(tmp_path), "web.enabled": False, "broker.port": 0, "semtech_udp.port": 0},
        {},
        tmp_path,
    )
    gateway = Gateway(config, SetClock(T0_MS + 60_000), [teller])
    await gateway.start()
    try:
        fill_registry(gateway.registry)
        await gateway.log.accept(an_uplink(a_record(1, T0_MS, pm2_5=8.5), dev_eui=AIR, f_cnt=1))
        await until(lambda: "values" in teller.sent)
        other = Registry(tmp_path)
        site = other.site("plein-1")
        assert site is not None
        other.put_site(replace(site, name="Herdoopt", longitude=site.longitude + 0.01))
        await until(lambda: len(teller.sent) == 2)
        (changed,) = teller.sent[1].changed
        assert isinstance(changed, PublicSite)
        assert changed.name == "Herdoopt"
        other.withdraw("plein-1", "public", T0_MS)
        await until(lambda: len(teller.sent) == 3)
        assert list(teller.sent[2].gone) == ["plein-1"]
        other.close()
    finally:
        await gateway.stop()


def test_a_site_that_is_erased_is_on_no_side_list(tmp_path: Path) -> None:
    reader, side = a_street(), FileSideList(tmp_path)
    other = reader.add("kaai", "pm2_5", "ug/m3", 8.5)
    for name in ("one", "two"):
        side.add(name, [Rejection(reader.rows[0], "because"), Rejection(other, "because")])
    assert side.forget_site("plein") == 2
    assert [one.row.site_id for name in ("one", "two") for one in side.read(name)] == ["kaai", "kaai"]
    assert b"plein" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
