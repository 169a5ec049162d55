"""Bounds on what checks find and whom they accuse: the short form of `python -m tests.bench.quality`."""

from __future__ import annotations

from tests.bench.quality import FAULTS, run


def test_a_small_town_with_every_fault() -> None:
    score = run(sites=24, days=25, seed=3)
    assert set(score.hours) == set(FAULTS)
    found = {fault: score.found[fault] / hours for fault, hours in score.hours.items()}
    assert found.pop("humidity stuck at 99.9 %") > 0.4  # nothing is wrong with it on damp nights
    assert min(found.values()) > 0.95, found
    for quantity, hours in score.healthy.items():
        # CrowdQC+ gives up 6 % of each time's values by design, where a town's spread is normal
        assert score.alarms[quantity] <= (0.03 if quantity == "temperature" else 0.01) * hours, quantity
    assert score.fog_flagged == score.fog_hours > 0
    assert score.fog_elsewhere == 0
