"""The simulated gateway on the wire; formats from Lora-net/packet_forwarder PROTOCOL.TXT and its captures."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.channel import semtech
from simulator.channel.forwarder import Forwarder
from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel

EUI = bytes.fromhex("0016c001ff10a235")


class Server(asyncio.DatagramProtocol):
    """What a network server sees; it acknowledges as PROTOCOL.TXT says."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self.peer: Any = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert data[0] == 2
        assert data[4:12] == EUI
        kind, token = data[3], int.from_bytes(data[1:3], "big")
        if kind == 0:
            self.transport.sendto(data[:3] + b"\x01", addr)
        elif kind == 2:
            self.peer = addr
            self.transport.sendto(data[:3] + b"\x04", addr)
        self.got.put_nowait((kind, token, data[12:]))

    async def next(self, kind: int) -> tuple[int, bytes]:
        while True:
            got = await asyncio.wait_for(self.got.get(), 30)
            if got[0] == kind:
                return got[1], got[2]

    def pull_resp(self, txpk: dict[str, Any], token: int = 0x1234) -> None:
        self.send(json.dumps({"txpk": txpk}).encode(), token)

    def send(self, body: bytes, token: int = 0x1234) -> None:
        self.transport.sendto(b"\x02" + token.to_bytes(2, "big") + b"\x03" + body, self.peer)


class World:
    def __init__(self) -> None:
        self.channel = IdealChannel()
        self.server = Server()
        self.gateway: Forwarder = None  # type: ignore[assignment]

    def now_us(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e6)

    def uplink(self, payload: bytes = b"\x40abc", **more: Any) -> Frame:
        keywords: dict[str, Any] = {"start_us": self.now_us(), "freq_hz": 868_100_000, "sf": 7, "bw_khz": 125}
        frame = Frame(payload=payload, **(keywords | more))
        self.channel.transmit(frame)
        return frame

    def downlink(self, ahead_us: int = 100_000, **more: Any) -> dict[str, Any]:
        return {
            "imme": False,
            "tmst": self.gateway.counter_us() + ahead_us & 0xFFFFFFFF,
            "freq": 868.1,
            "rfch": 0,
            "powe": 14,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "ipol": True,
            "ncrc": True,
            "size": 4,
            "data": base64.b64encode(b"\x60down").decode(),
        } | more


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: world.server, local_addr=("127.0.0.1", 0))
    address = transport.get_extra_info("sockname")
    world.gateway = Forwarder(
        world.channel, address, world.now_us, eui=EUI, utc_ms=lambda: 1389517168_000, stat_s=0.05
    )
    await world.gateway.start()
    await world.server.next(semtech.PULL_DATA)
    yield world
    await world.gateway.stop()
    transport.close()
    await asyncio.sleep(0)


async def test_an_uplink_is_pushed_when_it_ends_with_the_counter_of_its_end(world: World):
    frame = world.uplink()
    _, body = await world.server.next(semtech.PUSH_DATA)
    assert world.now_us() >= frame.end_us - 1000
    (rxpk,) = json.loads(body)["rxpk"]
    assert rxpk["tmst"] == world.gateway.counter_us(frame.end_us)
    assert (rxpk["freq"], rxpk["datr"], rxpk["codr"], rxpk["modu"]) == (868.1, "SF7BW125", "4/5", "LORA")
    assert (rxpk["stat"], rxpk["size"], rxpk["rssi"], rxpk["lsnr"]) == (1, 4, -80, 9.0)
    assert base64.b64decode(rxpk["data"]) == b"\x40abc"


async def test_rxpk_has_the_keys_that_the_protocol_demands(world: World, shared: Callable[[str], Path]):
    world.uplink()
    _, body = await world.server.next(semtech.PUSH_DATA)
    (rxpk,) = json.loads(body)["rxpk"]
    published = json.loads(shared("vectors/platforms/udp/pf-01-rxpk.json").read_text())["rxpk"][0]
    assert set(published) - set(rxpk) == {"time"}  # only gateways with GPS have it
    assert {k: type(v) for k, v in rxpk.items() if k in published} == {
        k: type(v) for k, v in published.items() if k != "time"
    }


async def test_stat_has_the_published_shape(world: World, shared: Callable[[str], Path]):
    _, body = await world.server.next(semtech.PUSH_DATA)
    stat = json.loads(body)["stat"]
    published = json.loads(shared("vectors/platforms/udp/pf-04-stat.json").read_text())["stat"]
    assert set(published) - set(stat) == {"lati", "long", "alti"}  # no GPS
    assert stat["time"] == "2014-01-12 08:59:28 GMT"


async def test_downlinks_heard_and_foreign_sync_words_are_not_pushed(world: World):
    world.uplink(b"\x60x", inverted=True)
    world.uplink(b"\x40x", sync_word=0x1424)
    world.uplink(b"\x40mine")
    _, body = await world.server.next(semtech.PUSH_DATA)
    while "rxpk" not in json.loads(body):
        _, body = await world.server.next(semtech.PUSH_DATA)
    assert base64.b64decode(json.loads(body)["rxpk"][0]["data"]) == b"\x40mine"


async def test_a_damaged_uplink_is_forwarded_only_when_asked_for_and_says_so(world: World):
    world.gateway.forward_damaged = True
    world.uplink(damaged=True)
    _, body = await world.server.next(semtech.PUSH_DATA)
    while "rxpk" not in json.loads(body):
        _, body = await world.server.next(semtech.PUSH_DATA)
    assert json.loads(body)["rxpk"][0]["stat"] == -1


async def test_a_downlink_is_sent_at_its_time_stamp_and_acknowledged_in_12_bytes(world: World):
    heard: list[Frame] = []
    world.channel.subscribe(heard.append)
    txpk = world.downlink()
    world.server.pull_resp(txpk, token=0xBEEF)
    token, body = await world.server.next(semtech.TX_ACK)
    assert (token, body) == (0xBEEF, b"")
    (frame,) = heard
    assert world.gateway.counter_us(frame.start_us) == txpk["tmst"]
    assert (frame.inverted, frame.crc, frame.payload, frame.power_dbm) == (True, False, b"\x60down", 14)


async def test_a_forgotten_ncrc_puts_a_crc_on_the_air(world: World):
    heard: list[Frame] = []
    world.channel.subscribe(heard.append)
    txpk = world.downlink()
    del txpk["ncrc"]
    world.server.pull_resp(txpk)
    await world.server.next(semtech.TX_ACK)
    assert heard[0].crc


@pytest.mark.parametrize(
    ("ahead_us", "error"),
    [(10_000, "TOO_LATE"), (-5_000_000, "TOO_EARLY"), (600_000_000, "TOO_EARLY"), (400_000_000, None)],
)
async def test_time_stamps_out_of_reach(world: World, ahead_us: int, error: str | None):
    world.server.pull_resp(world.downlink(ahead_us))
    _, body = await world.server.next(semtech.TX_ACK)
    assert body == b"" if error is None else json.loads(body) == {"txpk_ack": {"error": error}}


async def test_two_downlinks_at_once_collide(world: World):
    world.server.pull_resp(world.downlink(200_000))
    world.server.pull_resp(world.downlink(210_000))
    assert (await world.server.next(semtech.TX_ACK))[1] == b""
    _, body = await world.server.next(semtech.TX_ACK)
    assert json.loads(body) == {"txpk_ack": {"error": "COLLISION_PACKET"}}


async def test_a_frequency_out_of_range_is_refused(world: World):
    world.server.pull_resp(world.downlink(freq=915.0))
    _, body = await world.server.next(semtech.TX_ACK)
    assert json.loads(body) == {"txpk_ack": {"error": "TX_FREQ"}}


async def test_too_much_power_is_a_warning_and_is_capped(world: World):
    heard: list[Frame] = []
    world.channel.subscribe(heard.append)
    world.server.pull_resp(world.downlink(powe=30))
    _, body = await world.server.next(semtech.TX_ACK)
    assert json.loads(body) == {"txpk_ack": {"warn": "TX_POWER", "value": 27}}
    assert heard[0].power_dbm == 27


async def test_keepalives_go_on_and_stop_ends_them(world: World):
    world.gateway.keepalive_s = 0.01
    world.gateway._keepalive()
    for _ in range(3):
        await world.server.next(semtech.PULL_DATA)
    await world.gateway.stop()
    assert not world.gateway._timers


async def test_rubbish_from_the_server_changes_nothing(world: World):
    world.server.transport.sendto(b"", world.server.peer)
    world.server.transport.sendto(b"\x01\x00\x00\x03{}", world.server.peer)
    world.server.send(b"{not json")
    world.server.pull_resp(world.downlink(modu="FSK", datr=50000))
    world.server.pull_resp(world.downlink())
    assert (await world.server.next(semtech.TX_ACK))[1] == b""
    assert world.gateway.counters.transmitted == 1


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: json.dumps({"txpk": t}).encode()))
@settings(max_examples=200, deadline=None)
def test_reading_a_txpk_is_total(body: bytes):
    with contextlib.suppress(semtech.TxpkError):
        semtech.read_txpk(body)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([])


@given(
    st.dictionaries(
        st.sampled_from("imme tmst tmms freq powe datr codr ipol ncrc prea data modu".split()), _VALUES
    )
)
@settings(max_examples=300, deadline=None)
def test_wrong_values_in_a_txpk_are_txpk_errors(wrong: dict[str, Any]):
    good = {
        "imme": True,
        "freq": 868.1,
        "modu": "LORA",
        "datr": "SF7BW125",
        "codr": "4/5",
        "data": "YWJj",
    }
    with contextlib.suppress(semtech.TxpkError):
        semtech.read_txpk(json.dumps(good | wrong).encode())


def test_the_published_txpk_examples(shared: Callable[[str], Path]):
    lora = semtech.read_txpk(shared("vectors/platforms/udp/pf-06-txpk.json").read_bytes())
    assert (lora.tmst, lora.freq_hz, lora.sf, lora.bw_khz, lora.coding_rate) == (
        None,
        864_123_456,
        11,
        125,
        2,
    )
    assert (lora.power_dbm, lora.inverted, lora.crc, len(lora.payload)) == (14, False, True, 32)
    with pytest.raises(semtech.TxpkError, match="modu"):
        semtech.read_txpk(shared("vectors/platforms/udp/pf-07-txpk.json").read_bytes())
