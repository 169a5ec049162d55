"""The checks against the figures that their sources state (METOBS, sensor.community, A02YYUW, KNMI)."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Decoded, Observation, Reading
from gateway.quality import CHECKS, METHODS, Judge

from ..house import AIR, T0_MS, a_site

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
BIN_SITE = a_site("bak-7", "bin", empty_mm=1500.0, full_mm=300.0)
GARDEN_SITE = a_site("tuin-3", "garden", rain_mm_per_tip=0.2794)


def a_judge(history: Sequence[tuple[str, int, float | None]] = ()) -> Judge:
    return Judge(lambda _: history)


def decoded(
    at_ms: int, state: str = "ok", time_quality: str = "network", received_at_ms: int = 0, **values: Any
) -> Decoded:
    readings = tuple(Reading(name, "?", value, state) for name, value in values.items())
    return Decoded(AIR, at_ms // 1000, at_ms, time_quality, received_at_ms or at_ms + 500, readings)


def judge(subject: Judge, *records: Decoded, site: Any = BIN_SITE) -> list[Observation]:
    return [found for record in records for found in subject.observations(record, site)]


def flags(found: list[Observation], quantity: str) -> list[tuple[str, ...]]:
    return [observation.flags for observation in found if observation.quantity == quantity]


@pytest.mark.parametrize(
    ("quantity", "low", "high"),
    [  # plausibility limits of the sensor.community map; A02YYUW datasheet: 30 to 4500 mm
        ("temperature", -50, 70), ("relative_humidity", 0, 100), ("pm10", 0, 1900), ("pm2_5", 0, 900),
        ("laeq", 25, 130), ("distance", 30, 4500),
    ],
)  # fmt: skip
def test_a_value_at_a_limit_passes_and_one_beyond_it_is_flagged_and_kept(
    quantity: str, low: float, high: float
) -> None:
    for number, value in enumerate((low, high)):
        found = judge(a_judge(), decoded(T0_MS + number, **{quantity: value}))
        assert "range" not in found[0].flags
    for value in (low - 0.1, high + 0.1):
        (found, *_) = judge(a_judge(), decoded(T0_MS, **{quantity: value}))
        assert "range" in found.flags
        assert found.value == found.raw_value == value


def test_every_check_and_method_names_version_source_and_validity() -> None:
    assert all(
        check.version >= 1 and check.source and check.valid_from_ms < check.valid_to_ms for check in CHECKS
    )
    assert all(method.version >= 1 and method.text and method.inputs for method in METHODS)
    keys = [(check.name, check.quantity, check.version) for check in CHECKS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("change", "hours", "flagged"), [
    (7.9, 1, False), (8.1, 1, True),  # MetObs: +8 K/h
    (-9.9, 1, False), (-10.1, 1, True),  # MetObs: -10 K/h
    (1.9, 1 / 60, False), (2.1, 1 / 60, True),  # noise between close records passes
    (16.1, 2, True), (15.9, 2, False),
])  # fmt: skip
def test_temperature_may_rise_8_and_fall_10_kelvin_an_hour(
    change: float, hours: float, flagged: bool
) -> None:
    found = judge(
        a_judge(),
        decoded(T0_MS, temperature=15.0),
        decoded(T0_MS + int(hours * HOUR_MS), temperature=15.0 + change),
    )
    assert flags(found, "temperature") == [(), ("step",) if flagged else ()]


def test_more_than_five_equal_temperatures_over_an_hour_are_stuck() -> None:
    """MetObs: repetition above 5 equal values, persistence over 60 minutes."""
    records = [decoded(T0_MS + n * 15 * MINUTE_MS, temperature=12.34) for n in range(8)]
    assert flags(judge(a_judge(), *records), "temperature") == [()] * 5 + [("stuck",)] * 3
    quick = [decoded(T0_MS + n * MINUTE_MS, temperature=12.34) for n in range(60)]
    assert flags(judge(a_judge(), *quick), "temperature") == [()] * 60  # not an hour yet
    moved = [*records[:5], decoded(T0_MS + 5 * 15 * MINUTE_MS, temperature=12.35), *records[6:]]
    assert flags(judge(a_judge(), *moved), "temperature") == [()] * 8


def test_a_level_that_moves_less_than_0_3_db_for_six_hours_is_stuck() -> None:
    records = [decoded(T0_MS + n * HOUR_MS, laeq=50.0 + (n % 2) * 0.2) for n in range(9)]
    assert flags(judge(a_judge(), *records), "laeq") == [()] * 6 + [("stuck",)] * 3


@pytest.mark.parametrize(
    ("quantity", "value"), [("relative_humidity", 100.0), ("relative_humidity", 99.9), ("pm2_5", 0.0)]
)
def test_fog_and_clean_air_may_stay_at_the_end_of_the_scale(quantity: str, value: float) -> None:
    records = [decoded(T0_MS + n * HOUR_MS, **{quantity: value}) for n in range(40)]
    assert flags(judge(a_judge(), *records), quantity) == [()] * 40


@pytest.mark.parametrize(
    ("recording", "columns"),
    [
        ("aq_toco", {"pm25": "pm2_5", "t": "temperature", "rh": "relative_humidity"}),
        (
            "aq_quantaq60",
            {"pm1": "pm1", "pm25": "pm2_5", "pm10": "pm10", "t": "temperature", "rh": "relative_humidity"},
        ),
        ("noise_1m", {"laeq": "laeq"}),
    ],
)
def test_real_recordings_of_good_sensors_raise_no_false_alarm(
    shared: Callable[[str], Path], recording: str, columns: dict[str, str]
) -> None:
    """Each of these follows a reference nearby, by its README: what a check says of it is a false alarm.

    That air was damp is no alarm of the sensor: `fog` is there whenever the humidity says so, and only then.
    """
    judges: dict[str, Judge] = {}
    raised: list[tuple[str, str]] = []
    count = 0
    with shared(f"data/{recording}/train.csv").open(newline="") as file:
        for row in itertools.islice(csv.DictReader(file), 25_000):
            values = {quantity: float(row[name]) for name, quantity in columns.items() if row[name]}
            subject = judges.setdefault(row["node"], a_judge())
            for found in judge(subject, decoded(int(row["time"]) * 1000, **values)):
                count += 1
                foggy = found.quantity.startswith("pm") and values.get("relative_humidity", 0) >= 95
                assert ("fog" in found.flags) == foggy
                raised += [(found.quantity, flag) for flag in found.flags if flag != "fog"]
    assert count > 5000
    assert raised == []


def test_the_memory_of_a_flat_line_survives_a_restart() -> None:
    records = [decoded(T0_MS + n * 15 * MINUTE_MS, temperature=12.34) for n in range(8)]
    unbroken = judge(a_judge(), *records)
    for cut in range(1, 8):
        history = [("temperature", record.observed_at_ms, 12.34) for record in records[:cut]]
        assert judge(a_judge(history), *records[cut:]) == unbroken[cut:]


def test_a_late_record_is_not_judged_against_what_came_after_it() -> None:
    found = judge(
        a_judge(),
        decoded(T0_MS, temperature=15.0),
        decoded(T0_MS + 10 * HOUR_MS, temperature=30.0),
        decoded(T0_MS + MINUTE_MS, temperature=15.5),
        decoded(T0_MS + 10 * HOUR_MS + MINUTE_MS, temperature=30.0),
    )
    assert flags(found, "temperature") == [()] * 4


def test_contradicting_sizes_and_levels_are_flagged_on_both_sides() -> None:
    found = judge(
        a_judge(), decoded(T0_MS, pm1=5.0, pm2_5=4.0, pm10=6.0, lafmin=40.0, laeq=55.0, lafmax=54.0)
    )
    assert {observation.quantity for observation in found if "order" in observation.flags} == {
        "pm1", "pm2_5", "laeq", "lafmax",
    }  # fmt: skip


def test_the_sensors_own_word_stays_the_state_and_an_error_is_never_a_number() -> None:
    (warm,) = judge(a_judge(), decoded(T0_MS, state="warmup", temperature=15.0))
    assert (warm.state, warm.value, warm.flags) == ("warmup", 15.0, ())
    (dead,) = judge(a_judge(), decoded(T0_MS, state="no_answer", temperature=None))
    assert (dead.state, dead.value, dead.raw_value, dead.flags) == ("no_answer", None, None, ())


def test_time_from_the_future_or_never_set_is_flagged() -> None:
    (future,) = judge(a_judge(), decoded(T0_MS + HOUR_MS, received_at_ms=T0_MS, temperature=15.0))
    assert future.flags == ("future",)
    (unset,) = judge(a_judge(), decoded(T0_MS, time_quality="estimated", temperature=15.0))
    assert unset.flags == ("time_unset",)


@pytest.mark.parametrize(
    ("distance", "percent", "flagged"),
    [(1500, 0.0, False), (300, 100.0, False), (900, 50.0, False), (1560, 0.0, False), (1700, 0.0, True),
     (250, 100.0, False), (150, 100.0, True), (1200, 25.0, False)],
)  # fmt: skip
def test_fill_is_empty_minus_distance_over_empty_minus_full(
    distance: float, percent: float, flagged: bool
) -> None:
    """fill % = (d_empty - d)/(d_empty - d_full), clamped."""
    raw, fill = judge(a_judge(), decoded(T0_MS, distance=float(distance)))
    assert (raw.quantity, raw.raw_value, raw.value) == ("distance", distance, distance)
    assert (fill.quantity, fill.unit, fill.value, fill.raw_value) == ("filling_level", "%", percent, None)
    assert (fill.method, fill.method_version) == ("bin_geometry", 1)
    assert ("geometry" in fill.flags) == flagged


def test_a_distance_that_failed_gives_a_fill_that_failed() -> None:
    _, fill = judge(a_judge(), decoded(T0_MS, state="timeout", distance=None))
    assert (fill.value, fill.state) == (None, "timeout")


def rain(found: list[Observation]) -> list[float | None]:
    return [observation.value for observation in found if observation.quantity == "precipitation"]


def test_36_tips_of_a_0_2794_mm_gauge_are_10_mm() -> None:
    records = [decoded(T0_MS, rain_tips=100.0), decoded(T0_MS + 5 * MINUTE_MS, rain_tips=136.0)]
    (mm,) = rain(judge(a_judge(), *records, site=GARDEN_SITE))
    assert mm == pytest.approx(10.06, abs=0.01)


def test_the_counter_wraps_at_16_bits_and_the_sum_of_rain_is_exact() -> None:
    counts = [65530, 65534, 2, 2, 5]
    records = [decoded(T0_MS + n * 10 * MINUTE_MS, rain_tips=float(count)) for n, count in enumerate(counts)]
    found = rain(judge(a_judge(), *records, site=GARDEN_SITE))
    assert found == pytest.approx([4 * 0.2794, 4 * 0.2794, 0.0, 3 * 0.2794], abs=0.0006)


def test_late_and_missing_counts_neither_lose_nor_double_rain() -> None:
    subject = a_judge()
    found = judge(
        subject,
        decoded(T0_MS, rain_tips=10.0),
        decoded(T0_MS + 20 * MINUTE_MS, rain_tips=16.0),
        decoded(T0_MS + 10 * MINUTE_MS, rain_tips=12.0),  # late
        decoded(T0_MS + 30 * MINUTE_MS, state="no_answer", rain_tips=None),
        decoded(T0_MS + 40 * MINUTE_MS, rain_tips=20.0),
        site=GARDEN_SITE,
    )
    assert sum(mm for mm in rain(found) if mm is not None) == pytest.approx(10 * 0.2794, abs=0.001)


def test_a_counter_that_starts_again_gives_no_cloudburst() -> None:
    records = [decoded(T0_MS, rain_tips=500.0), decoded(T0_MS + 10 * MINUTE_MS, rain_tips=0.0)]
    found = [o for o in judge(a_judge(), *records, site=GARDEN_SITE) if o.quantity == "precipitation"]
    assert [(o.value, o.flags) for o in found] == [(None, ("counter_reset",))]


def test_rain_goes_on_after_a_restart() -> None:
    history = [("rain_tips", T0_MS, 10.0)]
    found = judge(a_judge(history), decoded(T0_MS + 10 * MINUTE_MS, rain_tips=12.0), site=GARDEN_SITE)
    assert rain(found) == [pytest.approx(2 * 0.2794, abs=0.001)]
