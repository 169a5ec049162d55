"""Rain while the chip sleeps deeply: every tip is counted, by the coprocessor and by a counter chip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import rain

pytestmark = [pytest.mark.mpy]


@pytest.mark.parametrize("board", ["lora32_garden", "heltec3_garden", "c3_garden"])
def test_no_tip_is_lost_in_deep_sleep(tmp_path: Path, board: str) -> None:
    told = rain.asleep(tmp_path, board, hours=6, sleep_s=900)
    assert told.lives > 20
    assert told.fell > 100
    assert told.counted == told.fell


def test_a_bounce_as_long_as_a_tip_is_counted_and_shows() -> None:
    # No counter can tell it from a tip: calibrating with 100 ml shows it, and the gateway's rate.
    assert rain.contact("esp32", {"bounce"}).counted == 2 * rain.contact("esp32", set()).fell
