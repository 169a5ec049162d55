"""ChirpStack and The Things Stack through a real broker: events in, downlinks out, nothing lost.

ChirpStack's messages are made and read by PyPI chirpstack-api where it is installed; the raw protobuf in
the other tests was put together by hand from the field numbers of its proto files.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import logging
import ssl
import types
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.broker_server import BoundedBroker
from gateway.counters import Counters
from gateway.errors import DownlinkError, IngestError
from gateway.ingest.chirpstack import ChirpStackIngest, decode_message
from gateway.ingest.chirpstack.protobuf import to_json
from gateway.ingest.chirpstack.schema import EVENTS
from gateway.ingest.mqtt import MqttSettings
from gateway.ingest.ttn import TtnIngest

from ..house import AIR, SetClock
from ..mqtt_client import Client
from .test_basics_station import a_certificate
from .test_mqtt import Sink, a_broker

APP = "9bfe8bd7-9a43-4bbc-9bd5-8c4b4d2d4e5c"
NOW_MS = 1_795_012_010_000  # 2026-11-18T14:26:50Z
CHIRPSTACK = f"application/{APP}/device/{AIR}"
TTN = "v3/meetnet@ttn/devices/eui-" + AIR


@contextlib.asynccontextmanager
async def a_house(make, user: str = "gateway", **more) -> AsyncIterator[types.SimpleNamespace]:
    sink, counters = Sink(), Counters()
    async with a_broker() as (broker, port):
        made = MqttSettings(port=port, username=user, password="any", version=4)
        ingest = make(sink, lambda dev_eui: dev_eui == AIR, SetClock(NOW_MS), counters, made, **more)
        await ingest.start()
        network = Client("network", "network", "any")
        assert await network.connect(port) == "Success"
        await asyncio.wait_for(ingest.subscribed(), 30)
        try:
            yield types.SimpleNamespace(
                ingest=ingest, sink=sink, counters=counters, network=network, broker=broker, port=port
            )
        finally:
            await network.close()
            await asyncio.wait_for(ingest.close(), 30)


async def counted(house, name: str, n: int = 1) -> None:
    async with asyncio.timeout(30):
        while house.counters.get(name) < n:  # noqa: ASYNC110 - counters tell nobody
            await asyncio.sleep(0.01)


def chirpstack(kind: str = "up", **fields) -> bytes:
    body = {"deviceInfo": {"devEui": AIR}, "time": "2026-11-18T14:26:40.500Z"}
    if kind == "up":
        body |= {"fPort": 1, "fCnt": 7, "data": base64.b64encode(b"\x01\x02").decode()}
    return json.dumps(body | fields).encode()


# -- ChirpStack ----------------------------------------------------------------------------------


async def test_uplinks_and_every_event_of_chirpstack() -> None:
    async with a_house(ChirpStackIngest) as house:
        send = house.network.publish
        await send(f"{CHIRPSTACK}/event/up", chirpstack())
        await send(f"{CHIRPSTACK}/event/join", chirpstack("join", devAddr="00189440"))
        await send(f"{CHIRPSTACK}/event/status", chirpstack("status", margin=7, batteryLevel=75.5))
        await send(f"{CHIRPSTACK}/event/ack", chirpstack("ack", queueItemId="q1", acknowledged=True))
        await send(f"{CHIRPSTACK}/event/ack", chirpstack("ack", queueItemId="q2"))
        await send(f"{CHIRPSTACK}/event/txack", chirpstack("txack", queueItemId="q1", fCntDown=12))
        error = {"level": "ERROR", "code": "UPLINK_MIC", "description": "Invalid MIC"}
        await send(f"{CHIRPSTACK}/event/log", chirpstack("log", **error))
        place = {"latitude": 52.1, "longitude": 4.9, "source": "GEO_RESOLVER_TDOA", "accuracy": 30}
        await send(f"{CHIRPSTACK}/event/location", chirpstack("location", location=place))
        await house.sink.until(1)
        await counted(house, "ingest.chirpstack_location")
        events = house.ingest.status()["devices"][AIR]
        assert events["join"]["dev_addr"] == "00189440"
        assert events["status"] == {
            "at_ms": 1_795_012_000_500, "margin_db": 7, "power": "battery", "battery_percent": 75.5,
        }  # fmt: skip
        assert events["ack"] == {
            "at_ms": 1_795_012_000_500,
            "id": "q2",
            "acknowledged": False,
            "f_cnt_down": 0,
        }
        assert events["txack"]["f_cnt_down"] == 12
        assert events["log"]["description"] == "Invalid MIC"
        assert "52.1" not in str(events)  # where a host lives is not for a status page
        names = ("uplinks", "join", "status", "ack", "not_acknowledged", "txack", "log_error", "location")
        assert [house.counters.get(f"ingest.chirpstack_{name}") for name in names] == [1] * 8


async def test_what_is_foreign_or_broken_is_counted_and_the_rest_comes_through() -> None:
    async with a_house(ChirpStackIngest) as house:
        other = f"application/{APP}/device/00000000000000ff/event/up"
        await house.network.publish(other, chirpstack())
        await house.network.publish(f"{CHIRPSTACK}/event/up", b"{")
        await house.network.publish(f"{CHIRPSTACK}/event/up", b"\xff\xff")
        await house.network.publish(f"{CHIRPSTACK}/event/up", chirpstack(fPort=0))
        await house.network.publish(f"{CHIRPSTACK}/event/up", chirpstack())
        await house.sink.until(1)
        assert house.counters.get("ingest.chirpstack_foreign") == 1
        assert house.counters.get("ingest.chirpstack_malformed") == 2


async def test_a_message_that_the_disk_refuses_comes_again(monkeypatch) -> None:
    monkeypatch.setattr("gateway.ingest.mqtt.session.BACKOFF_S", (0.05, 0.1))
    async with a_house(ChirpStackIngest) as house:
        house.sink.refuse = 1
        await house.network.publish(f"{CHIRPSTACK}/event/up", chirpstack())
        await counted(house, "ingest.chirpstack_disconnected")
        await asyncio.wait_for(house.ingest.subscribed(), 30)
        await house.network.publish(f"{CHIRPSTACK}/event/up", chirpstack(data="Bw=="))
        await house.sink.until(1)
        assert b"\x07" in house.sink.taken


async def test_a_downlink_for_chirpstack_goes_to_the_application_that_was_heard() -> None:
    async with a_house(ChirpStackIngest) as house:
        with pytest.raises(DownlinkError, match="application_id"):
            await house.ingest.enqueue(AIR, 3, b"\x07")
        house.network.paho.subscribe("application/+/device/+/command/down", qos=1)
        await house.network.granted.get()
        await house.network.publish(f"{CHIRPSTACK}/event/up", chirpstack())
        await house.sink.until(1)
        item_id = await house.ingest.enqueue(AIR, 3, b"\x07\xff", True)
        topic, body = await asyncio.wait_for(house.network.messages.get(), 30)
        assert topic == f"{CHIRPSTACK}/command/down"
        assert json.loads(body) == {
            "id": item_id, "devEui": AIR, "confirmed": True, "fPort": 3, "data": "B/8=",
        }  # fmt: skip
        assert house.ingest.heard_ms(AIR) == 1_795_012_000_500  # the time on the message


async def test_without_its_broker_a_downlink_is_refused_and_not_forgotten_silently() -> None:
    sink, made = Sink(), MqttSettings(port=1)
    ingest = ChirpStackIngest(sink, lambda _: True, SetClock(), Counters(), made, application_id=APP)
    await ingest.start()
    with pytest.raises(DownlinkError, match="broker"):
        await ingest.enqueue(AIR, 3, b"\x07")
    await ingest.close()


@contextlib.asynccontextmanager
async def a_tls_broker(folder: Path) -> AsyncIterator[tuple[int, Path]]:
    certificate, key = a_certificate(folder)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    listener = {
        "type": "tcp", "bind": "127.0.0.1:0", "ssl": True, "certfile": str(certificate), "keyfile": str(key),
    }  # fmt: skip
    plugin = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}}
    broker = BoundedBroker({"listeners": {"default": listener}, "plugins": plugin}, lambda _: None)
    await broker.start()
    try:
        yield broker.port, certificate
    finally:
        await broker.shutdown()


async def test_a_burst_over_tls_comes_through_at_once_and_whole(tmp_path) -> None:
    async with a_tls_broker(tmp_path) as (port, certificate):
        sink = Sink()
        made = MqttSettings(
            port=port, username="u", password="any", tls=True, tls_ca=certificate, in_flight=5, version=4
        )
        ingest = ChirpStackIngest(sink, lambda _: True, SetClock(NOW_MS), Counters(), made)
        await ingest.start()
        await asyncio.wait_for(ingest.subscribed(), 30)
        network = Client("network", "network", "any")
        network.paho.tls_set(ca_certs=str(certificate))
        assert await network.connect(port) == "Success"
        for number in range(100):
            data = base64.b64encode(bytes([number])).decode()
            await network.publish(f"{CHIRPSTACK}/event/up", chirpstack(data=data))
        await sink.until(100)
        assert sorted(sink.taken) == [bytes([number]) for number in range(100)]
        assert await ingest.enqueue(AIR, 3, b"\x07")
        await ingest.close()
        await network.close()


async def test_many_messages_in_one_tls_record_are_not_left_in_the_decrypter(tmp_path) -> None:
    """A broker that writes at once what waits: the socket becomes readable once for all of it."""
    certificate, key = a_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    topic, count = f"{CHIRPSTACK}/event/up".encode(), 20

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)  # CONNECT
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1024)
        body = b""
        for number in range(1, count + 1):
            publish = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + chirpstack()
            body += b"\x32" + varint(len(publish)) + publish
        writer.write(b"\x90\x03" + subscribe[2:4] + b"\x01" + body)
        assert len(body) < 16_384  # one TLS record
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0, ssl=context)
    sink = Sink()
    port = server.sockets[0].getsockname()[1]
    made = MqttSettings(port=port, tls=True, tls_ca=certificate, in_flight=3, version=4)
    ingest = ChirpStackIngest(sink, lambda _: True, SetClock(NOW_MS), Counters(), made)
    await ingest.start()
    async with asyncio.timeout(30):
        await sink.until(count)
    await ingest.close()
    server.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves its socket to gc
async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path) -> None:
    async with a_tls_broker(tmp_path) as (port, _):
        counters = Counters()
        made = MqttSettings(port=port, username="u", password="any", tls=True, version=4)
        ingest = ChirpStackIngest(Sink(), lambda _: True, SetClock(), counters, made, application_id=APP)
        await ingest.start()
        async with asyncio.timeout(30):
            while not counters.get("ingest.chirpstack_unreachable"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert "certificate" in str(counters.snapshot()) and not ingest.connected
        await ingest.close()
        gc.collect()


# -- ChirpStack in protobuf ----------------------------------------------------------------------


def field(number: int, value: bytes | int) -> bytes:
    """One field of a message by hand: key, then number or length and bytes."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_an_uplink_put_together_by_hand():
    rssi = (1 << 64) - 97  # int32 -97 as protobuf writes it
    rx = field(1, b"0016c001f153a14c") + b"\x30" + varint(rssi) + b"\x3d\x00\x00\x10\x40"
    device = field(7, b"plein") + field(8, AIR.encode())
    lora = field(1, 125_000) + field(2, 7)
    tx = field(1, 867_100_000) + field(2, field(3, lora))
    time = field(1, 1_795_012_000) + field(2, 500_000_000)
    message = field(2, time) + field(3, device) + field(7, 77) + field(8, 1) + field(10, b"\x01\xff")
    message += bytes([12 << 3 | 2]) + varint(len(rx)) + rx + bytes([13 << 3 | 2]) + varint(len(tx)) + tx
    message += field(11, b"\x0a\x00")  # `object`, which nobody here reads
    found = decode_message(f"{CHIRPSTACK}/event/up", message, NOW_MS)
    assert (found.payload, found.f_cnt, found.received_at_ms) == (b"\x01\xff", 77, 1_795_012_000_500)
    (heard,) = found.receptions
    assert (heard.rssi_dbm, heard.snr_db, heard.frequency_hz, heard.data_rate) == (
        -97, 2.25, 867_100_000, "SF7BW125",
    )  # fmt: skip


@given(st.sampled_from(sorted(EVENTS)), st.binary(max_size=120))
@settings(max_examples=300)
def test_any_bytes_are_a_message_or_an_ingest_error(kind, data):
    with contextlib.suppress(IngestError):
        assert isinstance(to_json(data, EVENTS[kind], "x"), dict)


def _api():
    pytest.importorskip("chirpstack_api", reason="chirpstack-api is not installed")
    from chirpstack_api import integration
    from google.protobuf import json_format

    return integration, json_format


FULL = {
    "up": {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d", "time": "2026-11-18T14:26:40.500Z",
        "deviceInfo": {"devEui": AIR, "deviceName": "plein", "applicationId": APP},
        "devAddr": "00189440", "adr": True, "dr": 5, "fCnt": 4_294_967_295, "fPort": 1, "confirmed": True,
        "data": "Af8=", "regionConfigId": "eu868",
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -97, "snr": 2.25,
                    "gwTime": "2026-11-18T14:26:40.123456789Z", "nsTime": "2026-11-18T14:26:40.250Z",
                    "crcStatus": "CRC_OK"}],
        "txInfo": {"frequency": 867100000,
                   "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}}},
    },
    "join": {"deviceInfo": {"devEui": AIR}, "devAddr": "00189440", "time": "2026-11-18T14:26:40Z"},
    "ack": {"deviceInfo": {"devEui": AIR}, "queueItemId": "q", "acknowledged": True, "fCntDown": 3},
    "txack": {"deviceInfo": {"devEui": AIR}, "downlinkId": 7, "queueItemId": "q", "gatewayId": "aa"},
    "log": {"deviceInfo": {"devEui": AIR}, "level": "ERROR", "code": "UPLINK_MIC", "description": "é",
            "context": {"deduplication_id": "x", "a": ""}},
    "status": {"deviceInfo": {"devEui": AIR}, "margin": -12, "batteryLevel": 75.5,
               "externalPowerSource": True, "batteryLevelUnavailable": True},
    "location": {"deviceInfo": {"devEui": AIR},
                 "location": {"latitude": -52.1, "longitude": 4.5, "altitude": -1.5, "accuracy": 30.0,
                              "source": "GEO_RESOLVER_TDOA"}},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(FULL))
def test_protobuf_of_the_official_package_reads_as_its_json(kind):
    integration, json_format = _api()
    name = {"up": "UplinkEvent", "txack": "TxAckEvent"}.get(kind, f"{kind.capitalize()}Event")
    message = json_format.ParseDict(FULL[kind], getattr(integration, name)())
    ours = to_json(message.SerializeToString(), EVENTS[kind], "x")
    # Every field survives: the official package reads from our JSON the message that it wrote.
    assert json_format.ParseDict(ours, getattr(integration, name)()) == message


def test_an_uplink_is_the_same_in_both_forms():
    integration, json_format = _api()
    message = json_format.ParseDict(FULL["up"], integration.UplinkEvent())
    arrived_ms = NOW_MS
    by_json = decode_message(f"{CHIRPSTACK}/event/up", json.dumps(FULL["up"]).encode(), arrived_ms)
    by_protobuf = decode_message(f"{CHIRPSTACK}/event/up", message.SerializeToString(), arrived_ms)
    assert by_json == by_protobuf
    assert (
        by_json.received_at_ms == 1_795_012_000_123
    )  # the gateway's own time, within a minute of the server's


async def test_a_server_that_speaks_protobuf_is_answered_in_protobuf() -> None:
    integration, json_format = _api()
    async with a_house(ChirpStackIngest) as house:
        house.network.paho.subscribe("application/+/device/+/command/down", qos=1)
        await house.network.granted.get()
        event = json_format.ParseDict(FULL["up"], integration.UplinkEvent()).SerializeToString()
        await house.network.publish(f"{CHIRPSTACK}/event/up", event)
        await house.sink.until(1)
        item_id = await house.ingest.enqueue(AIR, 3, bytes(200), True)
        _, body = await asyncio.wait_for(house.network.messages.get(), 30)
        command = integration.DownlinkCommand.FromString(body)
        assert (command.id, command.dev_eui, command.f_port, command.data, command.confirmed) == (
            item_id, AIR, 3, bytes(200), True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("gateway", "server", "expected"),
    [
        ("2026-11-18T14:26:39.100Z", "2026-11-18T14:26:40.250Z", 1_795_011_999_100),
        ("1980-01-06T00:00:18Z", "2026-11-18T14:26:40.250Z", 1_795_012_000_250),  # no GPS yet
        ("0001-01-01T00:00:00Z", "2026-11-18T14:26:40.250Z", 1_795_012_000_250),
        ("2026-11-18T12:26:40Z", "2026-11-18T14:26:40.250Z", 1_795_012_000_250),  # two hours off
        (None, None, 1_795_012_000_500),
        ("nonsense", "1970-01-01T00:00:00Z", 1_795_012_000_500),
    ],
)
def test_which_time_is_the_time_of_reception(gateway, server, expected):
    rx = {"gatewayId": "aa", "gwTime": gateway, "nsTime": server}
    message = chirpstack(rxInfo=[rx])
    found = decode_message(f"{CHIRPSTACK}/event/up", message, NOW_MS)
    assert found.received_at_ms == expected


# -- The Things Stack ----------------------------------------------------------------------------


def ttn(**fields) -> bytes:
    ids = {
        "device_id": "eui-" + AIR,
        "dev_eui": AIR.upper(),
        "application_ids": {"application_id": "meetnet"},
    }
    return json.dumps({"end_device_ids": ids} | fields).encode()


TTN_UP = {"uplink_message": {"f_port": 1, "frm_payload": "AQI=", "received_at": "2026-11-18T14:26:40.5Z"}}


async def test_uplinks_and_every_event_of_the_things_stack(shared) -> None:
    async with a_house(TtnIngest, "meetnet@ttn") as house:
        send = house.network.publish
        await send(f"{TTN}/up", ttn(**TTN_UP))
        await send(f"{TTN}/join", ttn(join_accept={"session_key_id": "x"}))
        for kind in ("queued", "sent", "ack", "nack"):
            ours = {"f_port": 3, "f_cnt": 9, "correlation_ids": ["as:x", "meetnet:q1"]}
            await send(f"{TTN}/down/{kind}", ttn(**{f"downlink_{kind}": ours}))
        await send(f"{TTN}/location/solved", ttn(location_solved={"service": "geo", "location": {}}))
        await send(f"{TTN}/service/data", ttn(service_data={}))
        # As the official documentation has it: without DevEUI, and of another device.
        example = shared("vectors/platforms/ttn/dataformats-03-downlink_failed.json").read_bytes()
        await send("v3/meetnet@ttn/devices/dev1/down/failed", example)
        await house.sink.until(1)
        await counted(house, "ingest.ttn_downlink_failed")
        events = house.ingest.status()["devices"][AIR]
        assert events["down/ack"]["id"] == "q1" and events["down/ack"]["f_cnt_down"] == 9
        assert events["location/solved"]["source"] == "geo"
        names = ("uplinks", "join", "downlink_queued", "downlink_sent", "downlink_ack", "downlink_nack")
        assert [house.counters.get(f"ingest.ttn_{name}") for name in names] == [1] * 6
        assert "application_downlink_too_long" in str(house.counters.snapshot())


async def test_examples_of_the_documentation_are_read(shared) -> None:
    from gateway.ingest.ttn.events import decode_event

    join = shared("vectors/platforms/ttn/dataformats-00-join_accept.json").read_bytes()
    found = decode_event("join", "dev1", join, NOW_MS)
    assert (found.dev_eui, found.facts) == ("0004a30b001c0530", {"dev_addr": "01497ECC"})
    ack = shared("vectors/platforms/ttn/dataformats-02-downlink_ack.json").read_bytes()
    assert decode_event("down/ack", "dev1", ack, NOW_MS).facts == {"f_cnt_down": 1}


async def test_a_downlink_for_the_things_stack() -> None:
    async with a_house(TtnIngest, "meetnet@ttn") as house:
        house.network.paho.subscribe("v3/+/devices/+/down/push", qos=1)
        await house.network.granted.get()
        item_id = await house.ingest.enqueue(AIR, 15, b"\xbe\xef", True)
        topic, body = await asyncio.wait_for(house.network.messages.get(), 30)
        assert topic == f"{TTN}/down/push"
        # The shape of the documentation's example (data-formats, downlinks); vu8= is be ef.
        assert json.loads(body) == {
            "downlinks": [
                {
                    "f_port": 15, "frm_payload": "vu8=", "confirmed": True, "priority": "NORMAL",
                    "correlation_ids": [f"meetnet:{item_id}"],
                }
            ]
        }  # fmt: skip


async def test_a_device_is_answered_under_the_id_that_it_has_there() -> None:
    async with a_house(TtnIngest, "meetnet@ttn") as house:
        house.network.paho.subscribe("v3/+/devices/+/down/push", qos=1)
        await house.network.granted.get()
        ids = {"device_id": "plein-1", "dev_eui": AIR}
        await house.network.publish("v3/meetnet@ttn/devices/plein-1/up", ttn(end_device_ids=ids, **TTN_UP))
        await house.sink.until(1)
        await house.ingest.enqueue(AIR, 15, b"\xbe\xef")
        topic, _ = await asyncio.wait_for(house.network.messages.get(), 30)
        assert topic == "v3/meetnet@ttn/devices/plein-1/down/push"
