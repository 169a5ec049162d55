"""LoRaWAN in the composition root: the built-in network server with its gateways, and others' servers.

packet forwarders --UDP--------+
Basics Station ----WebSocket---+--> network server --+
ChirpStack v4 -----MQTT------------------------------+--> the log
The Things Stack --MQTT------------------------------+
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.config import Config
from gateway.counters import Counters
from gateway.downlinks import Downlinks
from gateway.errors import ConfigError
from gateway.ingest.mqtt import MqttSettings
from gateway.lns import LnsSettings, NetworkServer, SessionStore
from gateway.model import UplinkSink
from gateway.registry import Registry


class Networks:
    """Create, `await start(stack)` for our own network server, `chirpstack` and `ttn` for those of others.

    The stack stops what was started. `ports` says where it listens.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        sink: UplinkSink,
        clock: Clock,
        counters: Counters,
        downlinks: Downlinks,
        sessions: Path,
        wants_object: Callable[[str], bool] = lambda dev_eui: False,
    ) -> None:
        self._config = config
        self._registry = registry
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._downlinks = downlinks
        self._sessions = sessions
        self._wants_object = wants_object
        self.ports: dict[str, int] = {}
        self.lns: NetworkServer | None = None
        self._udp: Any = None
        self._station: Any = None
        self._subscribers: dict[str, Any] = {}

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start the built-in network server, if a way to radio gateways is switched on."""
        on = self._config.flag
        if on("semtech_udp.enabled") or on("basics_station.enabled"):
            await self._start_server(stack)

    async def chirpstack(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Take uplinks from a ChirpStack v4, if that is switched on."""
        self._leave("chirpstack")
        if config.flag("chirpstack.enabled"):
            from gateway.ingest.chirpstack import ChirpStackIngest

            application = config.text("chirpstack.application_id")
            await self._subscribe(config, stack, "chirpstack", ChirpStackIngest, application_id=application)

    async def ttn(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Take uplinks from The Things Stack v3, if that is switched on."""
        self._leave("ttn")
        if config.flag("ttn.enabled"):
            from gateway.ingest.ttn import TtnIngest

            check_ttn(config)
            await self._subscribe(config, stack, "ttn", TtnIngest)

    async def _start_server(self, stack: contextlib.AsyncExitStack) -> None:
        settings = lns_settings(self._config)
        store = SessionStore(self._sessions)
        stack.push_async_callback(store.close)
        server = NetworkServer(self._registry, self._sink, store, self._clock, self._counters, settings)
        stack.push_async_callback(server.close)
        self.lns = self._downlinks.ways["lns"] = server
        await server.start()
        if self._config.flag("semtech_udp.enabled"):
            await self._start_udp(stack, server)
        if self._config.flag("basics_station.enabled"):
            await self._start_station(stack, server, settings)

    async def _start_udp(self, stack: contextlib.AsyncExitStack, server: NetworkServer) -> None:
        from gateway.ingest.semtech_udp import SemtechUdpServer, SemtechUdpSettings

        settings = SemtechUdpSettings(
            host=self._config.text("semtech_udp.host"),
            port=self._config.whole("semtech_udp.port"),
            gateways=frozenset(self._config.texts("semtech_udp.gateways")),
        )
        self._udp = SemtechUdpServer(server, self._clock, self._counters, settings)
        server.attach(self._udp)
        await self._udp.start()
        stack.callback(self._udp.close)
        self.ports["semtech_udp"] = self._udp.port

    async def _start_station(
        self, stack: contextlib.AsyncExitStack, server: NetworkServer, lns: LnsSettings
    ) -> None:
        from gateway.ingest.basics_station import BasicsStationServer, BasicsStationSettings

        config = self._config
        settings = BasicsStationSettings(
            host=config.text("basics_station.host"),
            port=config.whole("basics_station.port"),
            uri=config.text("basics_station.uri"),
            certificate=config.path("basics_station.tls_certificate"),
            key=config.path("basics_station.tls_key"),
            token=config.secret("basics_station.token_file"),
            gateways=frozenset(config.texts("basics_station.gateways")),
            ping_s=config.number("basics_station.ping_s"),
            extra_channels_hz=lns.extra_channels_hz,
        )
        self._station = BasicsStationServer(server, self._clock, self._counters, settings, server.on_air)
        server.attach(self._station)
        await self._station.start()
        stack.push_async_callback(self._station.close)
        self.ports["basics_station"] = self._station.port

    def _leave(self, name: str) -> None:
        self._subscribers.pop(name, None)
        self._downlinks.ways.pop(name, None)

    async def _subscribe(
        self, config: Config, stack: contextlib.AsyncExitStack, name: str, make: Any, **more: Any
    ) -> None:
        subscriber = make(
            self._sink,
            self._registry.knows,
            self._clock,
            self._counters,
            mqtt_settings(config, name),
            wants_object=self._wants_object,
            **more,
        )
        self._subscribers[name] = self._downlinks.ways[name] = subscriber
        await subscriber.start()
        stack.push_async_callback(subscriber.close)

    def status(self) -> dict[str, Any]:
        """Return gateways, sizes of the network server, and what others' servers say of their devices."""
        return {
            "gateways": [*self._gateways("udp", self._udp), *self._gateways("station", self._station)],
            "lns": self.lns.status() if self.lns else None,
            "networks": {name: subscriber.status() for name, subscriber in self._subscribers.items()},
        }

    def _gateways(self, way: str, server: Any) -> list[dict[str, Any]]:
        if server is None or self.lns is None:
            return []
        return [
            {"way": way, **asdict(gateway), "airtime_us": self.lns.airtime_us(gateway.gateway_id)}
            for gateway in server.gateways()
        ]


def check_ttn(config: Config) -> None:
    """Raise ConfigError unless The Things Stack is off or can be signed in at."""
    if config.flag("ttn.enabled") and not config.text("ttn.username"):
        raise ConfigError("ttn.username", 'give "application@tenant", as the console shows it')


def lns_settings(config: Config) -> LnsSettings:
    """Return the settings of the built-in network server; ConfigError names the key."""
    channels: list[int] = []
    for text in config.texts("lns.extra_channels_hz"):
        if not (text.isascii() and text.isdigit()):
            raise ConfigError("lns.extra_channels_hz", f'"{text}" is no frequency in hertz, like "867100000"')
        channels.append(int(text))
    return LnsSettings(
        net_id=config.whole("lns.net_id"),
        gathering_s=config.number("lns.gathering_s"),
        rx1_delay_s=config.whole("lns.rx1_delay_s"),
        rx1_dr_offset=config.whole("lns.rx1_dr_offset"),
        rx2_dr=config.whole("lns.rx2_dr"),
        rx1_power_dbm=config.whole("lns.rx1_power_dbm"),
        rx2_power_dbm=config.whole("lns.rx2_power_dbm"),
        extra_channels_hz=tuple(channels),
        adr=config.flag("lns.adr"),
        adr_margin_db=config.number("lns.adr_margin_db"),
        confirmed_attempts=config.whole("lns.confirmed_attempts"),
    )


def mqtt_settings(config: Config, section: str) -> MqttSettings:
    """Return the settings of a broker session of one section."""
    return MqttSettings(
        host=config.text(f"{section}.host"),
        port=config.whole(f"{section}.port"),
        client_id=config.text(f"{section}.client_id"),
        username=config.text(f"{section}.username"),
        password=config.secret(f"{section}.password_file"),
        tls=config.flag(f"{section}.tls"),
        tls_ca=config.path(f"{section}.tls_ca"),
        in_flight=config.whole(f"{section}.in_flight"),
        group=config.text(f"{section}.group") if section != "ttn" else "",
    )
