"""Readings from raw numbers: the range of the measurement table is checked in this one place."""

from wire.measurements import by_id
from wire.record import OK, OUT_OF_RANGE


def reading(measurement_id, raw, state=OK):
    """Return (id, raw, state), or (id, 0, OUT_OF_RANGE) where raw is None or outside the table's range."""
    row = by_id(measurement_id)
    if raw is None or raw < row[4] or raw > row[5]:
        return (measurement_id, 0, OUT_OF_RANGE)
    return (measurement_id, raw, state)


def failed(measures, state):
    """Return one reading without a number for each measurement id."""
    return [(measurement_id, 0, state) for measurement_id in measures]
