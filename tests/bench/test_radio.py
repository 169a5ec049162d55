"""The radio model gives the extraction rates of its peers' algorithms, node for node."""

from __future__ import annotations

import pytest

from simulator.channel.model import RadioModel
from tests.bench.radio import curves, flora, lorasim, picture, powers
from tests.simulator.radio_cases import SLOW, Traffic


@pytest.mark.parametrize("nodes", [64, 400])
def test_lorasims_algorithm(nodes: int) -> None:
    """LoRaSim lets the end of a frame be overlapped by three symbols of the next, we do not: up to 0.02."""
    traffic = Traffic(nodes, 20_000 / nodes * 1000.0, coding_rate=SLOW)
    model = RadioModel.lorasim()
    assert traffic.extracted(model) == pytest.approx(lorasim(traffic, powers(traffic, model))[0], abs=0.035)


@pytest.mark.parametrize("nodes", [64, 400])
def test_floras_receiver(nodes: int) -> None:
    """The same frames through both: FLoRa's critical section begins a symbol earlier."""
    traffic = Traffic(nodes, 8_000 / nodes * 1000.0, radius_m=5000.0)
    model = RadioModel.flora()
    assert traffic.extracted(model) == pytest.approx(flora(traffic, powers(traffic, model)), abs=0.01)


def test_the_picture_shows_the_published_points() -> None:
    drawn = picture(curves(1500))
    assert drawn.count("<circle") == 3
    assert drawn.count("<polyline") == 8
