"""One queue for payloads to devices, whichever network they are on.

A device is answered where it was last heard. One that was not heard since the start goes where the store
last saw it, and one that was never heard where it can only be: at the one network that is connected. Nodes on
Wi-Fi are on a broker (`broker`, the built-in one, or `mqtt`, the city's), those on a cable at
`serial`, all others on a LoRaWAN network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gateway.errors import DownlinkError, RegistryError
from wire.lorawan import eu868

MAX_PORT = 223  # 224 is for certification, above is reserved
BROKERS = ("broker", "mqtt")
WAYS_OF = {"mqtt": BROKERS, "serial": ("serial",), "http": ()}  # all others are for LoRaWAN
MAX_PAYLOAD = eu868.max_payload(eu868.MAX_DR)


class Way(Protocol):
    """A network that devices are on; its key names it: lns, chirpstack, ttn, or one of BROKERS."""

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard there since the start, or None."""
        ...

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> Any:
        """Queue a downlink and return its id; RegistryError or DownlinkError when it cannot be."""
        ...


class Downlinks:
    """The DownlinkQueue of the house. `transport_of` and `last_source` are asked by DevEUI."""

    def __init__(
        self, transport_of: Callable[[str], str | None], last_source: Callable[[str], str | None]
    ) -> None:
        self._transport_of = transport_of
        self._last_source = last_source
        self.ways: dict[str, Way] = {}

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Queue a payload for the device's next uplink and return `network:id`.

        RegistryError when device, port or length cannot be; DownlinkError when no network takes it now.
        """
        if not 1 <= f_port <= MAX_PORT:
            raise RegistryError(f"f_port {f_port} is outside 1..{MAX_PORT}")
        if not 0 < len(payload) <= MAX_PAYLOAD:
            raise RegistryError(f"payload of {len(payload)} bytes: send 1..{MAX_PAYLOAD}")
        name = self.way_of(dev_eui)
        return f"{name}:{await self.ways[name].enqueue(dev_eui, f_port, bytes(payload), confirmed)}"

    def way_of(self, dev_eui: str) -> str:
        """Return the name of the network that a device is on."""
        transport = self._transport_of(dev_eui)
        if transport is None:
            raise RegistryError(f"device {dev_eui} is not registered: add it first")
        others = tuple(name for names in WAYS_OF.values() for name in names)
        ways = {
            name: way
            for name, way in self.ways.items()
            if (name in WAYS_OF[transport] if transport in WAYS_OF else name not in others)
        }
        heard = {name: way.heard_ms(dev_eui) for name, way in ways.items()}
        known = [(ms, name) for name, ms in heard.items() if ms is not None]
        if known:
            return max(known)[1]
        source = self._last_source(dev_eui)
        if source in ways:
            return source
        if len(ways) == 1:
            return next(iter(ways))
        if transport == "http":
            raise DownlinkError(f"device {dev_eui} pushes over HTTP: nothing can be sent to it")
        raise DownlinkError(
            f"device {dev_eui} was never heard and "
            + ("no network is on" if not ways else f"may be on {' or '.join(ways)}")
            + ": let it speak first"
        )
