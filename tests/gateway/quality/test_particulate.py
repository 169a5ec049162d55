"""Corrections of particulate matter against published figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quality import particulate


@pytest.mark.parametrize(
    ("raw", "rh", "corrected"),
    [  # the form of Tasmota (73cd5ce) and AirGradient (PMS.cpp), computed by hand from their constants
        (0, 80, 0.0), (5, 90, 0.61), (20, 85, 8.90), (30, 60, 16.30), (50, 60, 39.88), (210, 50, 166.50),
        (260, 50, 242.12),
    ],
)  # fmt: skip
def test_epa_with_smoke_ranges(raw: float, rh: float, corrected: float) -> None:
    assert particulate.epa_extended(raw, rh) == pytest.approx(corrected, abs=0.005)


@pytest.mark.parametrize("join", [30, 50, 210, 260])
@pytest.mark.parametrize("rh", [0, 40, 85, 100])
def test_epa_ranges_join_without_a_step(join: float, rh: float) -> None:
    assert particulate.epa_extended(join - 1e-9, rh) == pytest.approx(
        particulate.epa_extended(join, rh), abs=1e-4
    )


def test_epa_2021_is_the_linear_form() -> None:
    """Barkjohn et al., AMT 14, 4617: PM2.5 = 0.524 PA_cf1 - 0.0862 RH + 5.75."""
    assert particulate.linear(9.0, 50.0, 0.524, -0.0862, 5.75) == pytest.approx(6.156)


@pytest.mark.parametrize(
    ("kappa", "rh", "factor"),
    [  # computed from Crilley et al. 2018 (AMT 11, 709), eq. 6, with a density of 1.65 g/cm³
        (0.3, 50, 1.18), (0.3, 70, 1.42), (0.3, 80, 1.73), (0.3, 90, 2.64), (0.3, 95, 4.45),
        (0.4, 50, 1.24), (0.4, 70, 1.57), (0.4, 80, 1.97), (0.4, 90, 3.18), (0.4, 95, 5.61),
    ],
)  # fmt: skip
def test_growth(kappa: float, rh: float, factor: float) -> None:
    assert particulate.growth(kappa, rh) == pytest.approx(factor, abs=0.006)


def test_growth_is_held_in_fog() -> None:
    """At 98 % the formula gives 9.91 for kappa 0.3: nobody should divide by that."""
    assert particulate.growth(0.3, 98) == particulate.growth(0.3, 100) == particulate.growth(0.3, 95)


@given(
    pm10=st.floats(0, 1000),
    share=st.floats(0, 1),
    rh=st.floats(-20, 150),
    fine=st.floats(0, 1.4),
    coarse=st.floats(0, 1.4),
)
def test_dry_mass_is_never_above_the_wet_one_nor_below_zero(
    pm10: float, share: float, rh: float, fine: float, coarse: float
) -> None:
    dry = particulate.koehler_coarse(pm10, share * pm10, rh, fine, coarse)
    assert 0 <= dry <= pm10 * (1 + 1e-12)


@given(x=st.floats(0, 2000), rh=st.floats(-50, 200))
def test_no_correction_goes_below_zero(x: float, rh: float) -> None:
    assert particulate.epa_extended(x, rh) >= 0
    assert particulate.linear(x, rh, 0.524, -0.0862, 5.75) >= 0
