"""What a channel's first value in a frame is: bins of learned mass, less a share of the channels before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.codec_lab.recordings import Ints
from wire.codec.v2_tables import MASSES

_QUANTILES = 20
_GAIN_BITS = 0.4  # below that, parents are not worth being wrong elsewhere


@dataclass(frozen=True, slots=True)
class First:
    """Parents with weights in 1/1024, edges of bins, masses of bins (sum MASSES)."""

    parents: tuple[tuple[int, int], ...] = ()
    edges: tuple[int, ...] = ()
    masses: tuple[int, ...] = ()


def _edges(values: Ints) -> Ints:
    found = np.sort(values)
    at = np.linspace(0.002, 0.998, _QUANTILES)
    marks = found[(at * (len(found) - 1)).astype(int)]
    twice = marks[1:][marks[1:] == marks[:-1]]
    return np.unique(np.concatenate([marks, twice, twice + 1, marks[-1:] + 1]))


def _masses(values: Ints, edges: Ints) -> Ints:
    counts = np.histogram(values, edges)[0].astype(float) + 0.5
    share = counts / counts.sum() * MASSES
    masses = np.maximum(1, np.floor(share)).astype(np.int64)
    while masses.sum() != MASSES:
        if masses.sum() < MASSES:
            masses[np.argmax(share - masses)] += 1
        else:
            masses[np.argmax(np.where(masses > 1, masses - share, -np.inf))] -= 1
    return masses


def cost(values: Ints, first: First, span: int) -> float:
    """Return the mean bits of first values (less their parents' share)."""
    edges = np.array(first.edges)
    place = np.searchsorted(edges, values, "right") - 1
    inside = (place >= 0) & (place < len(first.masses))
    k = np.clip(place, 0, len(first.masses) - 1)
    width = np.diff(edges)[k]
    fit = -np.log2(np.array(first.masses)[k] / 256) + np.log2(width)
    return float(np.where(inside, fit, 4 + np.log2(span + 1)).mean())


def shares(parents: tuple[tuple[int, int], ...], series: Ints) -> Ints:
    """Return what the parents say of the first value, as the chip computes it; series: rows x channels."""
    total = np.zeros(len(series), np.int64)
    for parent, weight in parents:
        total += series[:, parent] * weight
    return total >> 10


def fit(index: int, series: Ints, span: int) -> First:
    """Return the prior of a channel from records (rows x channels of series)."""
    values = series[:, index]

    def with_parents(parents: tuple[tuple[int, int], ...]) -> tuple[float, First]:
        rest = values - shares(parents, series)
        edges = _edges(rest)
        first = First(parents, tuple(edges.tolist()), tuple(_masses(rest, edges).tolist()))
        return cost(rest, first, span), first

    best_cost, best = with_parents(())
    if index:
        x = np.column_stack([series[:, :index].astype(float), np.ones(len(series))])
        weights = np.linalg.lstsq(x, values.astype(float), rcond=None)[0][:-1]
        whole = np.clip(np.rint(weights * 1024), -32767, 32767).astype(int)
        chosen = tuple((k, int(w)) for k, w in enumerate(whole) if w)
        found_cost, found = with_parents(chosen)
        if found_cost < best_cost - _GAIN_BITS:
            return found
    return best
