"""Records judged one by one (quality/few.py) against the same records judged as matrices."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gateway.model import Decoded, Reading
from gateway.quality import Judge, few, memory
from gateway.shapes import Judged

from ..house import T0_MS, a_site

HEADS = (
    ("pm1", "pm2_5", "pm4", "pm10", "temperature", "relative_humidity", "battery"),
    ("temperature", "relative_humidity", "rain_tips"),
    ("pm10", "relative_humidity"),
    ("pm2_5", "pm2_5", "pm10", "relative_humidity", "relative_humidity"),
    ("lafmin", "laeq", "lafmax", "la99", "la95", "la90", "la50", "la10", "la1", "sound_notes"),
    ("distance", "battery"),
)
LEVELS = {
    "temperature": (-49.0, 12.0, 12.1, 30.0, 71.0),
    "relative_humidity": (-1.0, 55.0, 70.2, 99.0, 99.9, 100.5),
    "distance": (10.0, 500.0, 5000.0),
    "battery": (1900.0, 3300.0),
    "rain_tips": (1.0, 2.0, 65535.0),
    "sound_notes": (0.0, 1.0, 6.0),
}
SITES = [a_site(f"plein-{n}", "garden", rain_mm_per_tip=0.2794) for n in range(5)]


def a_record(dice: random.Random, n: int) -> Decoded:
    names = dice.choice(HEADS)
    readings = []
    for name in names:
        usual = (24.9, 40.0, 40.2, 55.5, 131.0) if name.startswith("la") else (-0.1, 4.0, 9.5, 9.52, 901.0)
        levels = LEVELS.get(name, usual)
        value = levels[1] if n % 60 > 20 else dice.choice((*levels, None))  # now and then nothing moves
        readings.append(Reading(name, "?", value, "ok" if value is not None else "no_answer"))
    at_ms = T0_MS + n * dice.choice((600_000, 600_000, 660_000)) - dice.choice((0, 0, 0, 7_200_000))
    quality = dice.choice(("network", "estimated"))
    return Decoded("70b3d57ed0000001", n, at_ms, quality, T0_MS + n * 60_000, tuple(readings))


def told(judged: Judged) -> tuple[object, ...]:
    return judged.shape, judged.raws, judged.values


@pytest.mark.parametrize("seed", range(6))
def test_few_records_are_judged_as_many_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    one_by_one, as_arrays = Judge(lambda _: ()), Judge(lambda _: ())
    flags: set[str] = set()
    for step in range(120):
        batch = [(a_record(dice, step), dice.choice(SITES)) for _ in range(dice.randrange(1, 9))]
        monkeypatch.setattr(few, "MOST", 1000)
        found = one_by_one.judge(batch)
        monkeypatch.setattr(few, "MOST", 0)
        assert list(map(told, found)) == list(map(told, as_arrays.judge(batch)))
        flags |= {flag for judged in found for form in judged.shape.forms for flag in form.flags}
    np.testing.assert_array_equal(one_by_one.memory.series, as_arrays.memory.series)
    rows = [one_by_one.memory.row(site.id) for site in SITES]
    written = one_by_one.memory.dumps(rows)
    monkeypatch.setattr(memory, "FEW", 0)
    assert written == one_by_one.memory.dumps(rows)
    assert {"range", "step", "stuck", "order"} <= flags
