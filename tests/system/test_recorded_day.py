"""A recorded day through register-level sensors, real firmware and real LoRaWAN into the store.

Every reading arrives: equal to the sensor's resolution, in order, with its own time, none twice. The
expected values are the rows of the recording itself, read here without the simulator's replay.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.replay import Recording
from tests.system.house import run_house

MINUTE_S = 60
START_S = 1_790_000_040  # 2026-09-21, on a whole minute
# Until it has joined and asked the network for the time, a node cannot measure on the whole minute.
START_UP_S = 5 * MINUTE_S


def rows(path: Path, node: str, start_s: int, end_s: int) -> dict[int, dict[str, str]]:
    """Return {time: row} of one node of a recording in [start_s, end_s)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            int(row["time"]): row
            for row in csv.DictReader(file)
            if row["node"] == node and start_s <= int(row["time"]) < end_s
        }


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_minute_of_a_recorded_day_of_air_arrives_once_and_equal(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    path = shared("data/aq_toco/train.csv")
    recording = Recording.load(path)
    # The recording is of 2019; a node refuses a time from before its firmware, so it is played in 2026.
    shift_s = START_S - recording.start_s
    day_s = 24 * 3600
    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=day_s + 120,  # two minutes more for the last frame to be sent
        start_s=START_S,
        interval_s=MINUTE_S,
        replay=recording,
    )
    site = outcome.street.planned[0].site_id
    begin_s = recording.start_s
    found = rows(path, "RT01", begin_s + START_UP_S, begin_s + day_s)
    recorded = {time_s + shift_s: row for time_s, row in found.items()}
    assert len(recorded) == (day_s - START_UP_S) // MINUTE_S
    for quantity, column, decimals in (
        ("pm2_5", "pm25", 1),
        ("temperature", "t", 2),
        ("relative_humidity", "rh", 1),
    ):
        series = outcome.of(site, quantity)
        times = [o.observed_at_ms for o in series]
        assert times == sorted(set(times)), f"{quantity}: out of order or twice"
        arrived = {o.observed_at_ms // 1000: o for o in series}
        missing = sorted(set(recorded) - set(arrived))
        assert missing == [], f"{quantity}: lost {len(missing)}, the first at {missing[0]}"
        for time_s, row in recorded.items():
            assert arrived[time_s].state == "ok"
            assert f"{arrived[time_s].raw_value:.{decimals}f}" == f"{float(row[column]):.{decimals}f}", (
                f"{quantity} at {time_s}"
            )
    assert not [name for name in outcome.counters if name.startswith(("decode.", "pipeline.dead"))]


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_recorded_noise_levels_arrive_within_a_tenth_of_a_decibel(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """The level of a minute becomes sound at the microphone model, and the meter must find it again."""
    path = shared("data/noise_1m/train.csv")
    recording = Recording.load(path)
    shift_s = START_S - recording.start_s
    hours_s = 4 * 3600
    outcome = run_house(
        tmp_path,
        nodes=2,  # the second one is a noise node
        virtual_s=hours_s + 120,
        start_s=START_S,
        interval_s=MINUTE_S,
        replay=recording,
    )
    site = outcome.street.planned[1].site_id
    begin_s = recording.start_s
    found = rows(path, "n", begin_s + START_UP_S, begin_s + hours_s)
    assert len(found) > 200
    arrived = {o.observed_at_ms // 1000: o for o in outcome.of(site, "laeq")}
    errors_db: list[float] = []
    for time_s, row in found.items():
        reading = arrived[time_s + shift_s]
        assert reading.raw_value is not None, (time_s, reading.state)
        errors_db.append(reading.raw_value - float(row["laeq"]))
    assert max(map(abs, errors_db)) <= 0.1 + 1e-9, (min(errors_db), max(errors_db))
