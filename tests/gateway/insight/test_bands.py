"""Index bands at their bounds, as IRCEL and the EEA publish them; dated tables keep old days as they were."""

from __future__ import annotations

import pytest

from gateway.insight.bands import BELAQI, EAQI, Bands, bands_at, day_ms, judge, level_of


@pytest.mark.parametrize(
    ("pollutant", "value", "level"),
    [  # open-irceline 2.0.0 belaqi.py, hourly
        ("pm10", 0, 1), ("pm10", 10, 1), ("pm10", 10.1, 2), ("pm10", 35, 3), ("pm10", 140, 9),
        ("pm10", 140.1, 10), ("pm2_5", 3.5, 1), ("pm2_5", 3.6, 2), ("pm2_5", 7.5, 2), ("pm2_5", 20, 5),
        ("pm2_5", 75, 9),
        ("pm2_5", 75.1, 10), ("no2", 45, 6), ("o3", 240.5, 10),
    ],
)  # fmt: skip
def test_belaqi(pollutant: str, value: float, level: int) -> None:
    assert level_of(BELAQI, pollutant, value) == level


@pytest.mark.parametrize(
    ("pollutant", "value", "level"),
    [  # EEA 2024 (ETC HE 2024/17)
        ("pm2_5", 5, 1), ("pm2_5", 5.1, 2), ("pm2_5", 140, 5), ("pm2_5", 140.1, 6), ("pm10", 45, 2),
        ("no2", 25.5, 3), ("o3", 180, 5), ("so2", 276, 6),
    ],
)  # fmt: skip
def test_eaqi(pollutant: str, value: float, level: int) -> None:
    assert level_of(EAQI, pollutant, value) == level


def test_the_worst_pollutant_decides_and_missing_ones_make_it_a_part() -> None:
    found = judge(BELAQI, {"pm2_5": 8.0, "pm10": 50.0})
    assert found is not None
    assert (found.level, found.of, found.decided_by, found.is_partial) == (5, 10, "pm10", True)
    whole = judge(BELAQI, {"pm2_5": 8.0, "pm10": 1.0, "no2": 1.0, "o3": 1.0, "temperature": 99.0})
    assert whole is not None
    assert (whole.level, whole.is_partial) == (3, False)
    assert judge(BELAQI, {"temperature": 20.0}) is None


def test_old_days_keep_their_bands() -> None:
    change = day_ms(2030, 1, 1)
    old = Bands("x", 2, {"pm10": (10,)}, ("pm10",), "old", 0, change)
    new = Bands("x", 2, {"pm10": (5,)}, ("pm10",), "new", change)
    levels = [
        judge(found, {"pm10": 7.0}).level  # type: ignore[union-attr]
        for at in (change - 1, change)
        if (found := bands_at("x", at, (old, new)))
    ]
    assert levels == [1, 2]
    assert bands_at("belaqi", day_ms(2022, 10, 31)) is None  # not judged by bands that came later
