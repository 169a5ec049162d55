"""The Basics Station server: against a station written from the protocol's description, and PyPI pamoja.

Field names, signs and forms: lorabasics/basicstation 2.0.6, src/s2e.c, src/lora.c, src/tc.c.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import types
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.counters import Counters
from gateway.errors import ConfigError, IngestError
from gateway.ingest.basics_station import BasicsStationServer, BasicsStationSettings, messages, server
from gateway.ingest.basics_station.identity import id6, parse_eui
from gateway.ingest.basics_station.router_config import concentrator, router_config
from gateway.ingest.semtech_udp import SemtechUdpServer, SemtechUdpSettings
from gateway.lns import LnsSettings, NetworkServer, SessionStore
from gateway.model import LoraDownlink, LoraFrame
from tests.gateway.ingest.station import EUI, Station, discover, heard, jreq, updf
from tests.gateway.lns.liblora_device import Device
from tests.gateway.lns.street import Keys, Sink, Street

from ..house import SetClock

XTIME = (0x2A << 48) + 123_456_789  # above 2**53: a float would lose its last bits


class Frames:
    def __init__(self) -> None:
        self.frames: asyncio.Queue[LoraFrame] = asyncio.Queue()

    def frame(self, frame: LoraFrame) -> None:
        self.frames.put_nowait(frame)

    async def next(self) -> LoraFrame:
        return await asyncio.wait_for(self.frames.get(), 30)


@contextlib.asynccontextmanager
async def a_server(sink=None, on_air=None, **changes) -> AsyncIterator[types.SimpleNamespace]:
    sink, counters = sink or Frames(), Counters()
    made = BasicsStationServer(sink, SetClock(), counters, BasicsStationSettings(port=0, **changes), on_air)
    await made.start()
    try:
        yield types.SimpleNamespace(server=made, sink=sink, counters=counters, port=made.port)
    finally:
        await made.close()


async def until(true, timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - a station tells nobody that it was heard
            await asyncio.sleep(0.01)


def a_downlink(**changes) -> LoraDownlink:
    fields = {
        "gateway_id": EUI, "phy": b"\x60\x01", "timestamp_us": 1, "frequency_hz": 868_100_000,
        "spreading_factor": 7, "bandwidth_khz": 125, "power_dbm": 14, "delay_s": 1, "context": (XTIME, 3),
    }  # fmt: skip
    return LoraDownlink(**(fields | changes))


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["0:ff:fe00:1", "::1", "1::", "::", "a:b::c", "0016:c001:ff10:a235", 1, 0xFFFF_FFFF_FFFF_FFFF],
)
def test_id6_forms(name):
    expected = {
        "0:ff:fe00:1": "000000fffe000001", "::1": "0000000000000001", "1::": "0001000000000000",
        "::": "0000000000000000", "a:b::c": "000a000b0000000c", "0016:c001:ff10:a235": EUI,
        1: "0000000000000001", 0xFFFF_FFFF_FFFF_FFFF: "f" * 16,
    }  # fmt: skip
    assert parse_eui(name) == expected[name]
    pamoja = pytest.importorskip("pamoja.gateway", reason="pamoja-gateway is not installed")
    if isinstance(name, str):
        assert pamoja.station_eui_of(name) == expected[name]


@pytest.mark.parametrize("name", [EUI, "00-16-C0-01-FF-10-A2-35", "00:16:c0:01:ff:10:a2:35", f"router-{EUI}"])
def test_eui_forms(name):
    assert parse_eui(name) == EUI


@pytest.mark.parametrize(
    "name", ["", ":::", "1::2::3", "1:2:3", "1:2:3:4:5", "x::", "12345::", -1, 1 << 64, None, True]
)
def test_what_is_no_eui(name):
    with pytest.raises(IngestError):
        parse_eui(name)


@given(st.integers(0, (1 << 64) - 1))
def test_an_id6_is_read_back(number):
    assert parse_eui(id6(f"{number:016x}")) == f"{number:016x}"


# -- frames --------------------------------------------------------------------------------------


@st.composite
def data_frames(draw):
    fopts = draw(st.binary(max_size=15))
    control = draw(st.integers(0, 15)) << 4 | len(fopts)
    body = draw(st.none() | st.binary(min_size=1, max_size=222))
    head = bytes([draw(st.sampled_from([0x40, 0x80]))]) + draw(st.binary(min_size=4, max_size=4))
    counter = draw(st.binary(min_size=2, max_size=2))
    return head + bytes([control]) + counter + fopts + (body or b"") + draw(st.binary(min_size=4, max_size=4))


@given(data_frames())
def test_a_data_frame_is_put_together_as_it_was_on_the_air(phy):
    text = json.dumps(heard(updf(phy), XTIME))
    assert messages.data_phy(messages.read(text, messages.DataFrame)) == phy


@given(st.binary(min_size=22, max_size=22))
def test_a_join_request_is_put_together_as_it_was_on_the_air(body):
    text = json.dumps(heard(jreq(b"\x00" + body), XTIME))
    assert messages.join_request_phy(messages.read(text, messages.JoinRequest)) == b"\x00" + body


@given(st.one_of(data_frames(), st.binary(min_size=22, max_size=22).map(lambda body: b"\x00" + body)))
@settings(max_examples=50)
def test_frames_that_an_independent_station_took_apart(phy):
    pamoja = pytest.importorskip("pamoja.gateway", reason="pamoja-gateway is not installed")
    try:
        message = pamoja.station_heard(phy, 5, 868_100_000, pamoja.StationLevels(xtime=XTIME))
    except ValueError:
        return  # a frame that it drops itself, as a station does
    text = pamoja.station_encode(message)
    if message.msgtype == "jreq":
        assert messages.join_request_phy(messages.read(text, messages.JoinRequest)) == phy
    elif message.msgtype == "updf":
        found = messages.read(text, messages.DataFrame)
        assert messages.data_phy(found) == phy and found.upinfo.xtime == XTIME


NAMES = (
    "msgtype MHdr DevAddr FCtrl FCnt FOpts FPort FRMPayload MIC DR Freq upinfo xtime rctx JoinEui DevEui"
    " DevNonce"
).split()
VALUES = (
    st.none()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=20)
    | st.floats()
    | st.lists(st.integers(), max_size=2)
)


@given(st.sampled_from([updf(bytes.fromhex("40785634f2800700010203040506")), jreq(bytes(23))]),
       st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))  # fmt: skip
def test_any_message_is_a_frame_or_an_ingest_error(message, changes):
    text = json.dumps(heard(message, XTIME) | changes)
    shape, build = (
        (messages.DataFrame, messages.data_phy)
        if message["msgtype"] == "updf"
        else (messages.JoinRequest, messages.join_request_phy)
    )
    try:
        found = messages.read(text, shape)
        messages.frame(EUI, build(found), found, 0)
    except IngestError as error:
        assert error.cause.startswith("ingest.station_")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"msgtype": 7}', "\ud800"])
def test_what_is_no_message(text):
    with contextlib.suppress(IngestError):
        assert messages.kind_of(text) == ""


# -- configuration -------------------------------------------------------------------------------


def test_the_usual_channels_on_two_radios():
    conf = concentrator((868_100_000, 868_300_000, 868_500_000, *LnsSettings().extra_channels_hz))
    assert (conf["radio_0"]["freq"], conf["radio_1"]["freq"]) == (867_500_000, 868_500_000)
    placed = {
        conf[f"radio_{conf[f'chan_multiSF_{n}']['radio']}"]["freq"] + conf[f"chan_multiSF_{n}"]["if"]
        for n in range(8)
    }
    assert placed == {867_100_000 + 200_000 * n for n in range(8)}
    assert conf["chan_Lora_std"] == {
        "enable": True, "radio": 1, "if": -200_000, "bandwidth": 250_000, "spread_factor": 7
    }  # fmt: skip
    assert conf["chan_FSK"]["enable"] and conf["chan_FSK"]["if"] == 300_000


def test_channels_that_a_station_cannot_take_are_refused_at_the_start():
    with pytest.raises(ConfigError, match="two radios"):
        router_config((863_100_000, 865_100_000, 867_100_000), 0)


def test_an_independent_station_reads_our_messages():
    pamoja = pytest.importorskip("pamoja.gateway", reason="pamoja-gateway is not installed")
    found = pamoja.station_parse(json.dumps(router_config(LnsSettings().extra_channels_hz, 1.5)))
    assert (found.msgtype, found.region, found.hwspec) == ("router_config", "EU863", "sx1301/1")
    assert (found.freq_min, found.freq_max, len(found.data_rates)) == (863_000_000, 870_000_000, 16)
    second = a_downlink(frequency_hz=869_525_000, spreading_factor=12, delay_s=2)
    found = pamoja.station_parse(json.dumps(messages.downlink(9, a_downlink(fallback=second), 1.5)))
    assert (found.msgtype, found.class_, found.diid, found.rx_delay, found.xtime) == (
        "dnmsg",
        0,
        9,
        1,
        XTIME,
    )
    assert (found.rx1.data_rate, found.rx1.frequency_hz) == (5, 868_100_000)
    assert (found.rx2.data_rate, found.rx2.frequency_hz) == (0, 869_525_000)
    assert found.payload == b"\x60\x01"


# -- the server ----------------------------------------------------------------------------------


async def test_discovery_sends_a_station_to_its_session():
    async with a_server() as house:
        answer = await discover(house.port, "16:c001:ff10:a235")
        assert answer["uri"] == f"ws://127.0.0.1:{house.port}/router-{EUI}"
        assert parse_eui(answer["router"]) == EUI
        station = await Station.start(house.port, uri=answer["uri"])
        assert station.config["msgtype"] == "router_config"
        await station.close()
    async with a_server(uri="wss://meetnet.example:443/") as house:
        assert (await discover(house.port, "::1"))[
            "uri"
        ] == "wss://meetnet.example:443/router-0000000000000001"


async def test_discovery_says_what_is_wrong():
    async with a_server(gateways=frozenset([EUI])) as house:
        assert "basics_station.gateways" in (await discover(house.port, "::1"))["error"]
        assert "no EUI" in (await discover(house.port, "nonsense"))["error"]
        assert (await discover(house.port, [1]))["error"]
        for path in ("/", "/router-", "/router-::1"):
            with pytest.raises(InvalidStatus) as refused:
                await Station.start(house.port, uri=f"ws://127.0.0.1:{house.port}{path}")
            assert refused.value.response.status_code == 404


async def test_frames_go_up_with_their_clock_whole():
    phy = bytes.fromhex("40785634f2800700010203040506")  # DevAddr f2345678 and MIC 06050403
    async with a_server() as house:
        station = await Station.start(house.port)
        await station.send(heard(updf(phy), XTIME, dr=3, frequency_hz=867_300_000, rctx=5))
        frame = await house.sink.next()
        assert (frame.phy, frame.context, frame.timestamp_us) == (phy, (XTIME, 5), XTIME & 0xFFFFFFFF)
        assert (frame.spreading_factor, frame.bandwidth_khz, frame.frequency_hz) == (9, 125, 867_300_000)
        assert (frame.gateway_id, frame.rssi_dbm, frame.snr_db) == (EUI, -71, 7.25)
        await station.close()
        (status,) = house.server.gateways()
        assert (status.frames, status.station) == (1, "2.0.6(linux/std)")


async def test_what_a_network_server_must_not_take_is_counted_and_harms_nothing():
    async with a_server() as house:
        station = await Station.start(house.port)
        for kind in ("propdf", "dndf", "rmtsh", "runcmd"):
            await station.send({"msgtype": kind, "FRMPayload": "E0", "upinfo": {}})
        await station.send(heard(updf(bytes(12)), XTIME, dr=7))  # FSK
        await station.send({"msgtype": "something"})
        await station.connection.send("no JSON")
        await station.connection.send(b"a remote shell")
        await station.send(heard(updf(bytes(12)), XTIME))
        assert (await house.sink.next()).phy == bytes(12)
        names = ("propdf", "dndf", "rmtsh", "runcmd", "not_lora", "unknown", "malformed", "binary")
        assert [house.counters.get(f"ingest.station_{name}") for name in names] == [1] * 8
        await station.close()


async def test_a_timesync_is_answered_in_gps_microseconds():
    async with a_server() as house:
        station = await Station.start(house.port)
        await station.send({"msgtype": "timesync", "txtime": 9_007_199_254_740_993})
        answer = await station.receive()
        # GPS runs 18 s ahead of UTC since 2017 and starts in 1980 (IS-GPS-200).
        utc_s = SetClock().now_ms() / 1000
        assert answer == {
            "msgtype": "timesync", "txtime": 9_007_199_254_740_993,
            "gpstime": round((utc_s - 315_964_800 + 18) * 1e6),
        }  # fmt: skip
        await station.close()


async def test_a_downlink_carries_both_windows_and_what_its_uplink_said():
    second = a_downlink(frequency_hz=869_525_000, spreading_factor=12, delay_s=2)
    async with a_server() as house:
        assert await house.server.transmit(a_downlink()) == "NO_ROUTE"
        station = await Station.start(house.port)
        assert house.server.reaches(EUI)
        assert await house.server.transmit(a_downlink(fallback=second)) is None
        message = await station.receive()
        assert message.items() >= {
            "msgtype": "dnmsg", "dC": 0, "RxDelay": 1, "RX1DR": 5, "RX1Freq": 868_100_000, "RX2DR": 0,
            "RX2Freq": 869_525_000, "pdu": "6001", "xtime": XTIME, "rctx": 3,
        }.items()  # fmt: skip
        assert await house.server.transmit(a_downlink(context=None)) == "NO_CONTEXT"
        assert await house.server.transmit(a_downlink(delay_s=16)) is None
        late = await station.receive()  # RxDelay has four bits: 15 s and RX2 alone
        assert late["RxDelay"] == 15 and "RX1Freq" not in late and late["RX2Freq"] == 868_100_000
        assert late["diid"] != message["diid"]
        await station.close()


async def test_a_report_settles_a_downlink_and_its_absence_is_counted(monkeypatch):
    booked: list[LoraDownlink] = []
    second = a_downlink(frequency_hz=869_525_000, spreading_factor=12, delay_s=2)
    monkeypatch.setattr(server, "_REPORT_S", -0.8)
    async with a_server(on_air=booked.append) as house:
        station = await Station.start(house.port)
        assert await house.server.transmit(a_downlink(fallback=second)) is None
        told = await station.receive()
        # Station 2.0.6 takes RX2 by itself when the duty cycle of RX1's band is used up.
        report = {"msgtype": "dntxed", "diid": told["diid"], "DR": 0, "Freq": 869_525_000, "xtime": XTIME}
        await station.send(report)
        await until(lambda: booked == [second])
        await station.send(report)
        await until(lambda: house.counters.get("ingest.station_dntxed_stray") == 1)
        assert await house.server.transmit(a_downlink()) is None
        await until(lambda: house.counters.get("ingest.station_not_sent") == 1)
        (status,) = house.server.gateways()
        assert (status.downlinks, status.downlinks_refused) == (1, 1)
        await station.close()


async def test_a_token_is_asked_for_before_anything_else():
    async with a_server(token="s3cret") as house:
        for headers in ({}, {"Authorization": "Bearer other"}):
            with pytest.raises(InvalidStatus) as refused:
                await Station.start(house.port, additional_headers=headers)
            assert refused.value.response.status_code == 401
        assert house.server.gateways() == [] and house.counters.get("ingest.station_token") == 2
        right = {"Authorization": "Bearer s3cret"}
        assert "uri" in await discover(house.port, "::1", additional_headers=right)
        station = await Station.start(house.port, additional_headers=right)
        await station.close()
        assert "s3cret" not in repr(house.server._settings) + str(house.counters.snapshot())


def a_certificate(folder: Path) -> tuple[Path, Path]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_tls_from_discovery_to_session(tmp_path):
    certificate, key = a_certificate(tmp_path)
    tls = ssl.create_default_context(cafile=str(certificate))
    async with a_server(certificate=certificate, key=key) as house:
        answer = await discover(house.port, "::1", tls)
        assert answer["uri"].startswith("wss://127.0.0.1:")
        station = await Station.start(house.port, uri=answer["uri"], ssl=tls)
        assert station.config["region"] == "EU863"
        await station.close()
    with pytest.raises(ConfigError, match="tls_certificate"):
        async with a_server(certificate=key):
            pass


async def _a_silent_station(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket by hand and never answer a ping: a modem without power."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /router-{EUI} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    return reader, writer


async def test_a_station_that_is_silently_gone_is_noticed_and_may_come_back():
    async with a_server(ping_s=0.1) as house:
        _, writer = await _a_silent_station(house.port)
        await until(lambda: house.server.reaches(EUI))
        await until(lambda: not house.server.reaches(EUI))
        assert not house.server.gateways()[0].connected
        assert await house.server.transmit(a_downlink()) == "NO_ROUTE"
        station = await Station.start(house.port)
        await station.send(heard(updf(bytes(12)), XTIME))
        await house.sink.next()
        await station.close()
        writer.close()


async def test_a_station_that_comes_back_before_that_takes_the_place_of_its_old_self():
    async with a_server() as house:
        first = await Station.start(house.port)
        second = await Station.start(house.port)
        with pytest.raises(ConnectionClosed):
            await first.connection.recv()
        assert await house.server.transmit(a_downlink()) is None
        assert (await second.receive())["msgtype"] == "dnmsg"
        await second.close()


async def test_a_port_in_use_is_a_wrong_setting():
    async with a_server() as house:
        other = BasicsStationServer(Frames(), SetClock(), Counters(), BasicsStationSettings(port=house.port))
        with pytest.raises(ConfigError, match=r"basics_station\.port"):
            await other.start()


# -- with the network server ---------------------------------------------------------------------


@contextlib.asynccontextmanager
async def a_network(path: Path, **lns) -> AsyncIterator[types.SimpleNamespace]:
    keys, sink, counters, clock = Keys(), Sink(), Counters(), SetClock()
    store = SessionStore(path)
    network = NetworkServer(keys, sink, store, clock, counters, LnsSettings(gathering_s=0.05, **lns))
    stations = BasicsStationServer(network, clock, counters, BasicsStationSettings(port=0), network.on_air)
    udp = SemtechUdpServer(network, clock, counters, SemtechUdpSettings(port=0))
    for way in (stations, udp):
        network.attach(way)
        await way.start()
    street = Street(path)
    street.keys = keys
    try:
        yield types.SimpleNamespace(
            network=network, sink=sink, counters=counters, stations=stations, udp=udp, device=street.device()
        )
    finally:
        udp.close()
        await stations.close()
        await network.close()
        await store.close()


async def _join(station: Station, device: Device) -> dict:
    await station.send(heard(jreq(device.join_request()), XTIME))
    answer = await station.receive()
    device.take_accept(bytes.fromhex(answer["pdu"]))
    await station.send(
        {"msgtype": "dntxed", "diid": answer["diid"], "DR": 5, "Freq": 868_100_000, "xtime": XTIME}
    )
    return answer


async def test_a_device_joins_and_is_answered_through_a_station(tmp_path):
    async with a_network(tmp_path / "lns.sqlite") as house:
        station = await Station.start(house.stations.port)
        answer = await _join(station, house.device)
        assert (answer["RxDelay"], answer["RX1DR"], answer["RX2DR"], answer["xtime"]) == (5, 5, 0, XTIME)
        later = XTIME + 30_000_000
        await station.send(heard(updf(house.device.uplink(b"\x01\x02", 1, confirmed=True)), later))
        answer = await station.receive()
        assert (answer["RxDelay"], answer["xtime"]) == (1, later)
        assert house.device.take(bytes.fromhex(answer["pdu"])).ack
        assert [uplink.payload for uplink in house.sink.uplinks] == [b"\x01\x02"]
        await station.send({"msgtype": "dntxed", "diid": answer["diid"], "DR": 0, "Freq": 869_525_000})
        await until(lambda: "P" in house.network.airtime_us(EUI))
        await station.close()


async def test_a_frame_by_udp_and_by_a_station_is_one_uplink_with_two_receptions(tmp_path):
    import base64

    async with a_network(tmp_path / "lns.sqlite") as house:
        station = await Station.start(house.stations.port)
        await _join(station, house.device)
        phy = house.device.uplink(b"\x05", 1)
        rxpk = {
            "tmst": 7, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5",
            "rssi": -90, "lsnr": -3.5, "size": len(phy), "data": base64.b64encode(phy).decode(),
        }  # fmt: skip
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", house.udp.port)
        )
        datagram = bytes.fromhex("02123400aa555a0000000001") + json.dumps({"rxpk": [rxpk]}).encode()
        transport.sendto(datagram)
        await station.send(heard(updf(phy), XTIME + 9_000_000))
        await until(lambda: house.sink.uplinks)
        await asyncio.sleep(0.2)
        (uplink,) = house.sink.uplinks
        assert [(r.gateway_id, r.snr_db) for r in uplink.receptions] == [
            (EUI, 7.25),
            ("aa555a0000000001", -3.5),
        ]
        transport.close()
        await station.close()


def test_numbers_beyond_sixty_four_bits_are_refused():
    for name in ("xtime", "rctx"):
        message = heard(updf(bytes(12)), 0)
        message["upinfo"][name] = 1 << 63
        found = messages.read(json.dumps(message), messages.DataFrame)
        with pytest.raises(IngestError):
            messages.frame(EUI, bytes(12), found, 0)
