"""The first value of a channel in a frame: bins learned in training, or anything in the channel's range."""

from .v2_coder import put_uniform
from .v2_tables import MASSES


def _forecast(parents, newest):
    """Return what channels already coded in this record say about a series' first value."""
    total = 0
    for parent, weight in parents:
        if newest[parent] is not None:
            total += newest[parent] * weight
    return total >> 10


def encode_first(coder, channel, newest, series, raw):
    """Code a series' first value in a frame; newest: the newest value of each series, or None."""
    parents, edges, masses = channel.first
    if edges:
        value = series - _forecast(parents, newest)
        start = 0
        for k, mass in enumerate(masses):
            if edges[k] <= value < edges[k + 1]:
                coder.put(start, mass, 256)
                put_uniform(coder, value - edges[k], edges[k + 1] - edges[k])
                return
            start += mass
        coder.put(MASSES, 256 - MASSES, 256)
    put_uniform(coder, raw - channel.raw_min, channel.raw_max - channel.raw_min + 1)


def decode_first(coder, channel, newest):
    """Return (series, None) or (None, raw) of a channel's first value."""
    parents, edges, masses = channel.first
    if edges:
        place = coder.peek(256)
        start = 0
        for k, mass in enumerate(masses):
            if place < start + mass:
                coder.take(start, mass, 256)
                inside = coder.uniform(edges[k + 1] - edges[k])
                return edges[k] + inside + _forecast(parents, newest), None
            start += mass
        coder.take(MASSES, 256 - MASSES, 256)
    return None, channel.raw_min + coder.uniform(channel.raw_max - channel.raw_min + 1)
