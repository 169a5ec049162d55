"""Ways in beside LoRaWAN and MQTT, in the composition root: HTTP push and cables."""

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
from gateway.model import Uplink, UplinkSink
from gateway.networks import read_secret
from gateway.registry import Registry
from gateway.tls import tls_files


class Ways:
    """Create, then `await push(stack)` and `await serial(stack)`: each starts if it is switched on."""

    def __init__(
        self,
        registry: Registry,
        profiles: Profiles,
        sink: UplinkSink,
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
        self.ports: dict[str, int] = {}

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
            webhook_token=read_secret(config, "push.webhook_token_file"),
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

        settings = SerialSettings(config.texts("serial.ports"), config.whole("serial.baudrate"))
        if not settings.ports:
            raise ConfigError("serial.ports", 'is empty: name the ports, as ["/dev/serial/by-id/usb-*"]')
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
