"""kill -9 at seeded moments: what was acknowledged is in the store, exactly once, with its own value."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .house import T0_MS, a_house

VICTIM = Path(__file__).with_name("victim.py")
MINUTE_MS = 60_000


def run_until_killed(directory: Path, first: int, seconds: float) -> int:
    """Start the victim at a number, kill it after a time, and return the last number it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, str(VICTIM), str(directory), str(first)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    process.kill()
    told = process.stdout.read().split(b"\n")[:-1]  # a line that was cut by the kill tells nothing
    process.stdout.close()
    process.wait()
    return int(told[-1]) if told else first - 1


async def check(directory: Path, acknowledged: int) -> None:
    async with a_house(directory, 1 << 14) as house:
        last = (await house.log.call(lambda log: log)).last_sequence
        house.pipeline.wake(last)
        await asyncio.wait_for(house.pipeline.drained(), 30)
        rows = house.store.series("plein-1", "temperature", 0, 2**60, 10_000_000)
        numbers = [(row.observed_at_ms - T0_MS) // MINUTE_MS for row in rows]
        assert len(numbers) == len(set(numbers))
        assert set(range(acknowledged + 1)) <= set(numbers)
        assert all(row.value == (number % 500) / 10 for row, number in zip(rows, numbers, strict=True))
        assert house.store.dead_letters() == []


def kill_often(directory: Path, seed: int, kills: int) -> None:
    dice = random.Random(seed)
    acknowledged = -1
    for _ in range(kills):
        # The sender sends again from the first that was not acknowledged: some come twice.
        acknowledged = run_until_killed(directory, acknowledged + 1, dice.uniform(0.0, 0.25))
    assert acknowledged > 0
    asyncio.run(check(directory, acknowledged))


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kill_often(tmp_path, seed=2026, kills=5)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20))
def test_kill_9_loses_and_doubles_nothing_however_often(tmp_path: Path, seed: int) -> None:
    kill_often(tmp_path, seed, kills=100)
