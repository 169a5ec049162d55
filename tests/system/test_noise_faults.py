"""What can be wrong with a microphone, through the whole house: no level, and the status names it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from simulator.chips.i2s_mic import I2sMicrophone
from simulator.street import Street
from tests.system.house import run_house

pytestmark = pytest.mark.mpy
START_S = 1_790_000_000
INTERVAL_S = 60
FAULTS = {
    "no_power": "line_low",
    "line_high": "line_high",
    "floating": "floating_line",
    "wrong_slot": "wrong_slot",
    "late_bit": "late_bit",
    "stuck_bit": "stuck_bits",
    "hum": "hum",
    "repeat": "repeating_data",
}


def test_a_broken_microphone_gives_no_level_and_its_fault_is_named_within_two_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All zero, all one, floating, wrong slot, wrong alignment, stuck bits, hum, stale DMA."""
    monkeypatch.setattr("simulator.plan._TWELVE", (("noise", "lorawan"),))
    spans: dict[str, tuple[int, int]] = {}
    named: dict[str, str] = {}

    def notes(gateway: Gateway) -> str:
        seen = gateway.status()["devices"][0]["seen"]
        return str((seen["status"] or {}).get("meter_notes", "")) if seen else ""

    async def break_it(gateway: Gateway, street: Street) -> None:
        microphone: Any = next(iter(street.nodes.values())).board.chips["i2s_mic"]
        assert isinstance(microphone, I2sMicrophone)
        await asyncio.sleep(2 * INTERVAL_S)
        for fault in FAULTS:
            microphone.fault = fault
            begun_ms = street.world.loop.now_us() // 1000
            await asyncio.sleep(2.5 * INTERVAL_S)
            named[fault] = notes(gateway)
            microphone.fault = None
            spans[fault] = (begun_ms + 1000 * INTERVAL_S, street.world.loop.now_us() // 1000)
            await asyncio.sleep(1.5 * INTERVAL_S)
        named["none"] = notes(gateway)

    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=INTERVAL_S * (3 + 4 * len(FAULTS)),
        start_s=START_S,
        interval_s=INTERVAL_S,
        meanwhile=break_it,
        overrides={"noise_s": 3},
    )
    assert named == {**FAULTS, "none": ""}
    rows = [o for o in outcome.observations if o.quantity == "laeq"]
    for fault, (first_ms, last_ms) in spans.items():
        during = [o for o in rows if first_ms < o.observed_at_ms < last_ms]
        assert during, fault
        assert all(o.value is None for o in during), fault
    assert sum(o.value is not None for o in rows) >= len(FAULTS)


def test_what_only_limits_a_level_is_flagged_beside_it_and_a_wrong_rate_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clipping, three lost DMA buffers (16 ms), a clock that is off by 0.5 %, and one by 4 %."""
    monkeypatch.setattr("simulator.plan._TWELVE", (("noise", "lorawan"),))
    named: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}

    async def trouble(gateway: Gateway, street: Street) -> None:
        board: Any = next(iter(street.nodes.values())).board
        microphone: I2sMicrophone = board.chips["i2s_mic"]
        now_ms = lambda: street.world.loop.now_us() // 1000  # noqa: E731
        await asyncio.sleep(130)
        for name in ("overload", "gap", "clock_drift", "wrong_rate"):
            begun_ms = now_ms() + 1000 * INTERVAL_S
            microphone.tones = [(1000.0, 121.0)] if name == "overload" else []
            board.i2s_ppm = {"clock_drift": 5000, "wrong_rate": -40_000}.get(name, 0)
            for _ in range(5):
                if name == "gap":
                    board.lose_i2s(3)
                await asyncio.sleep(30)
            seen = gateway.status()["devices"][0]["seen"]
            named[name] = seen["status"]["meter_notes"]
            spans[name] = (begun_ms, now_ms())

    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=800,
        start_s=START_S,
        interval_s=INTERVAL_S,
        meanwhile=trouble,
        overrides={"noise_s": 0},
    )
    assert all(name in notes.split() for name, notes in named.items()), named
    states = {"overload": "overload", "gap": "gap", "clock_drift": "degraded", "wrong_rate": "fault"}
    for name, (first_ms, last_ms) in spans.items():
        found = [
            o for o in outcome.observations if o.quantity == "laeq" and first_ms < o.observed_at_ms <= last_ms
        ]
        assert found, name
        assert {o.state for o in found} == {states[name]}, name
        assert all((o.value is None) == (name == "wrong_rate") for o in found), name
