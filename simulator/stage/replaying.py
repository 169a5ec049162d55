"""What was recorded plays again: the same bytes at the same times into a fresh gateway.

A recording is the event log of a scenario, or the data directory of a gateway with its raw log. The register
of devices comes from the folder of either.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.nodeproc import SimulatorError
from simulator.stage import events
from simulator.stage.events import EventLog
from simulator.stage.houses import house_class
from simulator.stage.lockstep import HouseProcess, StageLoop, run_stage

HOUSE = "gateway.simulated:House"
_CATCH_UP_S = 5.0
_LEAD_US = 1_000_000


@dataclass(frozen=True)
class Heard:
    """One uplink as the gateway had it."""

    received_ms: int
    dev_eui: str
    facts: dict[str, Any]


def is_recording(path: Path) -> bool:
    """Tell whether a path is an event log or a gateway's data directory, and no table of readings."""
    return path.suffix == ".jsonl" or (path / "segments").is_dir()


def read(path: Path) -> list[Heard]:
    """Return the uplinks of a recording by their reception. SimulatorError says what is wrong."""
    if not path.exists():
        raise SimulatorError(f"--replay: {path} is not there; give an event log or a gateway's data")
    rows = sorted(_of_events(path) if path.is_file() else _of_segments(path), key=lambda row: row.received_ms)
    if not rows:
        raise SimulatorError(f"--replay: {path} holds no uplink")
    return rows


def _of_events(path: Path) -> Iterator[Heard]:
    try:
        found = events.read(path)
    except (OSError, ValueError) as error:
        raise SimulatorError(f"--replay: {path} is no event log: {error}") from error
    for number, row in enumerate(found, 1):
        try:
            if row["kind"] == "gateway" and row["what"] == "uplink":
                yield Heard(int(row["received_ms"]), row["who"], row)
        except (KeyError, TypeError, ValueError):
            raise SimulatorError(f"--replay: {path}: event {number} is none that a scenario wrote") from None


def _of_segments(path: Path) -> Iterator[Heard]:
    for dev_eui, facts in house_class(HOUSE).uplinks(path):
        yield Heard(facts["received_ms"], dev_eui, facts)


def replay(path: Path, out: Path, *, speed: float | None = None) -> dict[str, Any]:
    """Play a recording into a fresh gateway in `out`; return what came of it."""
    rows, out = read(path), out.resolve()  # the house's process works in it
    out.mkdir(parents=True, exist_ok=True)
    _register(path, out)
    log = EventLog(out / "events.jsonl")
    began_s = time.monotonic()

    async def main() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StageLoop)
        settings = {"semtech_udp.enabled": False, "broker.enabled": False}
        house = HouseProcess(loop, HOUSE, out, settings, lambda e: log.add(*e[:4], **e[4]))
        await house.start()
        try:
            for row in rows:
                await asyncio.sleep(max(0, row.received_ms * 1000 - loop.now_us()) / 1e6)
                await house.call("accept", row.dev_eui, row.facts)
            await asyncio.sleep(_CATCH_UP_S)
            await house.call("drained")
        finally:
            await house.stop()
        return {
            "uplinks": len(rows),
            "virtual_s": (loop.now_us() - rows[0].received_ms * 1000) / 1e6,
            "real_s": round(time.monotonic() - began_s, 3),
        }

    try:
        told = run_stage(main(), start_us=rows[0].received_ms * 1000 - _LEAD_US, speed=speed)
    finally:
        log.close()
    return told | {"records": log.counts["store.record"], "sha256": log.sha256}


def _register(path: Path, out: Path) -> None:
    """Take over who is who: street.json of a scenario, the register of a gateway."""
    if path.is_file():
        street = path.parent / "street.json"
        if not street.exists():
            raise SimulatorError(f"--replay: {street} is missing: it says which device stands where")
        shutil.copyfile(street, out / "street.json")
        return
    (out / "gateway").mkdir(parents=True, exist_ok=True)
    for file in path.glob("registry.db*"):
        shutil.copyfile(file, out / "gateway" / file.name)
