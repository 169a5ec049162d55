"""Bounds on what bins tell: the short form of `python -m tests.bench.bins`, and the whole year nightly."""

from __future__ import annotations

import pytest

from tests.bench.bins import KINDS, Score, live


def _year(bins: int, days: int) -> Score:
    score = Score()
    for i in range(bins):
        live(1000 + i, days, score)
    return score


def _judge(score: Score, most_false_emptied: float) -> None:
    for kind in KINDS.values():
        assert score.detected[kind] >= 0.98 * score.happened[kind], kind
    assert score.false["emptied"] <= most_false_emptied * score.happened["emptied"]
    assert score.false["fire"] == score.false["over"] == score.false["tilted"] == 0
    assert score.wrong_mm <= 0.002 * score.records


def test_two_months_of_a_few_bins() -> None:
    score = _year(4, 60)
    assert score.happened["emptied"] > 50
    _judge(score, 0.02)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_year_of_fifty_bins() -> None:
    score = _year(50, 365)
    assert score.happened["fire"] > 10
    _judge(score, 0.006)
