"""The publisher against a sink on loopback that behaves as a broker, good days and bad ones.

Answers and traps: ETSI GS CIM 009; Orion-LD issues 658/1963 (batch with one entity twice), 1518 (repeated
observedAt), 385 (content type against @context), iotagent-node-lib 888 (upsert replaces by default).
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.exports import iso_utc
from gateway.publish import Backoff, FileSideList, Follower
from gateway.publish.ngsi_ld import NgsiLdPublisher, NgsiLdSettings
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, MemoryReader
from tests.gateway.publish.broker import Broker, problem
from tests.gateway.publish.conftest import MemoryPositions, until

FAST = Backoff(first_s=0.002, most_s=0.01)
AIR = "urn:ngsi-ld:AirQualityObserved:meetnet:"


def follower(
    broker: Broker, reader: MemoryReader, positions: MemoryPositions, folder: Path, **settings: object
) -> Follower:
    counters = Counters()
    settings = {"devices": False, **settings}
    publisher = NgsiLdPublisher(NgsiLdSettings(url=broker.url, **settings), counters)  # type: ignore[arg-type]
    return Follower(
        publisher, reader, positions, FileSideList(folder), counters, backoff=FAST, dice=random.Random(1),
        save_s=0.0,
    )  # fmt: skip


async def drain(following: Follower) -> None:
    while await following.step():
        pass
    await following._publisher.close()


def day(sites: int = 3, records: int = 20) -> MemoryReader:
    reader = MemoryReader()
    for number in range(sites):
        reader.add_site(f"lucht-{number}", "air")
    for i in range(records):
        for number in range(sites):
            reader.add(f"lucht-{number}", "pm2_5", "ug/m3", i + number / 10, NOW_MS + i * MINUTE_MS)
    return reader


def everything(reader: MemoryReader) -> list[tuple[str, str, str, float | None]]:
    return sorted((AIR + row.site_id, "pm25", iso_utc(row.observed_at_ms), row.value) for row in reader.rows)


def in_time_order(broker: Broker) -> bool:
    seen: dict[str, str] = {}
    for entity, _, moment, _ in broker.history:
        if moment < seen.get(entity, ""):
            return False
        seen[entity] = moment
    return True


async def test_a_backlog_arrives_whole_in_time_order_each_value_once(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day()
    await drain(follower(broker, reader, positions, tmp_path))
    assert sorted(broker.history) == everything(reader)
    assert in_time_order(broker)
    assert positions.saved == {"ngsi_ld": len(reader.rows)}


async def test_no_batch_names_an_entity_twice(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    await drain(follower(broker, day(sites=5), positions, tmp_path, max_entities=3))
    for _, _, body in broker.requests:
        ids = [entity["id"] for entity in body]
        assert len(ids) == len(set(ids)) <= 3


async def test_both_encodings_are_taken(broker: Broker, positions: MemoryPositions, tmp_path: Path) -> None:
    reader = day(records=1)
    await drain(follower(broker, reader, positions, tmp_path, name="one"))
    _, headers, body = broker.requests[-1]
    assert headers["content-type"] == "application/ld+json"
    assert "link" not in headers
    assert all("@context" in entity for entity in body)
    await drain(
        follower(
            broker, reader, positions, tmp_path, name="two", encoding="json", context_url="http://gw/contexts"
        )
    )
    _, headers, body = broker.requests[-1]
    assert headers["content-type"] == "application/json"
    assert headers["link"] == (
        '<http://gw/contexts/AirQualityObserved.jsonld>; rel="http://www.w3.org/ns/json-ld#context"; '
        'type="application/ld+json"'
    )
    assert not any("@context" in entity for entity in body)
    assert len(broker.history) == 2 * len(reader.rows)


async def test_tenant_and_token_are_sent_and_the_token_is_in_no_repr(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    await drain(follower(broker, day(records=1), positions, tmp_path, tenant="gent", token="zeer-geheim"))
    headers = broker.requests[0][1]
    assert headers["ngsild-tenant"] == "gent"
    assert headers["authorization"] == "Bearer zeer-geheim"
    assert "zeer-geheim" not in repr(NgsiLdSettings(url="http://x", token="zeer-geheim"))


@pytest.mark.parametrize(
    "fault",
    [
        (503, {"retry-after": "0"}, problem("InternalError", "starting")),
        (500, {}, b"<html>oops"),
        (429, {}, None),
        (400, {}, problem("LdContextNotAvailable", "context")),
        (401, {}, None),
        (404, {}, problem("NonexistentTenant", "gent")),
        (302, {"location": "http://elsewhere/"}, None),
        (207, {}, b"no json"),
        "die",
    ],
)
async def test_a_passing_fault_loses_and_doubles_nothing(
    broker: Broker, positions: MemoryPositions, tmp_path: Path, fault: object
) -> None:
    reader = day(records=6)
    broker.script = [None, fault, fault, None, fault]
    await drain(follower(broker, reader, positions, tmp_path))
    assert sorted(broker.history) == everything(reader)
    assert in_time_order(broker)
    assert not list(FileSideList(tmp_path).read("ngsi_ld"))


async def test_an_answer_that_takes_too_long_is_tried_again(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=1, records=2)
    broker.script = ["hang"]
    following = follower(broker, reader, positions, tmp_path, timeout_s=0.1)
    await drain(following)
    assert sorted(broker.history) == everything(reader)
    assert following._counters.get("publish.ngsi_ld.failed") == 1


async def test_a_lost_answer_repeats_only_that_request(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=1, records=5)
    broker.script = [None, None, "take and die"]
    await drain(follower(broker, reader, positions, tmp_path))
    assert sorted(set(broker.history)) == everything(reader)
    assert len(broker.history) == len(reader.rows) + 1


async def test_kill_and_restart_of_the_broker(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=2, records=30)
    following = follower(broker, reader, positions, tmp_path)
    task = asyncio.create_task(following.run())
    await until(lambda: len(broker.history) >= 10)
    await broker.kill()
    await asyncio.sleep(0.05)
    assert following.state()["trouble"]
    await broker.start()
    await until(lambda: positions.saved.get("ngsi_ld") == len(reader.rows))
    task.cancel()
    assert sorted(set(broker.history)) == everything(reader)
    assert following.state()["trouble"] == ""


async def test_kill_and_restart_of_the_follower_repeats_at_most_one_request(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=2, records=30)
    for _ in range(6):
        task = asyncio.create_task(follower(broker, reader, positions, tmp_path).run())
        await asyncio.sleep(0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await drain(follower(broker, reader, positions, tmp_path))
    assert sorted(set(broker.history)) == everything(reader)
    assert len(broker.history) - len(reader.rows) <= 6 * 2


@pytest.mark.parametrize("status", [400, 422])
async def test_one_poisoned_entity_is_put_aside_and_blocks_nobody(
    broker: Broker, positions: MemoryPositions, tmp_path: Path, status: int
) -> None:
    reader = day(sites=5, records=3)
    broker.refused_ids = {AIR + "lucht-3": status}
    await drain(follower(broker, reader, positions, tmp_path))
    kept = list(FileSideList(tmp_path).read("ngsi_ld"))
    assert [item.row for item in kept] == [row for row in reader.rows if row.site_id == "lucht-3"]
    assert all("not liked" in item.reason for item in kept)
    assert sorted(broker.history) == [item for item in everything(reader) if "lucht-3" not in item[0]]
    assert positions.saved["ngsi_ld"] == len(reader.rows)


async def test_a_batch_that_is_refused_as_a_whole_is_split_until_the_culprit_stands_alone(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=4, records=1)
    refusal = (400, {}, problem("BadRequestData", "something in there"))
    broker.refused_ids = {AIR + "lucht-2": 400}
    broker.script = [refusal, None, refusal]  # the whole, then its second half
    await drain(follower(broker, reader, positions, tmp_path))
    assert {item.row.site_id for item in FileSideList(tmp_path).read("ngsi_ld")} == {"lucht-2"}
    assert len(broker.history) == 3


async def test_an_entity_on_which_the_broker_breaks_down_is_put_aside_in_the_end(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=3, records=2)
    broker.refused_ids = {AIR + "lucht-1": 500}
    await drain(follower(broker, reader, positions, tmp_path))
    assert {item.row.site_id for item in FileSideList(tmp_path).read("ngsi_ld")} == {"lucht-1"}
    assert sorted(set(broker.history)) == [item for item in everything(reader) if "lucht-1" not in item[0]]
    assert len(broker.history) == 4


async def test_a_207_that_names_not_every_entity_is_asked_again_about_the_others(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=3, records=1)
    broker.script = [(207, {}, {"success": [AIR + "lucht-0"], "errors": []})]
    await drain(follower(broker, reader, positions, tmp_path))
    assert {entity for entity, *_ in broker.history} == {AIR + "lucht-1", AIR + "lucht-2"}


async def test_what_comes_late_goes_to_history_and_leaves_the_newest_value_alone(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = MemoryReader()
    reader.add_site("lucht-0", "air")
    reader.add("lucht-0", "pm2_5", "ug/m3", 20.0, NOW_MS)
    following = follower(broker, reader, positions, tmp_path)
    await following.step()
    for i in (3, 2, 1):  # a node's buffer, after an outage
        reader.add("lucht-0", "pm2_5", "ug/m3", float(i), NOW_MS - i * MINUTE_MS)
    await drain(following)
    assert broker.entities[AIR + "lucht-0"]["pm25"]["value"] == 20.0
    assert [value for *_, value in broker.late] == [3.0, 2.0, 1.0]
    assert len(broker.history) == 1


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_without_a_temporal_interface_late_values_wait_on_the_side_list(
    broker: Broker, positions: MemoryPositions, tmp_path: Path, status: int
) -> None:
    broker.has_temporal, broker.without_temporal = False, status
    reader = MemoryReader()
    reader.add_site("lucht-0", "air")
    reader.add("lucht-0", "pm2_5", "ug/m3", 20.0, NOW_MS)
    reader.add("lucht-0", "pm2_5", "ug/m3", 3.0, NOW_MS - MINUTE_MS)
    await drain(follower(broker, reader, positions, tmp_path))
    (kept,) = FileSideList(tmp_path).read("ngsi_ld")
    assert kept.row.value == 3.0
    assert "came late" in kept.reason
    assert broker.entities[AIR + "lucht-0"]["pm25"]["value"] == 20.0


async def test_a_wrong_tenant_does_not_look_like_a_missing_temporal_interface(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = MemoryReader()
    reader.add_site("lucht-0", "air")
    reader.add("lucht-0", "pm2_5", "ug/m3", 20.0, NOW_MS)
    reader.add("lucht-0", "pm2_5", "ug/m3", 3.0, NOW_MS - MINUTE_MS)
    positions.saved["ngsi_ld"] = 1  # only the late one is left
    broker.script = [(404, {}, problem("NonexistentTenant", "gent"))] * 4
    await drain(follower(broker, reader, positions, tmp_path))
    assert [value for *_, value in broker.late] == [3.0]
    assert not list(FileSideList(tmp_path).read("ngsi_ld"))


async def test_a_withdrawn_consent_stops_what_was_waiting_for_the_broker(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = day(sites=2, records=1)
    broker.script = [(503, {}, None)]
    following = follower(broker, reader, positions, tmp_path)
    task = asyncio.create_task(following.step())
    await until(lambda: bool(broker.requests))
    del reader.registered["lucht-1"]
    await task
    await following._publisher.close()
    assert {entity for entity, *_ in broker.history} == {AIR + "lucht-0"}
    assert positions.saved["ngsi_ld"] == 2


async def test_values_that_no_model_takes_are_named_here_not_by_the_broker(
    broker: Broker, positions: MemoryPositions, tmp_path: Path
) -> None:
    reader = MemoryReader()
    reader.add_site("lucht-0", "air")
    reader.add("lucht-0", "relative_humidity", "%", 104.0)
    reader.add("lucht-0", "temperature", "Cel", float("nan"))
    reader.add("lucht-0", "pm2_5", "ug/m3", None, state="timeout")
    reader.add("lucht-0", "battery", "mV", 3600.0)
    following = follower(broker, reader, positions, tmp_path)
    await drain(following)
    reasons = [item.reason for item in FileSideList(tmp_path).read("ngsi_ld")]
    assert reasons == ["relativeHumidity 1.04 is outside of 0.0 to 1.0", "temperature is not a finite number"]
    assert not broker.requests
    assert following._counters.get("publish.ngsi_ld.without_value") == 1
    assert following._counters.get("publish.ngsi_ld.unmapped") == 1


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("url", {"url": "broker:1026"}),
        ("url", {"url": "http://user:pass@broker"}),
        ("encoding", {"url": "http://b", "encoding": "xml"}),
        ("context_url", {"url": "http://b", "encoding": "json"}),
        ("max_entities", {"url": "http://b", "max_entities": 0}),
        ("timeout_s", {"url": "http://b", "timeout_s": 0}),
        ("network", {"url": "http://b", "network": "a b"}),
        ("noise_average_s", {"url": "http://b", "noise_average_s": -1}),
    ],
)
def test_a_wrong_setting_is_refused_by_name(key: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        NgsiLdSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.key == f"publish.ngsi_ld.{key}"
