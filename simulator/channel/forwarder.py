"""A simulated LoRa gateway: the ideal concentrator on the air, a packet forwarder on UDP.

Timing rules and errors as in Lora-net/sx1302_hal's packet forwarder 2.1.0 (jitqueue.c), also its
oddity that a time stamp in the past is TOO_EARLY, because the difference wraps at 32 bits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, fields
from time import gmtime, strftime
from typing import Any, cast

from simulator.channel import semtech
from simulator.channel.frame import LORAWAN_SYNC_WORD, Channel, Frame

_LATEST_US = 1500 + 1000 + 30_000  # before its start a packet must be in the queue: start, margin, JIT delay
_EARLIEST_US = 512_000_000
_GAP_US = 1500 + 1000  # between two packets of the queue
_IMMEDIATE_US = 50_000
_MIN_FREQ_HZ, _MAX_FREQ_HZ = 863_000_000, 870_000_000


@dataclass(slots=True)
class ForwarderCounters:
    """What the gateway did; `ack_percent` needs pushes."""

    received: int = 0
    received_ok: int = 0
    forwarded: int = 0
    pushed: int = 0
    push_acks: int = 0
    pulls: int = 0
    pull_acks: int = 0
    downlinks: int = 0
    transmitted: int = 0
    refused: int = 0
    unreadable: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Forwarder(asyncio.DatagramProtocol):
    """One gateway. `now_us` is the world's clock, `utc_ms` the wall clock of its `stat` messages.

    start() needs a running loop and sends PULL_DATA at once; stop() ends all its timers. Downlinks
    go to the channel as soon as they are accepted, with their start ahead of now.
    """

    def __init__(
        self,
        channel: Channel,
        server: tuple[str, int],
        now_us: Callable[[], int],
        *,
        eui: bytes = bytes.fromhex("0000e2fffe000001"),
        utc_ms: Callable[[], int] | None = None,
        counter_offset_us: int = 3_000_000_000,
        keepalive_s: float = 10.0,
        stat_s: float = 30.0,
        max_power_dbm: int = 27,
        forward_damaged: bool = False,
    ) -> None:
        if len(eui) != 8:
            raise ValueError("eui: a gateway EUI has 8 bytes")
        self.channel = channel
        self.server = server
        self.now_us = now_us
        self.eui = eui
        self.utc_ms = utc_ms or (lambda: now_us() // 1000)
        self.counter_offset_us = counter_offset_us
        self.keepalive_s = keepalive_s
        self.stat_s = stat_s
        self.max_power_dbm = max_power_dbm
        self.forward_damaged = forward_damaged
        self.counters = ForwarderCounters()
        self._queue: list[Frame] = []
        self._token = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        channel.subscribe(self._on_air)

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the socket and say hello to the server."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, remote_addr=self.server)
        self._keepalive()
        self._after(self.stat_s, self._stat)

    async def stop(self) -> None:
        """Close the socket and forget all timers."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the server's port: the next keep-alive tries again."""

    def _after(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        """Run an action later, unless the gateway is stopped before."""

        def run() -> None:
            self._timers.discard(handle)
            action(*args)

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(handle)

    def counter_us(self, at_us: int | None = None) -> int:
        """Return the concentrator's 32-bit microsecond counter now or at a world time."""
        return ((self.now_us() if at_us is None else at_us) + self.counter_offset_us) & 0xFFFFFFFF

    # -- to the server -----------------------------------------------------------------------

    def _send(self, kind: int, body: bytes = b"", token: int | None = None) -> None:
        if token is None:
            self._token = token = self._token + 1 & 0xFFFF
        if self._transport is not None:
            self._transport.sendto(semtech.header(kind, token, self.eui) + body)

    def _keepalive(self) -> None:
        self.counters.pulls += 1
        self._send(semtech.PULL_DATA)
        self._after(self.keepalive_s, self._keepalive)

    def _push(self, document: dict[str, Any]) -> None:
        self.counters.pushed += 1
        self._send(semtech.PUSH_DATA, semtech.dumps(document))

    def _stat(self) -> None:
        c = self.counters
        self._push(
            {
                "stat": {
                    "time": strftime("%Y-%m-%d %H:%M:%S GMT", gmtime(self.utc_ms() // 1000)),
                    "rxnb": c.received,
                    "rxok": c.received_ok,
                    "rxfw": c.forwarded,
                    "ackr": round(100.0 * c.push_acks / c.pushed, 1) if c.pushed else 0.0,
                    "dwnb": c.downlinks,
                    "txnb": c.transmitted,
                    "temp": 25.0,
                }
            }
        )
        self._after(self.stat_s, self._stat)

    # -- from the air ------------------------------------------------------------------------

    def _on_air(self, frame: Frame) -> None:
        """Receive a frame when it ends, if it is one for gateways."""
        if self._transport is None or frame.sender is self:
            return
        if frame.inverted is not False or frame.sync_word != LORAWAN_SYNC_WORD:
            return
        self._after(max(frame.end_us - self.now_us(), 0) / 1e6, self._received, frame)

    def _received(self, frame: Frame) -> None:
        if self.channel.received(frame, self):
            self.deliver(frame, *self.channel.link(frame, self))

    def deliver(self, frame: Frame, rssi_dbm: float, snr_db: float) -> None:
        """Take a frame that this gateway has received, and forward it."""
        if self._transport is None:
            return
        self.counters.received += 1
        if not frame.damaged:
            self.counters.received_ok += 1
        elif not self.forward_damaged:
            return
        self.counters.forwarded += 1
        channel = frame.freq_hz // 200_000 % 8
        row = semtech.rxpk(frame, self.counter_us(frame.end_us), rssi_dbm, snr_db, channel)
        self._push({"rxpk": [row]})

    # -- from the server ---------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take PUSH_ACK, PULL_ACK or PULL_RESP; anything else is counted."""
        if len(data) < 4 or data[0] != semtech.VERSION:
            self.counters.unreadable += 1
            return
        kind = data[3]
        if kind == semtech.PUSH_ACK:
            self.counters.push_acks += 1
        elif kind == semtech.PULL_ACK:
            self.counters.pull_acks += 1
        elif kind == semtech.PULL_RESP:
            self._pull_resp(data[4:], int.from_bytes(data[1:3], "big"))
        else:
            self.counters.unreadable += 1

    def _pull_resp(self, body: bytes, token: int) -> None:
        self.counters.downlinks += 1
        try:
            txpk = semtech.read_txpk(body)
        except semtech.TxpkError:
            self.counters.unreadable += 1
            return
        answer = self._enqueue(txpk)
        if "error" in answer:
            self.counters.refused += 1
        self._send(semtech.TX_ACK, semtech.dumps({"txpk_ack": answer}) if answer else b"", token)

    def _enqueue(self, txpk: semtech.Txpk) -> dict[str, Any]:
        """Put a downlink on the air; return what TX_ACK says, nothing when all is well."""
        if txpk.tmms:
            return {"error": "GPS_UNLOCKED"}
        if not _MIN_FREQ_HZ <= txpk.freq_hz <= _MAX_FREQ_HZ:
            return {"error": "TX_FREQ"}
        now = self.now_us()
        ahead = _IMMEDIATE_US if txpk.tmst is None else (txpk.tmst - self.counter_us(now)) & 0xFFFFFFFF
        if ahead <= _LATEST_US:
            return {"error": "TOO_LATE"}
        if ahead > _EARLIEST_US:
            return {"error": "TOO_EARLY"}
        frame = Frame(
            start_us=now + ahead,
            freq_hz=txpk.freq_hz,
            sf=txpk.sf,
            bw_khz=txpk.bw_khz,
            payload=txpk.payload,
            power_dbm=min(txpk.power_dbm, self.max_power_dbm),
            inverted=txpk.inverted,
            crc=txpk.crc,
            preamble=txpk.preamble,
            coding_rate=txpk.coding_rate,
            sender=self,
        )
        self._queue = [queued for queued in self._queue if queued.end_us > now]
        if any(
            queued.start_us < frame.end_us + _GAP_US and frame.start_us < queued.end_us + _GAP_US
            for queued in self._queue
        ):
            return {"error": "COLLISION_PACKET"}
        self._queue.append(frame)
        self.counters.transmitted += 1
        self.channel.transmit(frame)
        if txpk.power_dbm > self.max_power_dbm:
            return {"warn": "TX_POWER", "value": self.max_power_dbm}
        return {}
