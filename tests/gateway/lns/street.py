"""A small radio street for the network server: gateways that record, a sink, keys, and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.lns import LnsSettings, NetworkServer, SessionStore
from gateway.model import DeviceKeys, LoraDownlink, LoraFrame, Uplink
from simulator.loop import VirtualLoop
from tests.gateway.lns.liblora_device import Device

START_MS = 1_752_451_200_000  # 2025-07-14T00:00:00Z


class LoopClock:
    def now_ms(self) -> int:
        loop = asyncio.get_running_loop()
        return START_MS + round(loop.time() * 1000)


class Keys:
    def __init__(self) -> None:
        self.devices: dict[str, DeviceKeys] = {}

    def device_keys(self, dev_eui: str) -> DeviceKeys | None:
        return self.devices.get(dev_eui)


class Sink:
    def __init__(self) -> None:
        self.uplinks: list[Uplink] = []
        self.broken = False
        self.delay_s = 0.0

    async def accept(self, uplink: Uplink) -> None:
        await asyncio.sleep(self.delay_s)
        if self.broken:
            raise StoreError("disk full")
        self.uplinks.append(uplink)


class Gateways:
    """Takes downlinks as a forwarder's queue does; `answers` are given in turn, then None (taken)."""

    def __init__(self) -> None:
        self.sent: list[LoraDownlink] = []
        self.sent_at_s: list[float] = []
        self.answers: list[str | None] = []
        self.silent: set[str] = set()

    def reaches(self, gateway_id: str) -> bool:
        return gateway_id not in self.silent

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        self.sent.append(downlink)
        self.sent_at_s.append(asyncio.get_running_loop().time())
        return self.answers.pop(0) if self.answers else None


class Street:
    def __init__(self, path: Path, settings: LnsSettings | None = None) -> None:
        self.path = path
        self.settings = settings or LnsSettings()
        self.keys, self.sink, self.gateways = Keys(), Sink(), Gateways()
        self.counters = Counters()
        self.store: SessionStore
        self.server: NetworkServer

    async def start(self) -> None:
        self.store = SessionStore(self.path)
        self.server = NetworkServer(
            self.keys, self.sink, self.store, LoopClock(), self.counters, self.settings
        )
        self.server.attach(self.gateways)
        await self.server.start()

    async def stop(self) -> None:
        await self.server.close()
        await self.store.close()

    def device(self, number: int = 1) -> Device:
        device = Device(f"70b3d57ed005{number:04x}", "70b3d57ed0000000", bytes([number & 0xFF]) * 16)
        self.keys.devices[device.dev_eui] = DeviceKeys(device.dev_eui, device.join_eui, device.app_key)
        return device

    def hear(
        self,
        phy: bytes,
        gateway_id: str = "aa555a0000000001",
        *,
        snr_db: float | None = 5.0,
        rssi_dbm: float | None = -90.0,
        sf: int = 7,
        frequency_hz: int = 868_100_000,
        timestamp_us: int | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        if timestamp_us is None:
            timestamp_us = round(loop.time() * 1e6) & 0xFFFFFFFF
        self.server.frame(
            LoraFrame(
                gateway_id, phy, timestamp_us, frequency_hz, sf, 125, rssi_dbm, snr_db, LoopClock().now_ms()
            )
        )

    async def join(self, device: Device) -> LoraDownlink:
        self.hear(device.join_request())
        downlink = await self.downlink()
        device.take_accept(downlink.phy)
        return downlink

    async def downlink(self) -> LoraDownlink:
        """Return the one downlink of the next second."""
        before = len(self.gateways.sent)
        await asyncio.sleep(1)
        assert len(self.gateways.sent) == before + 1, self.counters.snapshot()
        return self.gateways.sent[-1]

    async def silence(self) -> None:
        """Assert that nothing is sent in the next second."""
        before = len(self.gateways.sent)
        await asyncio.sleep(1)
        assert len(self.gateways.sent) == before, self.gateways.sent[before:]


def run(path: Path, play: Callable[[Street], Awaitable[None]], settings: LnsSettings | None = None) -> Street:
    """Play on a street in virtual time."""
    street = Street(path, settings)

    async def whole() -> None:
        await street.start()
        try:
            await play(street)
        finally:
            await street.stop()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(whole())
    finally:
        loop.close()
    return street
