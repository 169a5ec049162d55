"""Corrections of particulate matter for the water that particles hold, as plain functions of numbers.

PM in µg/m³, relative humidity in percent. An optical sensor counts a swollen particle as a large one, a
reference instrument dries its sample first, so in damp air the same dust reads too high.
"""

from __future__ import annotations

# Above this the factor explodes (3.9 at 95 %, 9.9 at 98 % for kappa 0.3), so it is held here and flagged.
FOG_RH_PERCENT = 95.0
PARTICLE_DENSITY = 1.65  # g/cm³ of dry urban aerosol, as in Crilley et al. 2018 (AMT 11, 709), eq. 6


def growth(kappa: float, rh_percent: float) -> float:
    """Return how many times its dry mass a particle seems to weigh: 1 + (kappa / 1.65) / (1 / a_w - 1).

    kappa-Köhler after Crilley et al. 2018. The water activity a_w is rh/100, held within 0 and 0.95.
    """
    activity = min(max(rh_percent, 0.0), FOG_RH_PERCENT) / 100
    return 1 + kappa / PARTICLE_DENSITY * activity / (1 - activity)


def koehler_fine(pm: float, rh_percent: float, kappa: float) -> float:
    """Return the dry mass of particles up to 2.5 µm."""
    return pm / growth(kappa, rh_percent)


def koehler_coarse(
    pm10: float, pm2_5: float, rh_percent: float, kappa_fine: float, kappa_coarse: float
) -> float:
    """Return the dry mass up to 10 µm: fine particles shrink by one kappa, those above 2.5 µm by another."""
    fine = min(pm2_5, pm10)
    return fine / growth(kappa_fine, rh_percent) + (pm10 - fine) / growth(kappa_coarse, rh_percent)


def linear(pm: float, rh_percent: float, slope: float, per_rh: float, intercept: float) -> float:
    """Return slope * pm + per_rh * rh + intercept, never below zero: the form of most co-locations.

    US EPA 2021 (Barkjohn et al., AMT 14, 4617; Plantower, cf_1) is 0.524, -0.0862, 5.75.
    """
    return max(0.0, slope * pm + per_rh * rh_percent + intercept)


def epa_extended(pm2_5: float, rh_percent: float) -> float:
    """Return the US EPA correction for Plantower sensors with its smoke ranges; never below zero.

    Five ranges that join without a step, for Plantower's channel for the atmosphere; humidity is held within
    0 and 100 %.
    """
    x, rh = pm2_5, min(max(rh_percent, 0.0), 100.0)
    if x < 30:
        found = 0.524 * x - 0.0862 * rh + 5.75
    elif x < 50:
        w = x / 20 - 1.5
        found = (0.786 * w + 0.524 * (1 - w)) * x - 0.0862 * rh + 5.75
    elif x < 210:
        found = 0.786 * x - 0.0862 * rh + 5.75
    elif x < 260:
        w = x / 50 - 4.2
        found = (
            (0.69 * w + 0.786 * (1 - w)) * x
            - 0.0862 * rh * (1 - w)
            + 2.966 * w
            + 5.75 * (1 - w)
            + 8.84e-4 * x * x * w
        )
    else:
        found = 2.966 + 0.69 * x + 8.84e-4 * x * x
    return max(0.0, found)
