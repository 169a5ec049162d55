"""The simulated town keeps to the recordings that it was fitted to; the fit is what they give today."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from simulator.city.fields import octaves
from simulator.city.series import PARAMETERS, parameters
from tools import city_fit
from tools.charts import Line, Panel, svg

SHARED = Path(os.environ.get("MEETNET_SHARED", "/nowhere")) / "data"
needs_recordings = pytest.mark.skipif(
    not SHARED.is_dir(), reason="MEETNET_SHARED does not name a folder with the recordings"
)


@needs_recordings
def test_statistics_of_town_and_recordings_agree() -> None:
    """Marginals, autocorrelation, daily cycle and cross-correlation, within their tolerances."""
    from tools.city_compare import compare

    rows = compare(SHARED)
    assert len(rows) == 9 * len(city_fit.SERIES) + 2
    assert [row for row in rows if not row.agrees] == []


@needs_recordings
def test_parameters_are_what_the_command_writes() -> None:
    assert json.loads(json.dumps(city_fit.fit_all(SHARED))) == json.loads(PARAMETERS.read_text())


def test_every_number_has_a_source() -> None:
    for row in (*parameters()["series"].values(), parameters()["bins"], parameters()["fireworks"]):
        assert any(word in row["source"] for word in ("CC BY", "MIT", "Apache", "OGL", "PDDL")), row["source"]
    for row in parameters()["series"].values():
        assert sum(row["octaves"].values()) == pytest.approx(1.0, abs=0.01)
        assert row["quantiles"] == sorted(row["quantiles"])


def test_a_known_mixture_of_octaves_is_found_again() -> None:
    times = np.arange(40_000) * 60
    periods = (300.0, 3600.0, 43200.0)
    truth = {300.0: 0.3, 3600.0: 0.5, 43200.0: 0.2}
    x = octaves(3, "x", times * 1_000_000, truth)
    lags = city_fit.lags_of(periods, 60.0)
    found = city_fit.shares(lags, city_fit.autocorrelation(times, x, lags), periods)
    for period, share in truth.items():
        assert found[period] == pytest.approx(share, abs=0.08)


def test_a_statistic_outside_its_tolerance_differs() -> None:
    from tools.city_compare import Row

    assert not Row("x", "quantile 0.5", 10.0, 12.0, 1.0).agrees
    assert Row("x", "quantile 0.5", 10.0, 10.9, 1.0).agrees


def test_a_chart_has_its_lines_and_names() -> None:
    picture = svg(
        [
            Panel(
                "a < b",
                "s",
                [Line("one", [1, 10, 100], [0, 1, 0.5]), Line("two", [1], [1], True)],
                log_x=True,
            )
        ],
        1,
        "c",
    )
    assert picture.count("<polyline") == 1 and picture.count("<circle") == 1
    assert "a &lt; b" in picture and "one" in picture
