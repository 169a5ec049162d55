"""Profiles of version 2: channel sets with the tables that were trained for them.

A number is never given again and a table never changes once it is released: a better one is a new row, and
its nodes say its number in every frame. Profile 0 has no row: its frame carries the ids, its channels have
the tables of the generic channel. Tables are loaded when first used (one module each), so a node holds one.
"""

import sys

from ..errors import WireError
from ..measurements import by_id
from .profiles import channels_of
from .v2_tables import parse

EXPLICIT = 0
_PACKAGE = "wire.codec"
_MODULE = "v2_profile_"

# Channel sets of version 1 for which a table was made; a set that is not here travels as EXPLICIT.
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23, 24, 25, 26, 27, 28)
_tables = {}


def ids_of(number):
    """Return the measurement ids of a numbered profile, or None."""
    return channels_of(number) if number in NUMBERS else None


def ranges_of(ids):
    """Return (raw_min, raw_max) of each measurement id."""
    ranges = []
    for measurement_id in ids:
        row = by_id(measurement_id)
        if row is None:
            raise WireError("measurement", "unknown id " + str(measurement_id))
        ranges.append((row[4], row[5]))
    return ranges


def blob_of(number):
    """Return the bytes of a numbered profile's table."""
    package, name = _PACKAGE, _MODULE + str(number)
    blob = __import__(package + "." + name, None, None, ("TABLE",)).TABLE
    # Parsed, it is of no more use: a chip has little memory.
    sys.modules.pop(package + "." + name, None)
    delattr(sys.modules[package], name)
    return blob


def forget():
    """Let go of the tables that were used."""
    _tables.clear()


def table_of(number):
    """Return (ids, Table) of a numbered profile."""
    found = _tables.get(number)
    if found is None:
        ids = ids_of(number)
        if ids is None:
            raise WireError("profile", "unknown profile " + str(number))
        found = (ids, parse(blob_of(number), ranges_of(ids)))
        found[1].ids = ids
        _tables[number] = found
    return found


def explicit_table(ids):
    """Return the Table of channels that a frame names itself: the generic channel for each."""
    seen = []
    for measurement_id in ids:
        if measurement_id in seen:
            raise WireError("profile", "channel " + str(measurement_id) + " twice")
        seen.append(measurement_id)
    ranges = ranges_of(ids)
    table = parse(generic_blob(ranges), ranges)
    table.ids = tuple(ids)
    return table


def generic_blob(ranges):
    """Return table bytes in which every channel has the generic network and a scale from its range."""
    network = blob_of(EXPLICIT)
    blob = bytes([0, 1, 44, 0, 0, 0, 0, 1, len(ranges)]) + network
    for raw_min, raw_max in ranges:
        scale_q4 = (raw_max - raw_min) // 64  # a quarter of a percent of the range
        scale_q4 = min(4095, max(5, scale_q4))
        inverse_q8 = (32768 + scale_q4 // 2) // scale_q4
        blob += (
            bytes([0, 255, 0]) + inverse_q8.to_bytes(2, "big") + scale_q4.to_bytes(2, "big") + bytes([0, 0])
        )
    return blob


def choose(ids):
    """Return (number, ids): the shortest row that holds all ids, else EXPLICIT and the ids themselves."""
    best = None
    for number in NUMBERS:
        row = channels_of(number)
        if (best is None or len(row) < len(best[1])) and all(i in row for i in ids):
            best = (number, row)
    return best or (EXPLICIT, tuple(sorted(ids)))
