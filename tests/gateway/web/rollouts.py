"""Roll-outs and a bench over a town, for tests of pages."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.provision.benchbook import BenchBook
from gateway.update import Bundle, RolloutDesk, build_config
from gateway.update.bundle import Release
from gateway.update.keys import public_hex
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import RealTown

KEY = ec.derive_private_key(77, ec.SECP256R1())
EVENTS = (
    {"port": "/dev/ttyUSB0", "step": "looking"},
    {"port": "/dev/ttyUSB0", "step": "writing", "row": "r1", "mac": "aabbcc000001", "share": 0.5},
    {"port": "/dev/ttyUSB1", "step": "red", "row": "r2", "mac": "aabbcc000002", "code": "test",
     "reason": "sht4x: no answer at 0x44"},
)  # fmt: skip


def bundle(serial: int = 9, version: tuple[int, int, int] = (1, 2, 3)) -> Bundle:
    return build_config({"interval_s": 300}, Release(version, serial), KEY)


def updates_of(town: RealTown, path: Path, event: str = "") -> RolloutDesk:
    """Return roll-outs over the devices of a town; something is on at the site of the device `event`."""
    return RolloutDesk(
        path,
        town.registry.devices,
        lambda: {one.dev_eui: one.received_at_ms for one in town.store.devices_seen()},
        lambda dev_eui: dev_eui == event,
        town.clock.now_ms,
        public_hex(KEY),
    )


def bench_of(path: Path, green: str = "") -> BenchBook:
    """Return a bench with a run; `green`: the DevEUI of a board that is done."""
    book = BenchBook(path)
    run = book.begin("rows.csv", 3, 0, NOW_MS - 60_000)
    for told in EVENTS:
        book.event(run, told, NOW_MS - 30_000)
    if green:
        told = {"port": "/dev/ttyUSB2", "step": "green", "row": "r3", "mac": "aabbcc000003", "dev_eui": green,
                "tested": ("sht4x", "radio")}  # fmt: skip
        book.event(run, told, NOW_MS - 10_000)
    return book
