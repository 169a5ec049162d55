"""Semtech UDP: published examples of PROTOCOL.TXT, what packet forwarder 2.1.0 was seen to send, and fuzz.

A forwarder is played on a real socket; the bytes of its datagrams are written out by hand here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.counters import Counters
from gateway.errors import ConfigError, IngestError
from gateway.ingest.semtech_udp import SemtechUdpServer, SemtechUdpSettings
from gateway.ingest.semtech_udp.datagrams import Datagram, build_datagram, parse_datagram
from gateway.ingest.semtech_udp.packets import decode_base64, parse_push, parse_rxpk, parse_tx_ack
from gateway.ingest.semtech_udp.pulls import FRESH_MS, Pulls
from gateway.model import LoraDownlink, LoraFrame
from tests.gateway.house import SetClock

EUI = bytes.fromhex("aa555a0000000101")
GATEWAY = EUI.hex()
# As packet forwarder 2.1.0 writes it: jver, mid with a space, rssis, foff.
RXPK = (
    '{"jver":1,"tmst":1580612,"chan":0,"rfch":0,"freq":868.100000,"mid": 0,"stat":1,"modu":"LORA",'
    '"datr":"SF7BW125","codr":"4/5","rssis":-42,"lsnr":13.5,"foff":-312,"rssi":-41,"size":4,"data":"AQIDBA=="}'
)


class Clock:
    def now_ms(self) -> int:
        return 1_700_000_000_000


class Frames:
    def __init__(self) -> None:
        self.frames: list[LoraFrame] = []

    def frame(self, frame: LoraFrame) -> None:
        self.frames.append(frame)


class Forwarder(asyncio.DatagramProtocol):
    """A gateway's side of the socket."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.got.put_nowait(data)

    def send(self, data: bytes) -> None:
        self.transport.sendto(data)

    async def answer(self, data: bytes) -> bytes:
        self.send(data)
        return await asyncio.wait_for(self.got.get(), 30)


class House:
    def __init__(self, server, frames, counters, forwarder):
        self.server, self.frames, self.counters, self.forwarder = server, frames, counters, forwarder


@pytest.fixture
async def house():
    frames, counters = Frames(), Counters()
    server = SemtechUdpServer(frames, Clock(), counters, SemtechUdpSettings(port=0))
    await server.start()
    transport, forwarder = await asyncio.get_running_loop().create_datagram_endpoint(
        Forwarder, remote_addr=("127.0.0.1", server.port)
    )
    yield House(server, frames, counters, forwarder)
    transport.close()
    server.close()
    await asyncio.sleep(0)


def push(text: str, token: bytes = b"\x12\x34") -> bytes:
    return b"\x02" + token + b"\x00" + EUI + text.encode()


def downlink(timestamp_us: int = 5_000_000) -> LoraDownlink:
    return LoraDownlink(GATEWAY, b"\x60\x01\x02\x03", timestamp_us, 869_525_000, 12, 125, 27)


# -- what a gateway sends ---------------------------------------------------------------------


async def test_push_data_is_acknowledged_and_handed_on(house):
    assert await house.forwarder.answer(push(f'{{"rxpk":[{RXPK}]}}')) == b"\x02\x12\x34\x01"
    assert house.frames.frames == [
        LoraFrame(GATEWAY, b"\x01\x02\x03\x04", 1_580_612, 868_100_000, 7, 125, -41, 13.5, 1_700_000_000_000)
    ]


async def test_several_packets_come_in_one_datagram_and_a_bad_one_spoils_no_other(house):
    bad_crc = RXPK.replace('"stat":1', '"stat":-1')
    no_crc = RXPK.replace('"stat":1', '"stat":0')
    fsk = RXPK.replace('"LORA"', '"FSK"').replace('"SF7BW125"', "50000")
    broken = RXPK.replace("1580612", "-1")
    rxpk = ",".join([RXPK, bad_crc, no_crc, fsk, broken, "17", RXPK])
    await house.forwarder.answer(push(f'{{"rxpk":[{rxpk}]}}'))
    assert len(house.frames.frames) == 2
    counts = {
        name: house.counters.get(f"ingest.udp_{name}")
        for name in ("crc_bad", "crc_none", "modulation", "rxpk")
    }
    assert counts == {"crc_bad": 1, "crc_none": 1, "modulation": 1, "rxpk": 2}
    (status,) = house.server.gateways()
    assert (status.frames, status.refused) == (2, 5)


async def test_pull_data_is_acknowledged_with_pull_ack(house):
    assert await house.forwarder.answer(b"\x02\xab\xcd\x02" + EUI) == b"\x02\xab\xcd\x04"
    assert house.server.reaches(GATEWAY)


async def test_the_official_rxpk_example(shared, house):
    text = shared("vectors/platforms/udp/pf-01-rxpk.json").read_text()
    await house.forwarder.answer(push(text))
    first, last = house.frames.frames  # the second packet is FSK
    assert (first.timestamp_us, first.frequency_hz, first.spreading_factor) == (3_512_348_611, 866_349_812, 7)
    assert len(first.phy) == len(last.phy) == 32  # its size; the base64 is URL-safe and unpadded
    assert first.phy == base64.urlsafe_b64decode(
        "-DS4CGaDCdG+48eJNM3Vai-zDpsR71Pn9CPA9uCON84=".replace("+", "-")
    )
    assert last.rssi_dbm == -38 and last.snr_db == 5.5
    assert house.counters.get("ingest.udp_modulation") == 1


async def test_the_official_stat_example_is_in_the_gateways_status(shared, house):
    await house.forwarder.answer(push(shared("vectors/platforms/udp/pf-04-stat.json").read_text()))
    (status,) = house.server.gateways()
    assert status.stat["time"] == "2014-01-12 08:59:28 GMT"
    assert (status.stat["lati"], status.stat["rxok"], status.stat["ackr"]) == (46.24, 2, 100)
    assert status.last_push_ms == 1_700_000_000_000 and status.last_pull_ms is None


@pytest.mark.parametrize(
    ("text", "data"),
    [("-_-_", "fbffbf"), ("+/+/", "fbffbf"), ("AQ", "01"), ("AQ==", "01"), ("AQI", "0102"), ("AQI=", "0102")],
)
def test_base64_of_either_alphabet_padded_or_not(text, data):
    assert decode_base64(text).hex() == data


@pytest.mark.parametrize("text", ["A", "AQ=Q", "A Q=", "é", "AQI\n", "====="])
def test_other_text_is_no_base64(text):
    if text == "=====":
        assert decode_base64(text) == b""
        return
    with pytest.raises(IngestError):
        decode_base64(text)


def test_the_best_antenna_counts_where_a_forwarder_lists_several():
    packet = json.loads(RXPK)
    del packet["lsnr"], packet["rssi"]
    packet["rsig"] = [{"ant": 0, "rssic": -101, "lsnr": -3.5}, {"ant": 1, "rssic": -95, "lsnr": 2.25}]
    frame = parse_rxpk(packet, GATEWAY, 0)
    assert (frame.rssi_dbm, frame.snr_db) == (-95, 2.25)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x02", "truncated"),
        (b"\x02\x00\x00", "truncated"),
        (b"\x02\x00\x00\x00\x01\x02", "truncated"),
        (b"\x02\x00\x00\x05" + EUI[:7], "truncated"),
        (b"\x01\x00\x00\x00" + EUI + b"{}", "version"),
        (b"\x02\x00\x00\x06" + EUI, "kind"),
        (b"\x02\x00\x00\x01", "kind"),
        (b"\x02\x00\x00\x03{}", "kind"),
        (b"\x02\x00\x00\x05" + EUI, "tx_ack_stray"),
        (b"\x02\x00\x00\x00" + EUI, "json"),
        (b"\x02\x00\x00\x00" + EUI + b"{", "json"),
        (b"\x02\x00\x00\x00" + EUI + b"[1]", "json"),
        (b"\x02\x00\x00\x00" + EUI + b'{"rxpk":{}}', "json"),
        (b"\x02\x00\x00\x00" + EUI + b'{"stat":[]}', "json"),
        (b"\x02\x00\x00\x00" + EUI + b'{"rxpk":[' + b"[" * 50_000, "json"),
        (b"\x02\x00\x00\x00" + EUI + b'{"rxpk":"\xff\xfe"}', "json"),
        (b"\x02\x00\x00\x00" + EUI + b'{"rxpk":[' + b"1," * 300 + b"1]}", "json"),
    ],
)
async def test_malformed_datagrams_are_counted_by_cause_and_the_server_lives(house, data, cause):
    house.forwarder.send(data)
    await house.forwarder.answer(b"\x02\x00\x07\x02" + EUI)
    for _ in range(100):  # a PUSH_ACK may have stood before the PULL_ACK
        if house.counters.get(f"ingest.udp_{cause}"):
            break
        await asyncio.sleep(0.01)
    assert house.counters.get(f"ingest.udp_{cause}") == 1
    assert not house.frames.frames


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tmst", 2**32), ("tmst", "1"), ("tmst", True), ("tmst", 1.5), ("freq", "868.1"), ("freq", 10**400),
        ("freq", 868_100_000), ("freq", None), ("datr", "SF13BW125"), ("datr", 50_000), ("datr", "SF7BW125 "),
        ("data", 4), ("data", "%%"), ("data", ""), ("size", 5), ("stat", 2), ("stat", False), ("stat", "1"),
    ],
)  # fmt: skip
def test_wrong_fields_of_an_rxpk_are_named(field, value):
    packet = json.loads(RXPK) | {field: value}
    with pytest.raises(IngestError, match=r"rxpk\.\w+: ") as error:
        parse_rxpk(packet, GATEWAY, 0)
    assert error.value.cause == "ingest.udp_rxpk"


# -- downlinks --------------------------------------------------------------------------------


async def take_pull_resp(forwarder: Forwarder) -> tuple[bytes, dict]:
    data = await asyncio.wait_for(forwarder.got.get(), 30)
    assert data[0] == 2 and data[3] == 3
    return data[1:3], json.loads(data[4:])["txpk"]


async def test_a_downlink_goes_to_where_the_last_pull_data_came_from(house):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink(2**32 + 7)))
    token, txpk = await take_pull_resp(house.forwarder)
    assert txpk == {
        "imme": False, "tmst": 7, "freq": 869.525, "rfch": 0, "powe": 27, "modu": "LORA", "datr": "SF12BW125",
        "codr": "4/5", "ipol": True, "prea": 8, "ncrc": True, "size": 4, "data": "YAECAw==",
    }  # fmt: skip
    house.forwarder.send(b"\x02" + token + b"\x05" + EUI)  # success: 12 bytes, no JSON
    assert await sending is None
    assert house.server.gateways()[0].downlinks == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b'{"txpk_ack":{"error":"NONE"}}', None),
        (b'{"txpk_ack":{"error":""}}', None),
        (b'{"txpk_ack":{"warn":"TX_POWER","value":27}}', None),
        (b'{"txpk_ack":{"error":"TOO_LATE"}}', "TOO_LATE"),
        (b'{"txpk_ack":{"error":"COLLISION_PACKET"}}\x00', "COLLISION_PACKET"),
        (b'{"txpk_ack":{"error":7}}', "NO_ANSWER"),
        (b"{", "NO_ANSWER"),
    ],
)
async def test_what_the_gateway_says_of_a_downlink(house, answer, result):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink()))
    token, _ = await take_pull_resp(house.forwarder)
    house.forwarder.send(b"\x02" + token + b"\x05" + EUI + answer)
    assert await sending == result
    assert house.counters.get("ingest.udp_tx_warning") == (b"warn" in answer)


async def test_an_answer_of_another_gateway_or_token_does_not_count(house):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink()))
    token, _ = await take_pull_resp(house.forwarder)
    house.forwarder.send(b"\x02" + token + b"\x05" + EUI[::-1])
    house.forwarder.send(b"\x02" + bytes([token[0], token[1] ^ 1]) + b"\x05" + EUI)
    assert await sending == "NO_ANSWER"
    assert house.counters.get("ingest.udp_tx_ack_stray") == 2


@pytest.mark.parametrize("lie", [b"", b'{"txpk_ack":{"error":"TOO_LATE"}}'])
async def test_a_stranger_who_pulls_in_a_gateways_name_takes_away_no_downlink(house, lie):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    loop = asyncio.get_running_loop()
    transport, thief = await loop.create_datagram_endpoint(
        Forwarder, local_addr=("127.0.0.2", 0), remote_addr=("127.0.0.1", house.server.port)
    )
    for _ in range(10):
        await thief.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink()))
    token, _ = await take_pull_resp(house.forwarder)
    for _ in range(3):
        thief.send(b"\x02" + token + b"\x05" + EUI + lie)
    await asyncio.sleep(0.05)
    house.forwarder.send(b"\x02" + token + b"\x05" + EUI)
    assert await sending is None
    transport.close()


async def test_an_answer_from_a_host_that_was_not_asked_does_not_count(house):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink()))
    token, _ = await take_pull_resp(house.forwarder)
    house.server.datagram_received(b"\x02" + token + b"\x05" + EUI, ("192.0.2.1", 1700))
    assert await sending == "NO_ANSWER"
    assert house.counters.get("ingest.udp_tx_ack_stray") == 1


def test_hosts_that_pull_in_a_name_are_few_and_forgotten_when_they_stop():
    pulls = Pulls()
    for host in range(9):
        pulls.note(GATEWAY, (f"192.0.2.{host}", 1), 0)
    assert [address[0] for address in pulls.addresses(GATEWAY, 1)] == [f"192.0.2.{n}" for n in range(4)]
    assert len(pulls.addresses(GATEWAY, 10 * FRESH_MS)) == 1  # better than none
    pulls.note(GATEWAY, ("198.51.100.1", 5), FRESH_MS)  # it moved
    pulls.note(GATEWAY, ("198.51.100.1", 6), FRESH_MS + 1)  # its NAT gave it another port
    assert pulls.addresses(GATEWAY, FRESH_MS + 1) == [("198.51.100.1", 6)]


async def test_without_pull_data_there_is_no_way_down(house):
    assert not house.server.reaches(GATEWAY)
    assert await house.server.transmit(downlink()) == "NO_ROUTE"


async def test_closing_ends_downlinks_under_way(house):
    await house.forwarder.answer(b"\x02\x00\x01\x02" + EUI)
    sending = asyncio.create_task(house.server.transmit(downlink()))
    await take_pull_resp(house.forwarder)
    house.server.close()
    assert await sending == "CLOSED"


def test_the_official_txpk_ack_example(shared):
    json_text = shared("vectors/platforms/udp/pf-09-txpk_ack.json").read_bytes()
    assert parse_tx_ack(json_text).error == "COLLISION_PACKET"


# -- limits -----------------------------------------------------------------------------------


async def test_only_listed_gateways_may_speak_when_there_is_a_list():
    frames, counters = Frames(), Counters()
    server = SemtechUdpServer(
        frames, Clock(), counters, SemtechUdpSettings(port=0, gateways=frozenset({"f" * 16}))
    )
    server.datagram_received(push(f'{{"rxpk":[{RXPK}]}}'), ("192.0.2.1", 1))
    assert counters.get("ingest.udp_foreign_gateway") == 1 and not frames.frames


async def test_the_gateway_table_is_bounded():
    frames, counters = Frames(), Counters()
    server = SemtechUdpServer(frames, Clock(), counters, SemtechUdpSettings(port=0, max_gateways=2))
    for n in range(5):
        server.datagram_received(b"\x02\x00\x00\x02" + n.to_bytes(8, "big"), ("192.0.2.1", 1))
    assert len(server.gateways()) == 2 and counters.get("ingest.udp_too_many_gateways") == 3


async def test_made_up_gateways_bar_a_real_one_for_ten_minutes_at_most():
    clock = SetClock()
    server = SemtechUdpServer(Frames(), clock, Counters(), SemtechUdpSettings(port=0, max_gateways=2))
    pull = b"\x02\x00\x00\x02"
    for n in range(2):
        server.datagram_received(pull + n.to_bytes(8, "big"), ("192.0.2.1", 1))
    clock.ms += 601_000
    server.datagram_received(pull + bytes(8), ("192.0.2.1", 1))
    server.datagram_received(pull + EUI, ("198.51.100.1", 1))
    assert [one.gateway_id for one in server.gateways()] == ["0" * 16, GATEWAY]
    assert not server.reaches("0" * 15 + "1")


async def test_a_port_in_use_is_one_sentence_with_the_remedy():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        settings_ = SemtechUdpSettings(port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="another port"):
            await SemtechUdpServer(Frames(), Clock(), Counters(), settings_).start()


# -- any bytes --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("tmst", "freq", "stat", "modu", "datr", "rssi", "lsnr", "rsig", "size", "data")


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_a_datagram_or_an_ingest_error(data):
    try:
        datagram = parse_datagram(data)
    except IngestError as error:
        assert error.cause.startswith("ingest.udp_")
        return
    again = parse_datagram(build_datagram(datagram))
    assert again == datagram


@given(kind=st.sampled_from([0, 3, 5]), token=st.integers(0, 65535), json_bytes=st.binary(max_size=50))
def test_datagrams_survive_their_bytes(kind, token, json_bytes):
    json_bytes = json_bytes.rstrip(b"\x00")
    datagram = Datagram(kind, token, "" if kind == 3 else GATEWAY, json_bytes)
    assert parse_datagram(build_datagram(datagram)) == datagram


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
@settings(max_examples=300)
def test_any_rxpk_is_a_frame_or_an_ingest_error(changes):
    try:
        frame = parse_rxpk(json.loads(RXPK) | changes, GATEWAY, 0)
    except IngestError as error:
        assert error.cause.startswith("ingest.udp_")
    else:
        assert 0 < len(frame.phy) <= 255 and 0 <= frame.timestamp_us < 2**32


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300)
def test_any_json_is_a_push_or_an_ingest_error(text):
    for parse in (parse_push, parse_tx_ack):
        try:
            parse(text)
        except IngestError as error:
            assert error.cause.startswith("ingest.udp_")


def test_any_datagram_through_the_real_socket_leaves_the_server_answering():
    bodies = st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda kind, eui, body: b"\x02\x00\x00" + bytes([kind]) + eui + body,
            st.integers(0, 6),
            st.binary(max_size=8),
            st.binary(max_size=60) | JSON.map(lambda v: json.dumps({"rxpk": [v], "stat": v}).encode()),
        ),
    )

    async def play(datagrams: list[bytes]) -> None:
        counters = Counters()
        server = SemtechUdpServer(Frames(), Clock(), counters, SemtechUdpSettings(port=0))
        await server.start()
        transport, forwarder = await asyncio.get_running_loop().create_datagram_endpoint(
            Forwarder, remote_addr=("127.0.0.1", server.port)
        )
        for data in datagrams:
            forwarder.send(data)
        data = await forwarder.answer(b"\x02\xbe\xef\x02" + EUI)
        while data != b"\x02\xbe\xef\x04":
            data = await asyncio.wait_for(forwarder.got.get(), 30)
        transport.close()
        server.close()
        await asyncio.sleep(0)

    @given(st.lists(bodies, max_size=8))
    @settings(max_examples=100)
    def fuzz(datagrams: list[bytes]) -> None:
        with asyncio.Runner() as runner:
            runner.run(play(datagrams))

    fuzz()
