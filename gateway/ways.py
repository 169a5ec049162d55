"""Ways in beside LoRaWAN, in the composition root: built-in broker, city's broker, HTTP push, cables."""

from __future__ import annotations

import contextlib
from typing import Any

from gateway.clock import Clock
from gateway.config import Config
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.decode import Foreign, Profiles
from gateway.downlinks import Downlinks
from gateway.errors import ConfigError, IngestError
from gateway.ingest.mqtt.waiting import WaitingCommands
from gateway.model import BatchSink, Uplink
from gateway.networks import mqtt_settings
from gateway.registry import Registry
from gateway.tls import tls_files


class Ways:
    """Create, then `await broker(config, stack)`, `mqtt`, `push`, `serial`: each starts if it is on."""

    def __init__(
        self,
        registry: Registry,
        profiles: Profiles,
        sink: BatchSink,
        clock: Clock,
        counters: Counters,
        downlinks: Downlinks,
        directory: DataDirectory,
    ) -> None:
        self._registry = registry
        self._profiles = profiles
        self._foreign = Foreign(profiles.get)
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._downlinks = downlinks
        self._directory = directory
        self._serial: Any = None
        self._mqtt: Any = None
        self.ports: dict[str, int] = {}

    async def broker(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Run the built-in broker for nodes on Wi-Fi."""
        self.ports.pop("broker", None)
        self._downlinks.ways.pop("broker", None)
        if not config.flag("broker.enabled"):
            return
        from gateway.broker import EmbeddedBroker

        broker = EmbeddedBroker(
            self._sink,
            self._registry,
            self._clock,
            self._counters,
            WaitingCommands(self._directory.commands),
            config.whole("broker.max_connections"),
        )
        host, port = config.text("broker.host"), config.whole("broker.port")
        await broker.start(host, port, tls_files(config, "broker"))
        stack.push_async_callback(broker.close)
        self._downlinks.ways["broker"] = broker
        self.ports["broker"] = broker.port

    async def mqtt(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Take the nodes' messages from a broker of the city's."""
        self._mqtt = None
        self._downlinks.ways.pop("mqtt", None)
        if not config.flag("mqtt.enabled"):
            return
        from gateway.ingest.mqtt import MqttIngest

        ingest = MqttIngest(
            self._sink, self._registry.knows, self._clock, self._counters, mqtt_settings(config, "mqtt")
        )
        await ingest.start()
        stack.push_async_callback(ingest.close)
        self._mqtt = self._downlinks.ways["mqtt"] = ingest

    @property
    def mqtt_connected(self) -> bool | None:
        """Whether the city's broker hands its messages over, None where none is set."""
        return None if self._mqtt is None else self._mqtt.connected

    async def push(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Listen for what is pushed."""
        if not config.flag("push.enabled"):
            self.ports.pop("push", None)
            return
        from gateway.ingest.push import PushServer, PushSettings

        settings = PushSettings(
            host=config.text("push.host"),
            port=config.whole("push.port"),
            tls=tls_files(config, "push"),
            per_minute=config.whole("push.per_minute"),
            webhook_token=config.secret("push.webhook_token_file"),
        )
        if settings.webhook_token and len(settings.webhook_token) < 16:
            raise ConfigError(
                "push.webhook_token_file", "the token is shorter than 16 characters: make it long"
            )
        server = PushServer(
            self._sink,
            self._registry,
            self._clock,
            self._counters,
            settings,
            self._problem,
            self.wants_object,
        )
        await server.start()
        stack.push_async_callback(server.close)
        self.ports["push"] = server.port

    async def serial(self, config: Config, stack: contextlib.AsyncExitStack) -> None:
        """Look for nodes on cables."""
        self._serial = None
        self._downlinks.ways.pop("serial", None)
        if not config.flag("serial.enabled"):
            return
        from gateway.ingest.serial import SerialIngest, SerialSettings

        check_serial(config)
        settings = SerialSettings(config.texts("serial.ports"), config.whole("serial.baudrate"))
        ingest = SerialIngest(
            self._sink,
            self._is_on_a_cable,
            self._clock,
            self._counters,
            WaitingCommands(self._directory.cable_commands),
            settings,
        )
        await ingest.start()
        stack.push_async_callback(ingest.close)
        self._serial = self._downlinks.ways["serial"] = ingest

    def wants_object(self, dev_eui: str) -> bool:
        """Tell whether what a network server decoded of a device is to be kept."""
        return self._profiles.wants_object(self._registry.profile_of(dev_eui))

    def status(self) -> dict[str, Any] | None:
        """Return what the cables say."""
        return None if self._serial is None else self._serial.status()

    def _is_on_a_cable(self, dev_eui: str) -> bool:
        device = self._registry.device(dev_eui)
        return device is not None and device.transport == "serial"

    def _problem(self, uplink: Uplink) -> str | None:
        profile = self._registry.profile_of(uplink.dev_eui)
        if not profile:
            return None
        try:
            self._foreign.decode(uplink, profile)
        except IngestError as error:
            return str(error).removeprefix(f"{uplink.dev_eui}: ")
        return None


def check_serial(config: Config) -> None:
    """Raise ConfigError when nodes on cables are to be read and no port is named."""
    if config.flag("serial.enabled") and not config.texts("serial.ports"):
        raise ConfigError("serial.ports", 'is empty: name the ports, as ["/dev/serial/by-id/usb-*"]')
