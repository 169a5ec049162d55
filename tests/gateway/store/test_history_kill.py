"""kill -9 amid storing, rolling up and sealing: every record is there once, and every sum is right."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.store import SqliteStore
from gateway.store.checking import check
from gateway.store.history import sealing
from gateway.store.history.rolling import roll_all

from .test_history import END_MS, START_MS, answers, copy_of, some_records

DAY_MS = 86_400_000


@pytest.mark.parametrize("kills", [5, pytest.param(300, marks=pytest.mark.nightly)])
def test_killed_anywhere_nothing_is_lost_or_doubled(tmp_path: Path, kills: int) -> None:
    dice = random.Random(kills)
    path = tmp_path / "0.db"
    for seed in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.store.history_victim", str(path), str(seed)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(dice.uniform(0.005, 0.25))
        process.kill()
        if b"done" in process.stdout.read():
            path = tmp_path / f"{seed + 1}.db"
        process.stdout.close()
        process.wait()
    stores = sorted(tmp_path.glob("*.db"))
    assert stores
    plain = SqliteStore(tmp_path / "plain")
    records = some_records(3, 500)
    plain.commit(copy_of(records))
    expected = answers(plain)
    sums = plain.buckets("s0", "laeq", START_MS, END_MS, DAY_MS, 0)
    for one in stores:
        store = SqliteStore(one)
        assert check(store) == []
        store.commit(copy_of(records[store.position() :]))
        roll_all(store)
        for _ in sealing.seal(store, END_MS, 1000):
            pass
        found = answers(store)
        assert found | {"devices": 0} == expected | {"devices": 0}  # those tell of batches
        for bucket, other in zip(store.buckets("s0", "laeq", START_MS, END_MS, DAY_MS, 0), sums, strict=True):
            assert (bucket.n, bucket.flagged, bucket.high) == (other.n, other.flagged, other.high)
            assert bucket.mean == pytest.approx(other.mean, abs=0.006)
        store.close()
    plain.close()
