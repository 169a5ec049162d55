"""Default corrections by column against the same formulas number by number (quality/correct.py)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Decoded, Reading
from gateway.quality import Judge
from gateway.quality.correct import correct, inputs_of, no_corrections

from ..house import AIR, T0_MS, a_site

SITE = a_site("plein-1", "air")
NAMES = ("pm1", "pm2_5", "pm4", "pm10", "temperature", "relative_humidity")
values = st.one_of(st.none(), st.integers(-100, 12_000).map(lambda n: n / 10))


@st.composite
def records(draw: st.DrawFn) -> list[Reading]:
    names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    states = st.sampled_from(["ok", "ok", "ok", "degraded"])
    readings = []
    for name in sorted(names):
        value = draw(values)
        readings.append(Reading(name, "?", value, draw(states) if value is not None else "no_answer"))
    return readings


@settings(max_examples=300, deadline=None)
@given(st.lists(records(), min_size=1, max_size=8))
def test_a_batch_is_corrected_as_its_values_one_by_one(batch: list[list[Reading]]) -> None:
    decoded = [
        Decoded(AIR, n, T0_MS + n * 60_000, "network", T0_MS + n * 60_000 + 500, tuple(readings))
        for n, readings in enumerate(batch)
    ]
    found = Judge(lambda _: ()).judge([(record, SITE) for record in decoded])
    for record, judged in zip(decoded, found, strict=True):
        is_good = [
            value is not None and "range" not in form.flags
            for value, form in zip(judged.raws, judged.shape.forms, strict=True)
        ]
        inputs = inputs_of(record.readings, is_good)
        for at, reading in enumerate(record.readings):
            better = correct(AIR, reading, record.observed_at_ms, inputs, no_corrections)
            form = judged.shape.forms[at]
            assert judged.raws[at] == reading.value
            if better is None:
                assert (judged.values[at], form.method) == (reading.value, "none")
            else:
                assert judged.values[at] == better.value
                assert (form.method, form.method_version) == (better.method, better.version)
