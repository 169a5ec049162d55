"""A map of the scenario for the terminal: one letter a node, where it stands, coloured by how it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from simulator.plan import PlannedNode

_MOST_COLUMNS, _MOST_ROWS = 72, 20
STYLES = {"good": "green", "late": "yellow", "off": "red", "new": "dim"}
_LETTERS = {"air": "A", "noise": "N", "bin": "B", "garden": "G"}


@dataclass(frozen=True)
class Place:
    """Where a node stands on the terminal."""

    row: int
    column: int
    letter: str


def places(planned: list[PlannedNode]) -> dict[str, Place]:
    """Return the place of each site; north is up. Nodes that would cover one another share a place."""
    west, east = min(n.longitude for n in planned), max(n.longitude for n in planned)
    south, north = min(n.latitude for n in planned), max(n.latitude for n in planned)
    columns = min(_MOST_COLUMNS // 2, len({n.longitude for n in planned}))
    rows = min(_MOST_ROWS, len({n.latitude for n in planned}))

    def scaled(value: float, low: float, high: float, n: int) -> int:
        return round((value - low) / (high - low) * (n - 1)) if high > low and n > 1 else 0

    return {
        node.site_id: Place(
            rows - 1 - scaled(node.latitude, south, north, rows),
            2 * scaled(node.longitude, west, east, columns),
            _LETTERS[node.kind],
        )
        for node in planned
    }


def state(node_state: str, age_s: float | None, interval_s: int) -> str:
    """Return good, late, off or new. age_s: since its last stored record."""
    if node_state in ("off", "crashed"):
        return "off"
    if age_s is None:
        return "new"
    return "good" if age_s < 2.5 * interval_s else "late"


def draw(where: Mapping[str, Place], states: Mapping[str, str]) -> Text:
    """Return the map and its legend. The worst state of a place shows."""
    worst: dict[tuple[int, int], tuple[int, str, str]] = {}
    order = list(STYLES)
    for site, place in where.items():
        found = states.get(site, "new")
        rank = ("good", "new", "late", "off").index(found)
        key = (place.row, place.column)
        if key not in worst or rank > worst[key][0]:
            worst[key] = (rank, place.letter, found)
    text = Text()
    for row in range(max((r for r, _ in worst), default=0) + 1):
        cells = {column: cell for (r, column), cell in worst.items() if r == row}
        for column in range(max(cells, default=0) + 1):
            cell = cells.get(column)
            text.append(cell[1] if cell else " ", STYLES[cell[2]] if cell else "")
        text.append("\n")
    text.append("A air  N noise  B bin  G garden   ")
    for name in order:
        text.append(f"{name} {sum(1 for s in states.values() if s == name)}  ", STYLES[name])
    return text
