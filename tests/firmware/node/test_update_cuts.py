"""Updates on the real littlefs with frozen main.py, the power going at any byte: whole, or as before."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.update.bundle import Release, build_application
from gateway.update.keys import public_hex
from tests.dual import run_on_micropython

pytestmark = pytest.mark.mpy

NAMES = ("node/start.py", "node/core.py", "node/__init__.py", "wire/codec/v1.py", "wire/ports.py")


def _releases() -> list[dict[str, bytes]]:
    lot = random.Random(7)
    old = {name: b"# 1\n" + lot.randbytes(lot.randrange(100, 900)).hex().encode() for name in NAMES}
    new = dict(old) | {
        name: b"# 2\n" + lot.randbytes(lot.randrange(100, 900)).hex().encode() for name in NAMES[:3]
    }
    del old["wire/ports.py"]
    return [old, new]


def _judge(folder: Path, seeds: list[int], *, bad: bool, cuts: int) -> dict[str, int]:
    old, new = _releases()
    for name, content in new.items():
        path = folder / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    key = ec.derive_private_key(99, ec.SECP256R1())
    bundle = build_application(folder / "new", Release((0, 2, 0), 5), key)
    data: dict[str, Any] = {
        "releases": [{name: content.hex() for name, content in files.items()} for files in (old, new)],
        "key": public_hex(key),
        "bundle": bundle.data.hex(),
        "id": bundle.id,
        "serial": 5,
        "bad": bad,
        "cuts": cuts,
        "fragment": 100,
        "seeds": seeds,
    }
    return run_on_micropython("update_cuts", data, heap="8m", timeout_s=3000)


@pytest.mark.parametrize("bad", [False, True])
def test_power_cuts_leave_the_old_application_or_the_new_one(tmp_path: Path, bad: bool) -> None:
    seeds = list(range(12))
    found = _judge(tmp_path, seeds, bad=bad, cuts=8)
    assert found["cuts"] >= 6 * len(seeds)
    assert (found["half"], found["dead"]) == (0, 0)
    # A good one arrives in the end, unless the power went three times on trial; a bad one never stays.
    if bad:
        assert found["old"] == len(seeds)
    else:
        assert found["new"] >= len(seeds) * 2 // 3
        assert found["new"] + found["old"] == len(seeds)


@pytest.mark.nightly
@pytest.mark.timeout(3100)
@pytest.mark.parametrize("bad", [False, True])
def test_ten_thousand_power_cuts(tmp_path: Path, bad: bool) -> None:
    found = _judge(tmp_path, list(range(1000, 1800)), bad=bad, cuts=8)
    assert found["cuts"] >= 5000
    assert (found["half"], found["dead"]) == (0, 0)
