"""Parts of a gateway for tests: a registry with known sites, uplinks with chosen readings, a set clock."""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wire.codec
from gateway.counters import Counters
from gateway.decode import Decoder, Foreign, Profiles
from gateway.model import Reception, Uplink
from gateway.pipeline import Pipeline
from gateway.registry import Device, Registry, Site
from gateway.store import Changes, DurableLog, SegmentLog, SqliteStore
from wire import measurements
from wire.record import OK, TIME_NETWORK, Record

AIR = "70b3d57ed0000001"
BIN = "70b3d57ed0000002"
GARDEN = "70b3d57ed0000003"
T0_MS = 1_795_000_000_000  # a moment in November 2026


class SetClock:
    """A clock that shows what the test says."""

    def __init__(self, now_ms: int = T0_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


def a_site(site_id: str, kind: str, **changes: Any) -> Site:
    fields: dict[str, Any] = {
        "id": site_id, "organisation": "city", "name": site_id.title(), "kind": kind,
        "longitude": 4.899431, "latitude": 52.379189, "precision_m": 250, "licence": "CC-BY-4.0",
    }  # fmt: skip
    return Site(**(fields | changes))


def fill_registry(registry: Registry) -> None:
    """Three deployed public devices: air at plein-1, bin at bak-7, garden at tuin-3."""
    sites = {
        AIR: a_site("plein-1", "air"),
        BIN: a_site("bak-7", "bin", empty_mm=1500.0, full_mm=300.0),
        GARDEN: a_site("tuin-3", "garden", rain_mm_per_tip=0.2794),
    }
    for dev_eui, site in sites.items():
        registry.put_site(site)
        registry.put_device(Device(dev_eui, site.kind, "lorawan", "0" * 16), bytes(16))
        registry.deploy(dev_eui, site.id, None)
        registry.consent(site.id)


def a_record(
    seq: int, at_ms: int = T0_MS, state: int = OK, quality: int = TIME_NETWORK, **values: float
) -> Record:
    readings: list[tuple[int, int, int]] = []
    for name, value in values.items():
        row = measurements.by_name(name)
        assert row is not None
        readings.append((row[0], round(value * 10 ** row[3]), state))
    return Record(seq, at_ms // 1000, quality, readings)


def an_uplink(
    *records: Record, dev_eui: str = AIR, received_at_ms: int | None = None, f_cnt: int = 0
) -> Uplink:
    payload, packed = wire.codec.encode(list(records), 4096)
    assert packed == len(records)
    return Uplink(
        source="lorawan",
        dev_eui=dev_eui,
        f_port=1,
        payload=payload,
        received_at_ms=records[-1].time_s * 1000 + 700 if received_at_ms is None else received_at_ms,
        f_cnt=f_cnt,
        receptions=(Reception("aa555a0000000000", -97.5, 6.25, 868_100_000, "SF7BW125"),),
    )


class House:
    """Log, pipeline, store and registry on one directory, as gateway.app wires them."""

    def __init__(self, path: Path, segment_bytes: int = 1 << 16) -> None:
        self.counters = Counters()
        self.registry = Registry(path)
        self.store = SqliteStore(path / "store.db")
        segments = SegmentLog(path / "segments", segment_bytes)
        segments.skip_to(self.store.position())
        self.changes = Changes(self.store.newest_position())
        self.log = DurableLog(segments, self.counters, lambda sequence: self.pipeline.wake(sequence))
        self.pipeline = Pipeline(
            self.log,
            self.store,
            self.registry,
            self.counters,
            self.changes.announce,
            decoder=Decoder(None, self.registry.profile_of, Foreign(Profiles(path / "profiles").get)),
        )


@contextlib.asynccontextmanager
async def a_house(path: Path, segment_bytes: int = 1 << 16) -> Any:
    import asyncio

    house = House(path, segment_bytes)
    task = asyncio.create_task(house.pipeline.run())
    try:
        yield house
    finally:
        house.pipeline.stop()
        await task
        house.pipeline.close()
        await house.log.close()
        house.store.close()
        house.registry.close()


@contextlib.contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """Let the kernel refuse to write any file beyond a size (EFBIG), as it refuses on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def read_only_directory(path: Path) -> Iterator[None]:
    """Take away write permission, also from root (which permissions do not bind) by becoming nobody."""
    was = path.stat().st_mode
    path.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(was)


@contextlib.contextmanager
def a_directory_for_all() -> Iterator[Path]:
    """A directory that nobody may enter too; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
