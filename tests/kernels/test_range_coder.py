"""The entropy coder writes the same bytes in plain Python, in viper of this machine, and in rv32imc code."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.bench.codec import rows
from tests.bench.codec_engine import Step, engine_of
from tests.dual import run_on_both
from wire import measurements
from wire.codec import v2_profiles
from wire.codec.profiles import PROFILES
from wire.codec.v2_coder import Encoder
from wire.codec.v2_decoder import Decoder
from wire.codec.v2_plain import Engine
from wire.codec.v2_rows import encode_rows

T0 = 1_760_000_100 // 300 * 300
SETS = [ids for _, ids in PROFILES] + [(19, 20, 21), (1, 28), (27,)]


def _wandering(ids: tuple[int, ...], n: int, seed: int, every: int) -> list[list[Any]]:
    rng = random.Random(seed)
    values = [(row[4] + row[5]) // 3 for row in map(measurements.by_id, ids)]
    out: list[list[Any]] = []
    for i in range(n):
        for k, row in enumerate(map(measurements.by_id, ids)):
            jump = rng.randrange(1, 30000) if rng.randrange(every) == 0 else 4
            values[k] = min(row[5], max(row[4], values[k] + rng.randint(-jump, jump)))
        out.append([T0 + 300 * i, T0 + 300 * i, 2, [[c, v, 0] for c, v in zip(ids, values, strict=True)]])
    return out


@pytest.mark.mpy
def test_both_pythons_and_the_kernel_write_the_same_frames() -> None:
    cases: list[dict[str, Any]] = []
    for seed, ids in enumerate(SETS * 3):
        records = _wandering(ids, 30, seed, (200, 15, 3)[seed % 3])
        cases.append(
            {"records": records, "limit": (51, 115, 242)[seed // 3 % 3], "now_s": records[-1][1] + 2}
        )
    rng = random.Random(1)
    junk = [bytes([rng.randrange(128, 256)]) + rng.randbytes(rng.randrange(30)) for _ in range(40)]
    frames, _ = run_on_both("codec_v2", {"cases": cases, "junk": [b.hex() for b in junk]}, heap="4m")
    assert sum(n > 0 for _, n in frames) == len(cases)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 8, 10, 11, 23, 28])
@pytest.mark.parametrize("every", [2, 60])
def test_the_chips_machine_code_writes_the_same_bytes(number: int, every: int) -> None:
    _, table = v2_profiles.table_of(number)
    data = rows(table, 14, every)
    step = Step()
    chip = encode_rows(number, table, engine_of(table, step), data, 242, data[-1][1])
    assert chip == encode_rows(number, table, Engine(table), data, 242, data[-1][1])
    assert step.calls > 13


def test_the_range_coder_gives_back_any_symbols() -> None:
    rng = random.Random(7)
    for _ in range(60):
        symbols = []
        coder = Encoder(2000)
        for _ in range(rng.randrange(1, 300)):
            total = rng.choice([2, 16, 1000, 65536])
            start = rng.randrange(total)
            size = rng.choice([1, total - start, max(1, (total - start) // 2)])
            symbols.append((start, size, total))
            coder.put(start, size, total)
        announced = coder.size()
        data = coder.finish()
        assert len(data) <= announced
        decoder = Decoder(data)
        for start, size, total in symbols:
            assert start <= decoder.peek(total) < start + size
            decoder.take(start, size, total)


def test_a_carry_runs_through_full_bytes() -> None:
    # Always the last of 65,536 places: low creeps up to the top, bytes of 255 gather, then tip over.
    coder = Encoder(200)
    for _ in range(40):
        coder.put(65535, 1)
    coder.put(65535, 1)
    decoder = Decoder(coder.finish())
    for _ in range(41):
        assert decoder.peek() == 65535
        decoder.take(65535, 1)
