"""The design tools: what they wrote is what lies there, and a search finds filters as good again."""

from __future__ import annotations

import numpy as np
import pytest

from tools import noise_design, noise_kernels, octave_kernels
from tools.noise_kernels import WEIGHTINGS


@pytest.mark.parametrize("tool", [noise_design, noise_kernels, octave_kernels], ids=lambda t: t.__name__)
def test_the_generated_files_are_current(tool: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().out  # type: ignore[attr-defined]


@pytest.mark.parametrize("w", WEIGHTINGS, ids=lambda w: w.module)
def test_every_design_is_inside_class_1(w: noise_kernels.Weighting) -> None:
    """At every exact frequency, with its microphone; 32 kHz carries nothing above 13 kHz."""
    inside = noise_design.classes(w)
    f = noise_design.exact_frequencies()
    assert inside[f < (21_000 if w.rate_hz >= 44_100 else 13_000)].all()


@pytest.mark.parametrize("w", [w for w in WEIGHTINGS if not w.response], ids=lambda w: w.module)
def test_flat_designs_keep_a_twentieth_of_a_decibel_between_the_frequencies_too(
    w: noise_kernels.Weighting,
) -> None:
    f = np.geomspace(10, 20_000 if w.rate_hz >= 44_100 else 13_000, 2000)
    a, c = noise_design.deviations(w, f)
    assert np.abs(a).max() <= 0.05
    assert np.abs(c).max() <= 0.05


def test_a_search_finds_the_filters_again() -> None:
    best, worst = noise_design.search(48_000, "")
    assert worst <= 0.05
    assert best.rate_hz == 48_000


def test_the_microphones_curve_meets_its_points() -> None:
    got = noise_design.microphone("ics43434", np.array([20.0, 100.0, 1000.0, 12_500.0]))
    assert np.allclose(got, [-13, -1.8, 0, 4.5], atol=0.01)
