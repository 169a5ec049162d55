"""A network of sites at their true places: who is whose neighbour, and how a large one is cut into districts.

A region is not one town: a thermometer in Ghent says little of one in Groningen. Above MOST_SITES, sites are
judged district by district, each with enough of what lies around it that its neighbours are those of the
whole network. It also bounds the memory that a month of hours takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gateway.quality import neighbours
from gateway.quality.neighbours import Indices
from gateway.quality.review import NETWORK_CHECKS, Reviewer

MOST_SITES = 5000
MOST_BUDDIES = 40
_RINGS = 2  # buddy_outliers goes round twice: whether a neighbour is out depends on its own neighbours
_WIDEST_M = max(check.parameters.get("radius_m", 0.0) for check in NETWORK_CHECKS)


class Member(NamedTuple):
    """A site in the network, at its true position: this never leaves the house."""

    site_id: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class District:
    """Sites that are judged beside one another. sites: by number; the first `own` are its own."""

    sites: Indices
    own: int


class Network:
    """The sites, in the order given."""

    def __init__(self, members: Sequence[Member], most: int = MOST_SITES) -> None:
        """most: how many are judged as one; a district has half of it, and what lies around."""
        self.site_ids = [member.site_id for member in members]
        self._longitudes = np.array([member.longitude for member in members], np.float64)
        self._latitudes = np.array([member.latitude for member in members], np.float64)
        self._near: dict[float, Indices] = {}
        self.districts = self._districts(most)

    def near(self, radius_m: float) -> Indices:
        """Return the nearest others of each site within a radius, as `neighbours.nearest` does."""
        found = self._near.get(radius_m)
        if found is None:
            found = neighbours.nearest(self._longitudes, self._latitudes, radius_m, MOST_BUDDIES)
            self._near[radius_m] = found
        return found

    def reviewer(self, district: District) -> Reviewer:
        """Return who judges a district; values are given in the order of its sites."""
        place = np.full(len(self.site_ids), -1, np.int64)
        place[district.sites] = np.arange(len(district.sites))

        def near(radius_m: float) -> Indices:
            buddies = self.near(radius_m)[district.sites]
            return np.where(buddies >= 0, place[buddies], -1)

        numbers: list[int] = district.sites.tolist()
        return Reviewer([self.site_ids[site] for site in numbers], near, district.own)

    def _districts(self, most: int) -> list[District]:
        n = len(self.site_ids)
        if n <= most:
            return [District(np.arange(n), n)]
        buddies = self.near(_WIDEST_M)
        found: list[District] = []
        for own in neighbours.halved(self._longitudes, self._latitudes, max(1, most // 2)):
            known = np.zeros(n, np.bool_)
            known[own] = True
            for _ in range(_RINGS):
                ring = buddies[known]
                known[ring[ring >= 0]] = True
            known[own] = False
            found.append(District(np.concatenate([own, np.flatnonzero(known)]), len(own)))
        return found
