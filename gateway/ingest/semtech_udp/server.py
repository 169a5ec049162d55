"""The server that gateways push to: acknowledges, hands frames on, carries downlinks back.

A downlink goes to the address of the gateway's last PULL_DATA: only that hole in its NAT is open (pulls.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import ConfigError, IngestError
from gateway.model import FrameSink, LoraDownlink

from .datagrams import (
    KIND_NAMES,
    PULL_ACK,
    PULL_DATA,
    PULL_RESP,
    PUSH_ACK,
    PUSH_DATA,
    TX_ACK,
    Datagram,
    build_datagram,
    parse_datagram,
)
from .packets import build_txpk, parse_push, parse_rxpk, parse_stat, parse_tx_ack
from .pulls import Address, Answer, Pulls

SILENT_MS = 600_000


@dataclass(frozen=True, slots=True)
class SemtechUdpSettings:
    """host, port: where to listen (port 0: any free one). gateways: EUIs that may speak; empty: all."""

    host: str = "127.0.0.1"
    port: int = 1700
    gateways: frozenset[str] = frozenset()
    tx_ack_timeout_s: float = 0.4
    max_gateways: int = 1000
    receive_buffer_bytes: int = 1 << 20


@dataclass(slots=True)
class GatewayStatus:
    """What is known of one gateway, for the status page; times in milliseconds since 1970."""

    gateway_id: str
    address: str = ""
    last_push_ms: int | None = None
    last_pull_ms: int | None = None
    frames: int = 0
    refused: int = 0
    downlinks: int = 0
    downlinks_refused: int = 0
    stat: Mapping[str, float | str] = field(default_factory=dict[str, float | str])


class SemtechUdpServer(asyncio.DatagramProtocol):
    """A DownlinkSender that feeds a FrameSink. Create, `await start()`, `close()`."""

    def __init__(
        self, sink: FrameSink, clock: Clock, counters: Counters, settings: SemtechUdpSettings | None = None
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._settings = settings or SemtechUdpSettings()
        self._transport: asyncio.DatagramTransport | None = None
        self._gateways: dict[str, GatewayStatus] = {}
        self._pulls = Pulls()
        self._waiting: dict[tuple[str, int], Answer] = {}
        self._token = 0

    # -- life ----------------------------------------------------------------------------------
    async def start(self) -> None:
        """Listen; ConfigError when the port cannot be had."""
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise ConfigError(
                "semtech_udp.port",
                f"cannot listen on UDP {host}:{port} ({error.strerror}): choose another port",
            ) from error

    @property
    def port(self) -> int:
        """The port in use, once started."""
        assert self._transport is not None, "start() first"
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Stop listening; downlinks under way end as CLOSED."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        for waiting in self._waiting.values():
            if not waiting.told.done():
                waiting.told.set_result("CLOSED")

    def gateways(self) -> list[GatewayStatus]:
        """Return what is known of each gateway, by EUI."""
        return [self._gateways[eui] for eui in sorted(self._gateways)]

    # -- downlinks -----------------------------------------------------------------------------
    def reaches(self, gateway_id: str) -> bool:
        """Tell whether the gateway has ever pulled."""
        return self._pulls.known(gateway_id)

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        """Send a PULL_RESP and wait for its TX_ACK; None on success, else the gateway's error.

        Other answers: NO_ROUTE (no PULL_DATA yet), NO_ANSWER (no TX_ACK in time), CLOSED.
        """
        gateway_id = downlink.gateway_id
        addresses = self._pulls.addresses(gateway_id, self._clock.now_ms())
        if self._transport is None or not addresses:
            return "NO_ROUTE"
        token = self._token = (self._token + 1) & 0xFFFF
        answer = Answer({address[0] for address in addresses})
        self._waiting[(gateway_id, token)] = answer
        datagram = build_datagram(Datagram(PULL_RESP, token, json=build_txpk(downlink)))
        for address in addresses:
            self._transport.sendto(datagram, address)
        try:
            async with asyncio.timeout(self._settings.tx_ack_timeout_s):
                error = await answer.told
        except TimeoutError:
            error = "NO_ANSWER"
        finally:
            del self._waiting[(gateway_id, token)]
        gateway = self._gateways.get(gateway_id)
        if gateway is None:  # forgotten meanwhile
            return error
        if error is None:
            gateway.downlinks += 1
        else:
            gateway.downlinks_refused += 1
            self._counters.count("ingest.udp_tx_refused", f"gateway {gateway_id}: {error}")
        return error

    # -- datagrams -----------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket; give it room for a burst."""
        # asyncio's own datagram transport is no subclass of DatagramTransport on Python 3.11.
        self._transport = cast(asyncio.DatagramTransport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._settings.receive_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket."""
        self._transport = None

    def error_received(self, exc: Exception) -> None:
        """Count what the kernel reports of earlier datagrams (a gateway that went away)."""
        self._counters.count("ingest.udp_send", str(exc))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one datagram; whatever is wrong with it is counted."""
        try:
            datagram = parse_datagram(data)
            if datagram.kind == PUSH_DATA:
                self._push(datagram, addr)
            elif datagram.kind == PULL_DATA:
                self._pull(datagram, addr)
            elif datagram.kind == TX_ACK:
                self._tx_ack(datagram, addr)
            else:
                raise IngestError(
                    "ingest.udp_kind", f"{KIND_NAMES[datagram.kind]} is for gateways, not for a server"
                )
        except IngestError as error:
            self._counters.count(error.cause, f"from {addr[0]}: {error}")

    def _gateway(self, gateway_id: str) -> GatewayStatus:
        known = self._gateways.get(gateway_id)
        if known is not None:
            return known
        allowed = self._settings.gateways
        if allowed and gateway_id not in allowed:
            raise IngestError(
                "ingest.udp_foreign_gateway", f"gateway {gateway_id} is not in semtech_udp.gateways"
            )
        if len(self._gateways) >= self._settings.max_gateways and not self._forget_the_longest_silent():
            raise IngestError("ingest.udp_too_many_gateways", f"gateway {gateway_id}: the table is full")
        self._gateways[gateway_id] = GatewayStatus(gateway_id)
        return self._gateways[gateway_id]

    def _forget_the_longest_silent(self) -> bool:
        """Make room; False when everybody was heard lately. Made-up gateways bar nobody for ever."""
        heard = {
            eui: max(one.last_push_ms or 0, one.last_pull_ms or 0) for eui, one in self._gateways.items()
        }
        eui = min(heard, key=heard.__getitem__)
        if self._clock.now_ms() - heard[eui] < SILENT_MS:
            return False
        del self._gateways[eui]
        self._pulls.forget(eui)
        return True

    def _answer(self, kind: int, token: int, addr: Address) -> None:
        if self._transport is not None:
            self._transport.sendto(build_datagram(Datagram(kind, token)), addr)

    def _push(self, datagram: Datagram, addr: Address) -> None:
        gateway = self._gateway(datagram.gateway_id)
        self._answer(PUSH_ACK, datagram.token, addr)
        now_ms = self._clock.now_ms()
        gateway.last_push_ms = now_ms
        push = parse_push(datagram.json)
        if push.stat is not None:
            gateway.stat = parse_stat(push.stat)
        for packet in push.rxpk:
            try:
                frame = parse_rxpk(packet, gateway.gateway_id, now_ms)
            except IngestError as error:
                gateway.refused += 1
                self._counters.count(error.cause, f"gateway {gateway.gateway_id}: {error}")
                continue
            gateway.frames += 1
            self._counters.count("ingest.udp_frames")
            self._sink.frame(frame)

    def _pull(self, datagram: Datagram, addr: Address) -> None:
        gateway = self._gateway(datagram.gateway_id)
        now_ms = gateway.last_pull_ms = self._clock.now_ms()
        gateway.address = f"{addr[0]}:{addr[1]}"
        self._pulls.note(gateway.gateway_id, addr, now_ms)
        self._answer(PULL_ACK, datagram.token, addr)

    def _tx_ack(self, datagram: Datagram, addr: Address) -> None:
        ack = parse_tx_ack(datagram.json)
        waiting = self._waiting.get((datagram.gateway_id, datagram.token))
        if waiting is None or not waiting.take(addr[0], ack.error):
            raise IngestError(
                "ingest.udp_tx_ack_stray", f"gateway {datagram.gateway_id}: nothing waits for it"
            )
        if ack.warning:
            self._counters.count("ingest.udp_tx_warning", f"gateway {datagram.gateway_id}: {ack.warning}")
