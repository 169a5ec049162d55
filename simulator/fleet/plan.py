"""A town full of nodes, and its gateways: places, kinds and keys follow from seed and numbers alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulator.nodeproc import SimulatorError
from simulator.places import Place, to_degrees
from simulator.plan import ORIGIN, PlannedNode, identity

_MOST = 200_000
_SHARES = (("garden", 0.5), ("bin", 0.25), ("air", 0.15), ("noise", 0.10))
_NAMES = {"air": "Gevel", "noise": "Straatkant", "bin": "Afvalbak", "garden": "Tuin"}


def town(
    nodes: int, seed: int = 1, size_m: float = 4000.0, shares: tuple[tuple[str, float], ...] = _SHARES
) -> list[PlannedNode]:
    """Return LoRaWAN nodes spread over a square of size_m; shares: how many of each kind.

    SimulatorError when nodes is not 1..200000.
    """
    if not 1 <= nodes <= _MOST:
        raise SimulatorError(f"nodes: {nodes}; give 1 to {_MOST}")
    rng = np.random.default_rng([seed, 11])
    x_m = (rng.random(nodes) - 0.5) * size_m
    y_m = (rng.random(nodes) - 0.5) * size_m
    names = [kind for kind, _ in shares]
    kinds = _kinds(rng.random(nodes), [share for _, share in shares])
    planned: list[PlannedNode] = []
    for index in range(nodes):
        kind = names[kinds[index]]
        longitude, latitude = to_degrees(float(x_m[index]), float(y_m[index]), *ORIGIN)
        dev_eui, join_eui = identity(seed, index)
        planned.append(
            PlannedNode(
                index=index,
                kind=kind,
                transport="lorawan",
                site_id=f"stad-{index + 1:06d}-{kind}",
                site_name=f"{_NAMES[kind]} {index + 1}",
                longitude=round(longitude, 6),
                latitude=round(latitude, 6),
                dev_eui=dev_eui,
                join_eui=join_eui,
                _seed=seed,
            )
        )
    return planned


def _kinds(chances: NDArray[np.float64], shares: list[float]) -> list[int]:
    """Return for each chance in 0..1 the number of the kind whose share it falls into."""
    bounds = np.cumsum(shares)
    found: list[int] = np.searchsorted(bounds[:-1] / bounds[-1], chances, side="right").tolist()
    return found


def gateways(count: int, size_m: float = 4000.0, height_m: float = 30.0) -> tuple[Place, ...]:
    """Return gateways on a grid over the same square, its cells as square as count allows."""
    columns = max(1, round(math.sqrt(count)))
    rows = -(-count // columns)
    found: list[Place] = []
    for k in range(count):
        row, column = divmod(k, columns)
        in_row = min(columns, count - row * columns)
        x_m = ((column + 0.5) / in_row - 0.5) * size_m
        y_m = ((row + 0.5) / rows - 0.5) * size_m
        found.append(Place(f"gateway-{k + 1:03d}", x_m, y_m, height_m))
    return tuple(found)
