"""Instants at which a clock or a counter wraps: whole nodes live across them, end to end into the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.stage.scenario import parse
from simulator.stage.stage import play

pytestmark = [pytest.mark.mpy, pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("start", "until", "why"),
    [
        ("2034-01-09T12:57:00Z", "80m", "2^30 s after 2000: small ints of the chip have 31 bits"),
        ("2038-01-19T02:34:00Z", "80m", "2^31 s after 1970"),
        ("2026-10-25T00:20:00Z", "80m", "the end of summer time in Brussels"),
        ("2036-02-29T23:20:00Z", "80m", "the end of a leap day"),
        ("2026-09-21T00:00:00Z", "13d", "2^30 ms: ticks_ms wraps after 12.4 days"),
    ],
)
def test_nothing_is_lost_across_it(tmp_path: Path, start: str, until: str, why: str) -> None:
    interval_s = 300 if until.endswith("m") else 3600
    nodes = [
        {"kind": "garden", "interval_s": interval_s},
        {"kind": "air", "transport": "mqtt", "interval_s": interval_s},
    ]
    document = {"title": why, "start": start, "until": until, "nodes": nodes}
    result = play(parse(document), tmp_path)
    assert result.failures == [], why
    assert result.accounts is not None
    # GPS time is 18 s ahead of UTC: a node that took it for UTC would be among the "never measured".
    assert result.accounts["invented"] == 0
    assert result.accounts["stored"] > 30
