"""What a network says of its members: buddies nearby, and the whole field at one time.

All functions take a matrix of values (times x sites, NaN = none) and return a matrix or vector of what does
not fit. They judge; they change nothing.

Buddy check after titanlib and the MetObs toolkit: the mean and spread of the sites within a radius, the site
itself left out, again without those that fell in the rounds before. Network checks after CrowdQC+ (Fenner et
al. 2021): a robust z at each time, bounds that are tighter on the warm side because the sun only ever errs
that way; a site that falls out too often, or does not move with the rest, is out for the whole period.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]
EARTH_M = 6_371_000.0
_QN = 2.219144465985076  # a normal distribution's standard deviation (Rousseeuw and Croux 1993)


def distances_m(longitude: float, latitude: float, longitudes: Floats, latitudes: Floats) -> Floats:
    """Return the distance from a point to each of many in metres, on a sphere."""
    lon, lat = np.radians(longitudes), np.radians(latitudes)
    lon_0, lat_0 = math.radians(longitude), math.radians(latitude)
    half_lat, half_lon = np.sin((lat - lat_0) / 2) ** 2, np.sin((lon - lon_0) / 2) ** 2
    inner: Floats = half_lat + math.cos(lat_0) * np.cos(lat) * half_lon
    return 2 * EARTH_M * np.arcsin(np.sqrt(np.clip(inner, 0, 1)))


def nearest(longitudes: Floats, latitudes: Floats, radius_m: float, most: int) -> Indices:
    """Return the nearest others of each site (sites x at most `most`) within a radius; -1 = none.

    A cap keeps a city of thousands of sites as quick as a village; the nearest say most.
    """
    n = len(longitudes)
    found = np.full((n, min(most, max(n - 1, 0))), -1, np.int64)
    for site in range(n):
        apart = distances_m(float(longitudes[site]), float(latitudes[site]), longitudes, latitudes)
        apart[site] = np.inf
        near = np.flatnonzero(apart <= radius_m)
        near = near[np.argsort(apart[near], kind="stable")][: found.shape[1]]
        found[site, : len(near)] = near
    return found


def of_buddies(values: Floats, buddies: Indices) -> Floats:
    """Return the values of each site's buddies at one time (sites x buddies); NaN where there is none."""
    return np.where(buddies >= 0, values[buddies], np.nan)


def buddy_outliers(
    values: Floats, buddies: Indices, fewest: int, threshold: float, least_spread: float, rounds: int = 2
) -> Bools:
    """Return which values (times x sites) are further than `threshold` spreads from their buddies' mean.

    A value with fewer than `fewest` buddies passes. The spread is that of a new member of the group,
    sqrt(var + var / n), and never below `least_spread`.
    """
    out = np.zeros(values.shape, np.bool_)
    for row, now in enumerate(values):
        for _ in range(rounds):
            group = of_buddies(np.where(out[row], np.nan, now), buddies)
            count = np.isfinite(group).sum(axis=1)
            some = np.maximum(count, 1)
            mean = np.nansum(group, axis=1) / some
            variance = np.nansum((group - mean[:, None]) ** 2, axis=1) / some
            spread = np.maximum(np.sqrt(variance * (1 + 1 / some)), least_spread)
            found = (count >= fewest) & (np.abs(now - mean) / spread > threshold) & ~out[row]
            if not bool(found.any()):
                break
            out[row] |= found
    return out


def qn(values: Floats) -> float:
    """Return the Qn scale of values without NaN: robust like the MAD, for skewed distributions too.

    The k-th smallest difference of two values, k = (h over 2), h = n // 2 + 1; without the corrections for
    small samples.
    """
    n = len(values)
    if n < 2:
        return 0.0
    first, second = np.triu_indices(n, 1)
    apart = np.abs(values[first] - values[second])
    k = math.comb(n // 2 + 1, 2) - 1
    return _QN * float(np.partition(apart, k)[k])


def network_outliers(values: Floats, low_z: float, high_z: float, fewest: int) -> Bools:
    """Return which values (times x sites) are outside of [low_z, high_z] robust spreads of all at that time.

    CrowdQC+ m2: the bounds are quantiles of the normal distribution, 0.01 and 0.95. A time with fewer than
    `fewest` sites passes.
    """
    out = np.zeros(values.shape, np.bool_)
    for row, now in enumerate(values):
        good = np.isfinite(now)
        present = now[good]
        if len(present) < fewest:
            continue
        scale = qn(present)
        if scale == 0:
            continue
        z = (present - float(np.median(present))) / scale
        out[row, good] = (z < low_z) | (z > high_z)
    return out


def often_out(values: Floats, out: Bools, share: float) -> Bools:
    """Return which sites (vector) are outliers in more than a share of their values (CrowdQC+ m3: 0.2)."""
    present = np.isfinite(values)
    return (out & present).sum(axis=0) > share * np.maximum(present.sum(axis=0), 1)


def unlike_the_network(values: Floats, least_correlation: float, fewest_times: int) -> Bools:
    """Return which sites (vector) do not move with the median of the network (CrowdQC+ m4: r below 0.9).

    Only times at which at least three sites have a value count; a site with fewer than `fewest_times` passes.
    """
    found = np.zeros(values.shape[1], np.bool_)
    present = np.isfinite(values)
    enough = present.sum(axis=1) >= 3
    if not bool(enough.any()):
        return found
    middle = np.full(len(values), np.nan)
    middle[enough] = np.nanmedian(values[enough], axis=1)
    for site in range(values.shape[1]):
        both = present[:, site] & enough
        if int(both.sum()) < fewest_times:
            continue
        one, other = values[both, site], middle[both]
        spread = float(np.std(one)) * float(np.std(other))
        products: Floats = (one - one.mean()) * (other - other.mean())
        found[site] = spread == 0 or float(products.mean()) / spread < least_correlation
    return found


def drift_ratios(values: Floats, buddies: Indices, fewest: int, fewest_times: int) -> Floats:
    """Return how many times its buddies each site reads, over the period (vector); NaN = too little to say.

    The median over time of a site's value against the median of its buddies; for quantities that are shares
    of each other, such as particulate matter.
    """
    ratios = np.full(values.shape[1], np.nan)
    present = np.isfinite(values)
    for site in range(values.shape[1]):
        own = buddies[site][buddies[site] >= 0]
        if len(own) < fewest:
            continue
        enough = (present[:, own].sum(axis=1) >= fewest) & present[:, site]
        against = np.nanmedian(values[enough][:, own], axis=1) if bool(enough.any()) else np.empty(0)
        usable = against > 0
        if int(usable.sum()) >= fewest_times:
            ratios[site] = float(np.median(values[enough, site][usable] / against[usable]))
    return ratios
