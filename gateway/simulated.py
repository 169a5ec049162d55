"""A gateway as the house behind a simulated city: started with plain settings, and telling what it does.

The simulator names this class in its scenarios ("gateway.simulated:House") and asks nothing of it but the
methods below, in a process of their own, on virtual time.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app import Gateway
from gateway.backfill import GapBook
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import Uplink
from gateway.registry import Registry, import_devices
from gateway.store.frames import decode_uplink
from gateway.store.segments import SegmentLog
from gateway.store.writing import PIPELINE
from gateway.update import UpdateBook
from gateway.update.bundle import Release, build_application

Tell = Callable[[str, str, str, dict[str, Any]], None]
_COUNTERS_S = 60.0
_DEFAULTS: dict[str, Any] = {
    "data.segment_mib": 1,
    "semtech_udp.port": 0,
    "broker.port": 0,
    "web.port": 0,
    "data.seal_days": 36500,  # the accounts count rows: a scenario that is to pack them says so
}


def _facts(uplink: Uplink) -> dict[str, Any]:
    return {
        "port": uplink.f_port,
        "counter": uplink.f_cnt,
        "payload": uplink.payload.hex(),
        "received_ms": uplink.received_at_ms,
        "source": uplink.source,
    }


class House:
    """A gateway of embedded parts on loopback, in `folder`/gateway."""

    def __init__(self, folder: Path, settings: dict[str, Any], clock: Clock, tell: Tell) -> None:
        """tell: takes (kind, who, what, facts) of what happens."""
        self._folder = folder / "gateway"
        self._provisioning = folder / "street.json"
        self._tell = tell
        publish = settings.pop("publish", None)
        self._tells = bool({"gateway", "store"} & set(settings.pop("events", ("gateway", "store"))))
        values = {"data.directory": str(self._folder), **_DEFAULTS, **settings}
        self._gateway = Gateway(Config(values, publish, folder), clock)
        self._telling: asyncio.Future[Any] | None = None
        self._told: dict[str, int] = {}

    async def start(self) -> dict[str, int]:
        """Add the street's devices to the register, start, and return the ports."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._provisioning.exists():  # what plays again may bring a register of its own
            self._register()
        await self._gateway.start()
        telling = (self._tell_all(),) if self._tells else ()
        self._telling = asyncio.gather(self._tell_counters(), *telling)
        return self._gateway.ports

    def _register(self) -> None:
        registry = Registry(self._folder)
        try:
            rows = import_devices(registry, self._provisioning)
        finally:
            registry.close()
        for row in rows:
            if row.outcome == "refused":
                raise ValueError(f"{row.dev_eui}: {row.message}")

    async def stop(self) -> None:
        """Store what was taken in, and close."""
        await self.drained()
        self._tell_news()
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
        await self._gateway.stop()

    async def drained(self) -> None:
        """Return when everything that was acknowledged is stored."""
        await self._gateway.drained()

    def counters(self) -> dict[str, int]:
        """Return the counters by name."""
        return {name: int(row["count"]) for name, row in self._gateway.counters.snapshot().items()}

    async def accept(self, dev_eui: str, facts: dict[str, Any]) -> None:
        """Take an uplink that was recorded, as if it came in now."""
        uplink = Uplink(
            source=facts["source"],
            dev_eui=dev_eui,
            f_port=facts["port"],
            payload=bytes.fromhex(facts["payload"]),
            received_at_ms=facts["received_ms"],
            f_cnt=facts["counter"],
        )
        await self._gateway.log.accept(uplink)

    @staticmethod
    def uplinks(directory: Path) -> list[tuple[str, dict[str, Any]]]:
        """Return (DevEUI, facts) of each uplink in the raw log of a data directory, which stays as is."""
        found: list[tuple[str, dict[str, Any]]] = []
        with tempfile.TemporaryDirectory(prefix="meetnet-") as name:
            copy = Path(name) / "segments"
            shutil.copytree(directory / "segments", copy)  # opening a log mends what a power cut left
            log = SegmentLog(copy)
            sequence = 0
            while rows := log.read(sequence):
                sequence = rows[-1][0]
                uplinks = [decode_uplink(body) for _, body in rows]
                found += [(uplink.dev_eui, _facts(uplink)) for uplink in uplinks]
            log.close()
        return found

    def offer_application(self, folder: str, version: list[int], number: int, trial_min: int) -> int:
        """Sign an application and roll it out over Wi-Fi; return to how many nodes. number: of the key."""
        key = ec.derive_private_key(number, ec.SECP256R1())
        now_ms = self._gateway.clock.now_ms()
        release = Release((version[0], version[1], version[2]), now_ms // 1000 - 1_577_836_800)
        bundle = build_application(Path(folder), release, key)
        nodes = [device for device in self._gateway.registry.devices() if device.transport == "mqtt"]
        devices = [device.dev_eui for device in nodes if not device.profile]
        book = UpdateBook(self._gateway.directory.path)
        try:
            book.begin(bundle, devices, now_ms, 3600.0, trial_min)
        finally:
            book.close()
        return len(devices)

    def publishers(self) -> dict[str, dict[str, Any]]:
        """Return how each publisher is doing."""
        found: dict[str, dict[str, Any]] = self._gateway.status()["publishers"]
        return found

    def _tell_news(self) -> None:
        """Tell what was counted since the last time."""
        counters = self.counters()
        news = {
            name: n - self._told.get(name, 0) for name, n in counters.items() if n != self._told.get(name)
        }
        self._told = counters
        if news:
            self._tell("gateway", "gateway", "counted", news)

    async def _tell_counters(self) -> None:
        while True:
            await asyncio.sleep(_COUNTERS_S)
            self._tell_news()

    async def _tell_all(self) -> None:
        """Tell each uplink that has become durable and each record that was stored."""
        gateway = self._gateway
        sequence = gateway.store.position(PIPELINE)
        position = gateway.store.newest_position()
        while True:
            newest = await gateway.changes.wait_after(position)
            for number, uplink in await gateway.log.read(sequence, 100_000):
                sequence = number
                if isinstance(uplink, Exception):
                    continue
                self._tell("gateway", uplink.dev_eui, "uplink", _facts(uplink))
            for record in gateway.store.records_after(position, 100_000):
                facts = {"observed_ms": record.observed_at_ms, "values": len(record.raws)}
                self._tell("store", record.site_id, "record", facts)
            position = newest

    @staticmethod
    def missing(folder: Path) -> dict[str, list[tuple[int, int]]]:
        """Return by DevEUI from and up to which numbers records are missing and will be asked for."""
        book = GapBook(folder / "gateway" / "gaps.db")
        try:
            return {dev_eui: list(found.missing) for dev_eui, found in book.load().items()}
        finally:
            book.close()

    @staticmethod
    def records(folder: Path) -> list[tuple[str, int, int, bool]]:
        """Return (DevEUI, number, observed ms, whether that is by the node's clock) of each row of the store.

        For a house that has stopped; read from the file itself.
        """
        with closing(sqlite3.connect(f"file:{folder / 'gateway' / 'store.db'}?mode=ro", uri=True)) as db:
            return db.execute(
                "SELECT devices.dev_eui, records.seq, records.observed_at_ms, "
                "json_extract(shapes.shape, '$[0]') != 'estimated' FROM records "
                "JOIN devices ON devices.id = records.device JOIN shapes ON shapes.id = records.shape "
                "ORDER BY 1, 2"
            ).fetchall()
