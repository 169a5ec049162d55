"""HTTP push over a real socket: own token a device, answered when durable, repeated without harm."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import httpx
import pytest

from gateway.decode import Foreign, Profiles
from gateway.errors import IngestError, StoreError
from gateway.ingest.push import PushServer, PushSettings
from gateway.registry import Device
from gateway.registry.foreign import eui_of

from ..house import T0_MS, SetClock, a_house, a_site

AIRROHR = eui_of("esp8266-3394227")
GENERIC = "02aa000000000001"
LORA = "0004a30b001c0530"
TOKEN = "a token of this device"
WEBHOOK = "the token of the webhooks"
# As a node with firmware NRZ-2017-090 posted it, header and body.
BODY = (
    '{"esp8266id": "3394227", "software_version": "NRZ-2017-090", "sensordatavalues":['
    '{"value_type":"SDS_P1","value":"4.30"},{"value_type":"SDS_P2","value":"3.53"},'
    '{"value_type":"temperature","value":"20.80"},{"value_type":"humidity","value":"52.30"},'
    '{"value_type":"samples","value":"670215"},{"value_type":"min_micro","value":"205"},'
    '{"value_type":"max_micro","value":"505594"},{"value_type":"signal","value":"-82"}]}'
)


class Place:
    def __init__(self, house, server, client, clock) -> None:
        self.house, self.server, self.client, self.clock = house, server, client, clock

    async def post(self, path: str, body, token: str | None = TOKEN, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        return await self.client.post(f"/push/v1/{path}", content=body, headers=headers, **more)

    async def values(self, site: str, quantity: str):
        await self.house.pipeline.drained()
        return [row.raw for row in self.house.store.series(site, quantity, 0, 2**60, 100)]


@pytest.fixture
async def place(tmp_path: Path):
    async with a_house(tmp_path) as house, contextlib.AsyncExitStack() as stack:
        for dev_eui, profile, alias, transport in (
            (AIRROHR, "airrohr", "esp8266-3394227", "http"), (GENERIC, "json", None, "http"),
            (LORA, "object", None, "lorawan"),
        ):  # fmt: skip
            house.registry.put_site(a_site(f"at-{profile}", "air"))
            device = Device(dev_eui, "air", transport, profile=profile, alias=alias)
            house.registry.put_device(device, mqtt_password=TOKEN if transport == "http" else None)
            house.registry.deploy(dev_eui, f"at-{profile}", None)
        clock = SetClock()
        foreign = Foreign(Profiles().get)

        def problem(uplink):
            try:
                foreign.decode(uplink, house.registry.profile_of(uplink.dev_eui))
            except IngestError as error:
                return str(error)
            return None

        server = PushServer(
            house.log, house.registry, clock, house.counters,
            PushSettings(port=0, per_minute=8, webhook_token=WEBHOOK), problem,
            lambda dev_eui: house.registry.profile_of(dev_eui) == "object",
        )  # fmt: skip
        await server.start()
        stack.push_async_callback(server.close)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}")
        )
        yield Place(house, server, client, clock)


async def test_an_airrohr_node_posts_as_it_does_to_any_own_api(place):
    headers = {"X-Sensor": "esp8266-3394227", "X-PIN": "0", "Content-Type": "application/json"}
    answer = await place.client.post("/push/v1/airrohr", content=BODY, headers=headers, auth=("node", TOKEN))
    assert (answer.status_code, answer.json()) == (201, {"stored": True})
    for quantity, value in (
        ("pm10", 4.3),
        ("pm2_5", 3.53),
        ("temperature", 20.8),
        ("relative_humidity", 52.3),
    ):
        assert (await place.values("at-airrohr", quantity))[0] == value
    missing = await place.client.post("/push/v1/airrohr", content=BODY, auth=("node", TOKEN))
    assert (missing.status_code, "X-Sensor" in missing.json()["error"]) == (400, True)


async def test_nobody_is_answered_before_the_disk_has_it(place):
    class Refuses:
        async def accept(self, uplink):
            raise StoreError("full")

    place.server._sink, kept = Refuses(), place.server._sink
    answer = await place.post(f"devices/{GENERIC}", '{"co2": 400}')
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    place.server._sink = kept
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 400}')).status_code == 201
    assert place.house.counters.get("store.uplinks_durable") == 1


async def test_a_message_that_comes_again_with_its_key_or_its_time_is_stored_once(place):
    key = {"headers": {"Idempotency-Key": "7f3a"}}
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 400}', **key)).status_code == 201
    again = await place.post(f"devices/{GENERIC}", '{"co2": 400}', **key)
    assert again.json() == {"stored": True, "repeated": True}
    place.server._keys.clear()  # a restart in between
    place.clock.ms += 5_000
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 400}', **key)).status_code == 201
    assert await place.values("at-json", "co2") == [400]
    timed = json.dumps({"observed_at": "2026-11-15T10:00:00Z", "co2": 410})
    for _ in range(2):
        place.clock.ms += 5_000
        assert (await place.post(f"devices/{GENERIC}", timed)).status_code == 201
    assert sorted(await place.values("at-json", "co2")) == [400, 410]


async def test_what_cannot_be_read_is_kept_and_said(place):
    answer = await place.post(f"devices/{GENERIC}", '{"kohlendioxid": 400}')
    assert answer.status_code == 202
    assert "it has kohlendioxid" in answer.json()["problem"]
    await place.house.pipeline.drained()
    assert place.house.store.dead_letters()[0]["cause"] == "decode.foreign_malformed"


async def test_who_has_no_token_or_another_s_is_refused_and_guessing_ends(place):
    for token in (None, "wrong", ""):
        for name in (GENERIC, "esp8266-3394227", "ffffffffffffffff", "nobody"):
            answer = await place.post(f"devices/{name}", "{}", token)
            assert answer.status_code == 401
            assert TOKEN not in answer.text
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}')).status_code == 201
    for n in range(30):
        answer = await place.post(f"devices/{GENERIC}", "{}", f"guess {n}")
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    # who was right a moment ago goes on, whoever guesses beside it
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 2}')).status_code == 201


async def test_a_token_that_is_taken_away_or_changed_ends_at_once(place):
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}')).status_code == 201
    device = place.house.registry.device(GENERIC)
    place.house.registry.put_device(device, mqtt_password="another token")
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}')).status_code == 401
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}', "another token")).status_code == 201
    place.house.registry.revoke(GENERIC)
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}', "another token")).status_code == 401


async def test_a_device_that_pushes_too_often_is_told_when_again(place):
    codes = [(await place.post(f"devices/{GENERIC}", f'{{"co2": {n}}}')).status_code for n in range(10)]
    assert codes == [201] * 8 + [429] * 2
    place.clock.ms += 60_000
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 9}')).status_code == 201


async def test_giants_slow_ones_and_nonsense_cost_nothing(place, monkeypatch):
    assert (await place.post(f"devices/{GENERIC}", b"x" * 20_000)).status_code == 413

    async def chunks():
        for _ in range(40):
            yield b"x" * 1000

    assert (await place.post(f"devices/{GENERIC}", chunks())).status_code == 413
    assert (await place.post(f"devices/{GENERIC}", b"")).status_code == 400
    assert (await place.post(f"devices/{GENERIC}?port=0", b"x")).status_code == 400
    monkeypatch.setattr("gateway.ingest.push.server.BODY_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    head = f"POST /push/v1/devices/{GENERIC} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
    writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\nslow".encode())
    assert b"408" in await reader.readline()
    writer.close()
    for body in (b"\xff" * 100, b"{", b"[" * 10_000, b"null", b'{"co2": 1e999}'):
        place.clock.ms += 60_000
        assert (await place.post(f"devices/{GENERIC}", body)).status_code == 202
    assert (await place.client.get("/push/v1/airrohr")).status_code == 405
    assert (await place.client.post("/push/v1/nothing")).status_code == 404


async def test_webhooks_of_the_things_stack_and_chirpstack(place):
    up = {
        "end_device_ids": {
            "device_id": "dev1", "dev_eui": LORA.upper(), "application_ids": {"application_id": "a"},
        },
        "received_at": "2026-11-15T10:00:00Z",
        "uplink_message": {
            "f_port": 2, "f_cnt": 9, "frm_payload": "gkHe", "decoded_payload": {"co2": 500},
            "received_at": "2026-11-15T10:00:00Z",
        },
    }  # fmt: skip
    for _ in range(2):  # The Things Stack sends again what was not answered in time
        assert (await place.post("ttn", json.dumps(up), WEBHOOK)).status_code == 201
    assert await place.values("at-object", "co2") == [500]
    event = {
        "deviceInfo": {"devEui": LORA}, "fCnt": 10, "fPort": 2, "data": "gkHe", "object": {"co2": 501},
        "time": "2026-11-15T10:10:00Z", "rxInfo": [], "txInfo": {},
    }  # fmt: skip
    assert (await place.post("chirpstack?event=up", json.dumps(event), WEBHOOK)).status_code == 201
    assert await place.values("at-object", "co2") == [500, 501]
    assert (await place.post("chirpstack?event=join", "{}", WEBHOOK)).json()["stored"] is False
    for path, body, status in (
        ("ttn", "{}", 422), ("chirpstack?event=up", "{}", 422), ("chirpstack?event=odd", "{}", 422),
        ("ttn", json.dumps(up).replace(LORA.upper(), "F" * 16), 422),
    ):  # fmt: skip
        assert (await place.post(path, body, WEBHOOK)).status_code == status
    assert (await place.post("ttn", json.dumps(up), "another")).status_code == 401
    assert (await place.post("ttn", json.dumps(up), TOKEN)).status_code == 401


async def test_clients_that_leave_at_any_moment_leave_a_server_that_works(place):
    whole = (
        f"POST /push/v1/devices/{GENERIC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        'Content-Length: 12\r\n\r\n{"co2": 400}'
    ).encode()
    for at in range(1, len(whole), 9):
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
        writer.write(whole[:at])
        writer.close()
    place.clock.ms += T0_MS
    assert (await place.post(f"devices/{GENERIC}", '{"co2": 1}')).status_code == 201
