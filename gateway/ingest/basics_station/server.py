"""The server that stations connect to: discovery, sessions, frames up, answers down.

    GET /router-info          {router} -> {router, muxs, uri}
    GET /router-<EUI>         version -> router_config; jreq, updf, dntxed, timesync -> dnmsg, timesync

A station that is silently gone (its modem lost power) is noticed by the WebSocket's own pings. Messages
that open a shell or run commands on a station (rmtsh, runcmd) are never sent and their answers are only
counted.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import ConfigError, IngestError
from gateway.ingest.basics_station import messages
from gateway.ingest.basics_station.identity import id6, parse_eui
from gateway.ingest.basics_station.router_config import router_config
from gateway.model import FrameSink, LoraDownlink
from wire.lorawan import eu868, gpstime

DISCOVERY = "/router-info"
PREFIX = "/router-"
PROTOCOL = 2
_SEND_S = 0.2
_CLOSE_S = 1.0
_REPORT_S = 5.0
_MAX_MESSAGE = 65536
_MUXS = "0:0:0:1"
_IGNORED = ("propdf", "dndf", "getxtime", "rmtsh", "runcmd", "alarm", "event")


@dataclass(frozen=True, slots=True)
class BasicsStationSettings:
    """host, port: where to listen (port 0: any free one). gateways: EUIs that may speak; empty: all.

    uri: what discovery answers, for a server behind a proxy; empty: the address that was asked. token:
    what the station's tc.key sends as `Authorization`; empty: none is asked for.
    """

    host: str = "127.0.0.1"
    port: int = 1887
    uri: str = ""
    certificate: Path | None = None
    key: Path | None = None
    token: str = field(default="", repr=False)
    gateways: frozenset[str] = frozenset()
    ping_s: float = 30.0
    max_gateways: int = 1000
    extra_channels_hz: Sequence[int] = eu868.EXTRA_CHANNELS_HZ


@dataclass(slots=True)
class StationStatus:
    """What is known of one station, for the status page; times in milliseconds since 1970."""

    gateway_id: str
    address: str = ""
    connected: bool = False
    last_message_ms: int | None = None
    frames: int = 0
    refused: int = 0
    downlinks: int = 0
    downlinks_refused: int = 0
    station: str = ""
    model: str = ""


class BasicsStationServer:
    """A DownlinkSender that feeds a FrameSink. Create, `await start()`, `await close()`."""

    def __init__(
        self,
        sink: FrameSink,
        clock: Clock,
        counters: Counters,
        settings: BasicsStationSettings | None = None,
        on_air: Callable[[LoraDownlink], None] | None = None,
    ) -> None:
        """on_air: told when a station reports that it sent the fallback of a downlink."""
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._settings = settings or BasicsStationSettings()
        self._on_air = on_air
        # Checked here, so that a configuration that no station takes is refused at the start.
        router_config(self._settings.extra_channels_hz, 0.0)
        self._server: Server | None = None
        self._stations: dict[str, StationStatus] = {}
        self._connections: dict[str, ServerConnection] = {}
        self._waiting: dict[tuple[str, int], tuple[LoraDownlink, asyncio.TimerHandle]] = {}
        self._last_id = 0

    # -- life ----------------------------------------------------------------------------------
    async def start(self) -> None:
        """Listen; ConfigError when the port, the certificate or the key cannot be used."""
        settings = self._settings
        try:
            self._server = await serve(
                self._connected,
                settings.host,
                settings.port,
                ssl=self._tls(),
                process_request=self._admit,
                ping_interval=settings.ping_s,
                ping_timeout=settings.ping_s,
                close_timeout=_CLOSE_S,
                max_size=_MAX_MESSAGE,
                compression=None,
            )
        except OSError as error:
            raise ConfigError(
                "basics_station.port",
                f"cannot listen on TCP {settings.host}:{settings.port} ({error.strerror}):"
                " choose another port",
            ) from error

    @property
    def port(self) -> int:
        """The port in use, once started."""
        assert self._server is not None, "start() first"
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Say goodbye to every station and stop listening."""
        for _, timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def gateways(self) -> list[StationStatus]:
        """Return what is known of each station, by EUI."""
        return [self._stations[eui] for eui in sorted(self._stations)]

    # -- downlinks -----------------------------------------------------------------------------
    def reaches(self, gateway_id: str) -> bool:
        """Tell whether the station is connected."""
        return gateway_id in self._connections

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        """Hand an answer to its station; None when it has it, else NO_ROUTE, NO_CONTEXT or CLOSED.

        The station enforces the duty cycle itself and says nothing of what it drops: an answer whose
        `dntxed` stays away is counted (ingest.station_not_sent).
        """
        gateway_id = downlink.gateway_id
        connection = self._connections.get(gateway_id)
        if connection is None:
            return "NO_ROUTE"
        if downlink.context is None:
            return "NO_CONTEXT"
        item_id = self._last_id = self._last_id % 0x7FFFFFFF + 1
        message = messages.downlink(item_id, downlink, self._now_s())
        try:
            async with asyncio.timeout(_SEND_S):
                await _send(connection, message)
        except (ConnectionClosed, TimeoutError):
            self._stations[gateway_id].downlinks_refused += 1
            return "CLOSED"
        timer = asyncio.get_running_loop().call_later(
            downlink.delay_s + _REPORT_S, self._not_sent, gateway_id, item_id
        )
        self._waiting[gateway_id, item_id] = (downlink, timer)
        return None

    def _not_sent(self, gateway_id: str, item_id: int) -> None:
        self._waiting.pop((gateway_id, item_id), None)
        self._stations[gateway_id].downlinks_refused += 1
        self._counters.count(
            "ingest.station_not_sent", f"station {gateway_id} dropped an answer (its duty cycle, or too late)"
        )

    def _transmitted(self, gateway_id: str, found: messages.Transmitted) -> None:
        waiting = self._waiting.pop((gateway_id, found.diid or found.seqno), None)
        if waiting is None:
            raise IngestError("ingest.station_dntxed_stray", f"station {gateway_id}: nothing waits for it")
        downlink, timer = waiting
        timer.cancel()
        self._stations[gateway_id].downlinks += 1
        second = downlink.fallback
        if second is not None and found.Freq == second.frequency_hz and self._on_air is not None:
            self._on_air(second)

    # -- connections ---------------------------------------------------------------------------
    def _tls(self) -> ssl.SSLContext | None:
        certificate, key = self._settings.certificate, self._settings.key
        if certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                "basics_station.tls_certificate", f"{certificate} or its key cannot be used ({error})"
            ) from error
        return context

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a wrong path or token before the WebSocket opens."""
        if not self._knows_token(request.headers.get("Authorization", "")):
            self._counters.count("ingest.station_token", f"from {_address(connection)}: wrong or no token")
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "the token of tc.key is needed\n")
        try:
            if request.path != DISCOVERY:
                self._station(_eui_in(request.path))
        except IngestError as error:
            self._counters.count(error.cause, f"from {_address(connection)}: {error}")
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"{error}\n")
        return None

    def _knows_token(self, given: str) -> bool:
        token = self._settings.token
        return not token or hmac.compare_digest(given.removeprefix("Bearer ").encode(), token.encode())

    async def _connected(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        try:
            if connection.request.path == DISCOVERY:
                await self._discovery(connection, connection.request.headers.get("Host", ""))
            else:
                await self._session(connection, _eui_in(connection.request.path))
        except ConnectionClosed:
            return

    async def _discovery(self, connection: ServerConnection, host: str) -> None:
        async for text in connection:
            try:
                eui = parse_eui(messages.read(text, messages.Discovery).router)
                self._station(eui)
            except IngestError as error:
                self._counters.count("ingest.station_discovery", f"from {_address(connection)}: {error}")
                await _send(connection, {"error": str(error)})
                return
            await _send(connection, {"router": id6(eui), "muxs": _MUXS, "uri": self._uri(host, eui)})
            return

    def _uri(self, host: str, eui: str) -> str:
        base = self._settings.uri.rstrip("/")
        if not base:
            name = host or f"{self._settings.host}:{self.port}"
            # A station needs the port, also where it is the usual one.
            port = "" if name.rpartition(":")[2].isdigit() and not name.endswith("]") else f":{self.port}"
            base = f"{'wss' if self._settings.certificate else 'ws'}://{name}{port}"
        return f"{base}{PREFIX}{eui}"

    async def _session(self, connection: ServerConnection, eui: str) -> None:
        station = self._station(eui)
        before = self._connections.get(eui)
        self._connections[eui] = connection
        station.connected, station.address = True, _address(connection)
        if before is not None:  # the station came back before the ping had missed it
            before.transport.abort()
        try:
            async for text in connection:
                station.last_message_ms = self._clock.now_ms()
                await self._guarded(connection, station, text)
        finally:
            if self._connections.get(eui) is connection:
                del self._connections[eui]
                station.connected = False
                self._counters.count("ingest.station_disconnected", f"station {eui}")

    def _station(self, eui: str) -> StationStatus:
        known = self._stations.get(eui)
        if known is not None:
            return known
        if self._settings.gateways and eui not in self._settings.gateways:
            raise IngestError("ingest.station_foreign", f"station {eui} is not in basics_station.gateways")
        if len(self._stations) >= self._settings.max_gateways:
            raise IngestError("ingest.station_too_many", f"station {eui}: the table is full")
        self._stations[eui] = StationStatus(eui)
        return self._stations[eui]

    # -- messages ------------------------------------------------------------------------------
    async def _guarded(self, connection: ServerConnection, station: StationStatus, text: str | bytes) -> None:
        try:
            if isinstance(text, bytes):
                raise IngestError("ingest.station_binary", "binary messages are of a remote shell")
            await self._message(connection, station, text)
        except IngestError as error:
            station.refused += 1
            self._counters.count(error.cause, f"station {station.gateway_id}: {error}")

    async def _message(self, connection: ServerConnection, station: StationStatus, text: str) -> None:
        kind = messages.kind_of(text)
        match kind:
            case "updf":
                found = messages.read(text, messages.DataFrame)
                self._frame(station, messages.data_phy(found), found)
            case "jreq":
                request = messages.read(text, messages.JoinRequest)
                self._frame(station, messages.join_request_phy(request), request)
            case "dntxed":
                self._transmitted(station.gateway_id, messages.read(text, messages.Transmitted))
            case "timesync":
                asked = messages.read(text, messages.TimeSync)
                gps_us = gpstime.gps_ms(self._clock.now_ms()) * 1000
                await _send(connection, {"msgtype": "timesync", "txtime": asked.txtime, "gpstime": gps_us})
            case "version":
                await self._version(connection, station, messages.read(text, messages.Version))
            case _ if kind in _IGNORED:
                self._counters.count(f"ingest.station_{kind}")
            case _:
                raise IngestError("ingest.station_unknown", f"message {kind[:40]!r}")

    def _frame(self, station: StationStatus, phy: bytes, heard: messages.Heard) -> None:
        frame = messages.frame(station.gateway_id, phy, heard, self._clock.now_ms())
        station.frames += 1
        self._counters.count("ingest.station_frames")
        self._sink.frame(frame)

    async def _version(
        self, connection: ServerConnection, station: StationStatus, found: messages.Version
    ) -> None:
        station.station, station.model = found.station[:40], (found.model or "")[:40]
        if found.protocol != PROTOCOL:
            self._counters.count(
                "ingest.station_protocol",
                f"station {station.gateway_id} speaks protocol {found.protocol}, not {PROTOCOL}: update it",
            )
        await _send(connection, router_config(self._settings.extra_channels_hz, self._now_s()))

    def _now_s(self) -> float:
        return self._clock.now_ms() / 1000


async def _send(connection: ServerConnection, message: dict[str, Any]) -> None:
    await connection.send(msgspec.json.encode(message).decode())


def _eui_in(path: str) -> str:
    if not path.startswith(PREFIX):
        raise IngestError("ingest.station_path", f"{path[:60]!r} is not {DISCOVERY} or {PREFIX}<EUI>")
    return parse_eui(path.removeprefix(PREFIX))


def _address(connection: ServerConnection) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if address else "?"
