"""All quantities that can be published, with their units: the measurement table's and the gateway's own."""

from __future__ import annotations

from typing import Any, cast

from wire import measurements

# What the gateway derives itself.
DERIVED = {"filling_level": "%", "precipitation": "mm"}


def quantity_units() -> dict[str, str]:
    """Return quantity -> unit, by name of the measurement table."""
    rows = cast("list[tuple[Any, ...] | None]", [measurements.by_id(number) for number in range(256)])
    return {row[1]: row[2] for row in rows if row} | DERIVED
