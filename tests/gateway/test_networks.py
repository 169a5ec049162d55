"""Every way in at once: one uplink stays one, a downlink goes where its device is, an operator sees it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sqlite3
import types
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.app import Gateway
from gateway.cli import main
from gateway.config import Config
from gateway.downlinks import Downlinks
from gateway.errors import ConfigError, DownlinkError, RegistryError
from gateway.networks import lns_settings
from gateway.registry import Device

from .house import AIR, T0_MS, SetClock, a_record, an_uplink, fill_registry
from .ingest.station import EUI as STATION
from .ingest.station import Station, heard, jreq, updf
from .ingest.test_mqtt import a_broker
from .lns import liblora_device
from .mqtt_client import Client

KEY, JOIN_EUI = b"\x2b" * 16, "70b3d57ed0000000"
XTIME = (0x2A << 48) + 123_456_789
CHIRPSTACK = f"application/app/device/{AIR}"
TTN = f"v3/meetnet@ttn/devices/eui-{AIR}"


@contextlib.asynccontextmanager
async def a_city(path: Path) -> AsyncIterator[types.SimpleNamespace]:
    """A gateway with every LoRaWAN way in, a broker of the others' servers, and one device on all of them."""
    async with a_broker() as (_, port):
        values = {
            "data.directory": str(path), "data.segment_mib": 1, "web.port": 0, "broker.port": 0,
            "semtech_udp.port": 0, "basics_station.enabled": True, "basics_station.port": 0,
            "lns.gathering_s": 0.05, "chirpstack.enabled": True, "chirpstack.port": port,
            "chirpstack.username": "meetnet", "ttn.enabled": True, "ttn.host": "127.0.0.1", "ttn.port": port,
            "ttn.tls": False, "ttn.username": "meetnet@ttn",
        }  # fmt: skip
        clock = SetClock(T0_MS + 1000)
        gateway = Gateway(Config(values), clock)
        await gateway.start()
        try:
            fill_registry(gateway.registry)
            gateway.registry.put_device(Device(AIR, "air", "lorawan", JOIN_EUI), KEY)
            servers = Client("servers", "servers", "any")
            assert await servers.connect(port) == "Success"
            servers.paho.subscribe(
                [("application/+/device/+/command/down", 1), ("v3/+/devices/+/down/push", 1)]
            )
            await servers.granted.get()
            for name in ("chirpstack", "ttn"):
                await asyncio.wait_for(gateway.downlinks.ways[name].subscribed(), 30)
            device = liblora_device.Device(AIR, JOIN_EUI, KEY)
            yield types.SimpleNamespace(
                gateway=gateway, servers=servers, device=device, clock=clock, path=path
            )
            await servers.close()
        finally:
            await gateway.stop()


async def join(city) -> Station:
    station = await Station.start(city.gateway.ports["basics_station"])
    await station.send(heard(jreq(city.device.join_request()), XTIME))
    city.device.take_accept(bytes.fromhex((await station.receive())["pdu"]))
    return station


def by_udp(transport: asyncio.DatagramTransport, phy: bytes) -> None:
    rxpk = {
        "tmst": 7, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -90,
        "lsnr": -3.5, "size": len(phy), "data": base64.b64encode(phy).decode(),
    }  # fmt: skip
    transport.sendto(bytes.fromhex("02123400aa555a0000000001") + json.dumps({"rxpk": [rxpk]}).encode())


async def by_chirpstack(city, payload: bytes, f_cnt: int = 900) -> None:
    body = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d", "deviceInfo": {"devEui": AIR}, "fPort": 1,
        "fCnt": f_cnt, "data": base64.b64encode(payload).decode(),
    }  # fmt: skip
    await city.servers.publish(f"{CHIRPSTACK}/event/up", json.dumps(body).encode())


async def by_ttn(city, payload: bytes) -> None:
    body = {
        "end_device_ids": {"device_id": "eui-" + AIR, "dev_eui": AIR.upper()},
        "uplink_message": {"f_port": 1, "frm_payload": base64.b64encode(payload).decode()},
    }
    await city.servers.publish(f"{TTN}/up", json.dumps(body).encode())


async def counted(city, name: str, n: int = 1) -> None:
    async with asyncio.timeout(30):
        while city.gateway.counters.get(name) < n:  # noqa: ASYNC110 - counters tell nobody
            await asyncio.sleep(0.01)


async def meetnet(*words: object) -> Result:
    given = [str(word) for word in words]
    return await asyncio.get_running_loop().run_in_executor(None, lambda: CliRunner().invoke(main, given))


async def test_one_uplink_by_four_ways_is_one_observation(tmp_path: Path) -> None:
    async with a_city(tmp_path) as city:
        station = await join(city)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", city.gateway.ports["semtech_udp"])
        )
        payload = an_uplink(a_record(1, T0_MS, temperature=20.5)).payload
        phy = city.device.uplink(payload, 1)
        by_udp(transport, phy)
        await station.send(heard(updf(phy), XTIME + 9_000_000))
        await by_chirpstack(city, payload)
        await by_ttn(city, payload)
        for name in ("lns.uplinks", "ingest.chirpstack_uplinks", "ingest.ttn_uplinks"):
            await counted(city, name)
        await counted(city, "pipeline.duplicate", 2)
        await city.gateway.drained()
        rows = city.gateway.reader.series("plein-1", "temperature", 0, 2**60)
        assert [row.value for row in rows] == [20.5]
        assert city.gateway.counters.get("pipeline.records") == 1
        assert city.gateway.counters.get("lns.uplinks") == 1  # UDP and Basics Station are one for the server
        await station.close()
        transport.close()


async def test_a_downlink_goes_where_its_device_was_last_heard(tmp_path: Path) -> None:
    async with a_city(tmp_path) as city:
        send = city.gateway.downlinks.enqueue
        with pytest.raises(DownlinkError, match="never heard"):
            await send(AIR, 3, b"\x01")
        payload = an_uplink(a_record(1, T0_MS, temperature=20.5)).payload
        await by_chirpstack(city, payload)
        await counted(city, "ingest.chirpstack_uplinks")
        assert (await send(AIR, 3, b"\x01")).startswith("chirpstack:")
        topic, _ = await asyncio.wait_for(city.servers.messages.get(), 30)
        assert topic == f"{CHIRPSTACK}/command/down"
        city.clock.ms += 60_000
        await by_ttn(city, payload)
        await counted(city, "ingest.ttn_uplinks")
        assert (await send(AIR, 3, b"\x01")).startswith("ttn:")
        topic, _ = await asyncio.wait_for(city.servers.messages.get(), 30)
        assert topic == f"{TTN}/down/push"
        city.clock.ms += 60_000
        station = await join(city)
        await station.send(heard(updf(city.device.uplink(payload, 1)), XTIME + 9_000_000))
        await counted(city, "lns.uplinks")
        assert (await send(AIR, 3, b"\x05\x06")) == "lns:1"
        await station.send(heard(updf(city.device.uplink(payload, 1)), XTIME + 30_000_000))
        got = city.device.take(bytes.fromhex((await station.receive())["pdu"]))
        assert (got.port, got.payload) == (3, b"\x05\x06")
        await station.close()


async def test_an_operator_sends_and_resets_and_sees_gateways(tmp_path: Path) -> None:
    async with a_city(tmp_path) as city:
        station = await join(city)
        city.device.dev_nonce = 0  # its memory was erased: the next join uses DevNonce 1 again
        await station.send(heard(jreq(city.device.join_request()), XTIME + 60_000_000))
        await counted(city, "lns.dev_nonce_reused")
        result = await meetnet("device", "reset-join", AIR, "--data", tmp_path)
        assert (result.exit_code, AIR in result.output) == (0, True)
        city.device.dev_nonce = 0
        await station.send(heard(jreq(city.device.join_request()), XTIME + 90_000_000))
        city.device.take_accept(bytes.fromhex((await station.receive())["pdu"]))
        await station.send(heard(updf(city.device.uplink()), XTIME + 99_000_000))
        await counted(city, "lns.uplinks")
        sent = await meetnet("device", "send", AIR, 3, "0506", "--confirmed", "--json", "--data", tmp_path)
        assert json.loads(sent.output) == {"id": "lns:1"}
        for words in (("00000000000000ff", 3, "05"), (AIR, 3, "")):
            refused = await meetnet("device", "send", *words, "--data", tmp_path)
            assert refused.exit_code == 1, refused.output
        status = json.loads((await meetnet("status", "--json", "--data", tmp_path)).output)
        (shown,) = status["gateways"]
        assert (shown["way"], shown["gateway_id"], shown["connected"]) == ("station", STATION, True)
        assert shown["airtime_us"]["M"] > 0
        assert set(status["networks"]) == {"chirpstack", "ttn"}
        text = (await meetnet("status", "--data", tmp_path)).output
        assert f"GATEWAY: way station, gateway_id {STATION}" in text
        assert "NETWORK: chirpstack: connected True" in text
        await station.close()


async def test_a_join_is_reset_without_a_running_gateway(tmp_path: Path) -> None:
    async with a_city(tmp_path) as city:
        await (await join(city)).close()
    assert (await meetnet("device", "reset-join", AIR, "--data", tmp_path)).exit_code == 0
    rows = sqlite3.connect(tmp_path / "lns.db").execute("SELECT dev_nonce, join_nonce FROM device").fetchall()
    assert rows == [(-1, 1)]  # the JoinNonce never goes back
    # What a killed gateway leaves behind: a port where nobody answers.
    (tmp_path / "control.json").write_text('{"port": 1, "token": "x"}')
    assert (await meetnet("device", "reset-join", AIR, "--data", tmp_path)).exit_code == 0
    refused = await meetnet("device", "reset-join", "00000000000000ff", "--data", tmp_path)
    assert refused.exit_code == 1 and "not registered" in refused.output


# -- parts ---------------------------------------------------------------------------------------


class Way:
    def __init__(self, heard_ms: int | None = None) -> None:
        self.ms = heard_ms
        self.sent: list[tuple[str, int, bytes, bool]] = []

    def heard_ms(self, dev_eui: str) -> int | None:
        return self.ms

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> int:
        self.sent.append((dev_eui, f_port, payload, confirmed))
        return len(self.sent)


def router(source: str | None = None, transport: str | None = "lorawan", **ways: Way) -> Downlinks:
    found = Downlinks(lambda _: transport, lambda _: source)
    found.ways |= ways
    return found


async def test_the_newest_then_the_stores_word_then_the_only_one() -> None:
    assert router(lns=Way(5), ttn=Way(7)).way_of(AIR) == "ttn"
    assert router(lns=Way(0), ttn=Way()).way_of(AIR) == "lns"
    assert router("chirpstack", lns=Way(), chirpstack=Way()).way_of(AIR) == "chirpstack"
    assert router("broker", lns=Way()).way_of(AIR) == "lns"
    for found in (router(), router(lns=Way(), ttn=Way()), router(transport="mqtt", lns=Way(5))):
        with pytest.raises(DownlinkError):
            found.way_of(AIR)
    with pytest.raises(RegistryError, match="not registered"):
        router(transport=None, lns=Way(5)).way_of(AIR)


@pytest.mark.parametrize(("f_port", "length"), [(0, 1), (224, 1), (1, 0), (1, 243)])
async def test_what_no_network_can_carry_is_refused_before_any_is_asked(f_port: int, length: int) -> None:
    way = Way(5)
    with pytest.raises(RegistryError):
        await router(lns=way).enqueue(AIR, f_port, bytes(length))
    assert not way.sent
    assert await router(lns=way).enqueue(AIR, 1, bytes(242), True) == "lns:1"


def test_settings_of_the_network_server() -> None:
    made = lns_settings(
        Config({"lns.rx2_dr": 3, "lns.extra_channels_hz": ["867100000"], "lns.adr_margin_db": 5})
    )
    assert (made.rx2_dr, made.extra_channels_hz, made.adr_margin_db) == (3, (867_100_000,), 5)
    for wrong in ("867.1", "433000000"):
        with pytest.raises(ConfigError, match="extra_channels_hz"):
            lns_settings(Config({"lns.extra_channels_hz": [wrong]}))


async def test_the_things_stack_needs_its_application(tmp_path: Path) -> None:
    values = {"data.directory": str(tmp_path), "ttn.enabled": True, "web.port": 0, "broker.port": 0}
    with pytest.raises(ConfigError, match="application@tenant"):
        await Gateway(Config({**values, "semtech_udp.port": 0}), SetClock()).start()
