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
_LEAF = 256  # sites whose neighbours are looked for at once
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
    if found.size:
        for leaf in halved(longitudes, latitudes, _LEAF):
            # Where sites are dense, the nearest are found without a look at the whole radius.
            reach_m = radius_m if n <= _LEAF else radius_m / 16
            while len(leaf):
                around = near_box(longitudes, latitudes, leaf, reach_m)
                is_done = _nearest_of(longitudes, latitudes, leaf, around, reach_m, found)
                if reach_m >= radius_m:
                    break
                leaf, reach_m = leaf[~is_done], min(2 * reach_m, radius_m)
    return found


def _nearest_of(
    longitudes: Floats, latitudes: Floats, sites: Indices, around: Indices, reach_m: float, found: Indices
) -> Bools:
    """Fill in the nearest of some sites, out of those around; return which have as many as they may."""
    most = found.shape[1]
    apart = np.stack(
        [
            distances_m(
                float(longitudes[site]), float(latitudes[site]), longitudes[around], latitudes[around]
            )
            for site in sites
        ]
    )
    apart[(around == sites[:, None]) | (apart > reach_m)] = np.inf
    order = np.argsort(apart, axis=1, kind="stable")[:, :most]
    is_near = np.isfinite(np.take_along_axis(apart, order, axis=1))
    found[sites, : order.shape[1]] = np.where(is_near, around[order], -1)
    return is_near.sum(axis=1) == most


def near_box(longitudes: Floats, latitudes: Floats, sites: Indices, reach_m: float) -> Indices:
    """Return all sites, in their order, that are no further than `reach_m` from the box about some of them.

    A few that are further may be among them.
    """
    low, high = float(latitudes[sites].min()), float(latitudes[sites].max())
    reach = math.degrees(reach_m / EARTH_M) * 1.001
    inside = (latitudes >= low - reach) & (latitudes <= high + reach)
    middle = (float(longitudes[sites].min()) + float(longitudes[sites].max())) / 2
    half = (float(longitudes[sites].max()) - float(longitudes[sites].min())) / 2
    narrowest = math.cos(math.radians(min(90.0, max(abs(low), abs(high)) + reach)))
    half += reach / max(narrowest, 1e-9)  # near a pole: all of them
    inside &= np.abs((longitudes - middle + 180) % 360 - 180) <= half
    return np.flatnonzero(inside)


def halved(longitudes: Floats, latitudes: Floats, most: int) -> list[Indices]:
    """Return all sites in groups of at most `most` that lie together: halved along the longer side."""
    found: list[Indices] = []
    left = [np.arange(len(longitudes))]
    while left:
        group = left.pop()
        if len(group) <= most:
            found.append(group)
            continue
        lon, lat = longitudes[group], latitudes[group]
        width = float(np.ptp(lon)) * math.cos(math.radians(float(lat.mean())))
        order = np.argsort(lon if width > float(np.ptp(lat)) else lat, kind="stable")
        half = len(group) // 2
        left += [np.sort(group[order[half:]]), np.sort(group[order[:half]])]
    return [group for group in found if len(group)]


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


def medians(values: Floats) -> Floats:
    """Return the median of each row without its NaN; NaN of a row that has nothing else.

    numpy's nanmedian takes twenty times as long over rows of some tens.
    """
    count = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN comes last
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    return (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2


def qn(values: Floats) -> float:
    """Return the Qn scale of values without NaN: robust like the MAD, for skewed distributions too.

    The k-th smallest difference of two values, k = (h over 2), h = n // 2 + 1; without the corrections for
    small samples.
    """
    n = len(values)
    if n < 2:
        return 0.0
    ordered = np.sort(values)
    k = math.comb(n // 2 + 1, 2)
    behind = np.arange(1, n + 1)

    def pairs(apart: float) -> int:
        return int((np.searchsorted(ordered, ordered + apart, "right") - behind).sum())

    if pairs(0.0) >= k:
        return 0.0
    # Half an interval at a time: all pairs of 5,000 sites would be half a gigabyte.
    low, high = 0.0, float(ordered[-1] - ordered[0])
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if pairs(middle) >= k else (middle, high)
    return _QN * high


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
    middle = medians(values)
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
        against = medians(values[np.ix_(enough, own)])
        usable = against > 0
        if int(usable.sum()) >= fewest_times:
            ratios[site] = float(np.median(values[enough, site][usable] / against[usable]))
    return ratios
