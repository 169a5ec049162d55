"""What the codec costs on a chip: executed rv32imc instructions a reading, state and table bytes, as JSON.

    python -m tests.bench.codec

Machine code as mpy-cross emits it, in the emulator that counts the noise kernels too. The kernel models,
codes and learns one reading; what Python does around it (one call a reading, the first record, the header) is
bytecode and not counted. A frame that is filled to the brim takes two passes, at worst three. No chip was
measured; the share of time assumes the in-order model's cycles an instruction (tests/bench/cycles.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT)]

from kernels import entropy  # noqa: E402
from tests.bench.codec_engine import Adder, Step, engine_of, kernel_file  # noqa: E402
from wire.codec import v2_profiles  # noqa: E402
from wire.codec.v2_plain import Engine  # noqa: E402
from wire.codec.v2_rows import encode_rows  # noqa: E402
from wire.record import OK, TIME_NETWORK  # noqa: E402

C3_HZ = 160_000_000
CPI = 1.17  # as in tests/bench/cycles.py


def rows(table: Any, n: int, every: int) -> list[tuple[Any, ...]]:
    """Return records that wander, with a jump every so many values; the same on every host."""
    state = 12345

    def draw(m: int) -> int:
        nonlocal state
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        return (state >> 8) % m

    values = [c.raw_min + (c.raw_max - c.raw_min) // 3 for c in table.channels]
    out: list[tuple[Any, ...]] = []
    for i in range(n):
        for k, c in enumerate(table.channels):
            step = draw(9) - 4
            if draw(every) == 0:
                step *= draw(700)
            values[k] = min(c.raw_max, max(c.raw_min, values[k] + step))
        t = 1_760_000_100 + 300 * i
        out.append((t, t, TIME_NETWORK, list(values), True, [OK] * len(values)))
    return out


def cost(number: int, n: int = 12, every: int = 50) -> dict[str, Any]:
    """Return what a profile costs: instructions of a pass, bytes of state and tables."""
    ids, table = v2_profiles.table_of(number)
    data = rows(table, n, every)
    step = Step(count=True)
    chip = engine_of(table, step)
    payload = encode_rows(number, table, chip, data, 242, data[-1][1])
    if payload != encode_rows(number, table, Engine(table), data, 242, data[-1][1]):
        raise AssertionError("the emulated code writes other bytes")
    if step.runtime_calls > step.calls * 20:
        raise AssertionError("the kernel calls the runtime")
    each = step.executed / step.calls
    sixty = 60 * each * CPI / C3_HZ
    return {
        "channels": len(ids),
        "instructions_a_reading": round(each),
        "ms_for_60_readings_at_160_MHz": {
            "one_pass": round(1000 * sixty, 2),
            "three_passes": round(3000 * sixty, 2),
        },
        "state_bytes": {
            "channels": 18 * len(ids),
            "call": 20,
            "scratch": 4 * max(c.n_features for c in table.channels),
            "whole": 18 * len(ids) + 20 + 4 * max(c.n_features for c in table.channels),
        },
        "table_bytes": len(v2_profiles.blob_of(number)),
    }


def parity_cost(percent: int) -> dict[str, Any]:
    """Return what the parity of a frame costs, its window full."""
    from wire.codec import parity

    rate = parity.rate_of(percent)
    _, n_data, width, n_parity = parity.RATES[rate]
    adder = Adder(count=True)
    window = parity.Window(rate, 0, adder.add_sum)
    data = bytes((7 * k + 1) & 255 for k in range(window.size))
    for _ in range(parity.WINDOW):
        window.sent(data)
    frame = window.frame(data, 51)
    plain = parity.Window(rate, 0)
    for _ in range(parity.WINDOW):
        plain.sent(data)
    if frame != plain.frame(data, 51):
        raise AssertionError("the emulated code writes other bytes")
    return {
        "bytes": {"head": parity.HEAD, "data": n_data * width, "parity": n_parity * width},
        "window_bytes": parity.WINDOW * window.size,
        "instructions_a_frame": adder.executed,
        "ms_at_160_MHz": round(1000 * adder.executed * CPI / C3_HZ, 1),
    }


def report() -> dict[str, Any]:
    """Return all figures."""
    return {
        "unit": "executed rv32imc instructions, as mpy-cross emits them",
        "profiles": {str(number): cost(number) for number in v2_profiles.NUMBERS},
        "parity": {str(percent): parity_cost(percent) for percent in (25, 50, 64, 150)},
        "shared_table_bytes": 2 * len(entropy.SHARED),
        "kernel_mpy_bytes": {a: len(kernel_file(a)) for a in ("rv32imc", "xtensawin")},
    }


if __name__ == "__main__":
    print(json.dumps(report(), indent=2))
