"""The bytes of a profile: networks, and for each channel which network, its scale, and what a first value is.

    usual interval u24 (s) | bits of a first record u16 | of a later one u16 (Q4; 0: unknown)
                | number of networks u8 | number of channels u8
    a network   features u8 | place terms u8 | bias_hidden i16 x 8 | bias_out i16 x 5 | place i16 x 3 x terms
                | to_hidden i8 x features x 8 | skip i8 x features x 5 | to_out i8 x 8 x 5
    a channel   network u8 | base u8 (255 none) | n crosses u8 | crosses u8 x n
                | inverse_q8 u16 | scale_q4 u16 | n parents u8 | (channel u8, weight i16 in 1/1024) x n
                | n edges u8 | edges i24 x n | masses u8 x (n - 1), sum 240

i8 are stored plus 128, i16 plus 32768, i24 plus 2^23; big-endian. A first value, less its parents' share,
falls into a bin between two edges with mass / 256, anywhere in it alike; 16 / 256 are left for others.
"""

from array import array

from ..errors import WireError
from .v2_channel import (
    BASE_FEATURES,
    BASE_TERMS,
    BASE_ZERO,
    HIDDEN,
    NO_BASE,
    OUTPUTS,
    Channel,
    crosses_of,
    log2_q4,
)

MASSES = 240


class Table:
    """A parsed profile: `channels` (v2_model.Channel), `interval_s`, `ids` (what names them), usual bits."""

    __slots__ = ("channels", "first_bits", "ids", "interval_s", "later_bits_q4")

    def __init__(self, interval_s, first_bits, later_bits_q4, channels):
        self.interval_s = interval_s
        self.first_bits = first_bits
        self.later_bits_q4 = later_bits_q4
        self.channels = channels
        self.ids = ()


class _Bytes:
    def __init__(self, blob):
        self._blob = blob
        self._at = 0

    def number(self, n_bytes, bias=0):
        return int.from_bytes(self.piece(n_bytes), "big") - bias

    def words(self, n):
        return array("h", [self.number(2, 32768) for _ in range(n)])

    def piece(self, n):
        piece = self._blob[self._at : self._at + n]
        if len(piece) < n:
            raise WireError("profile", "its table ends early")
        self._at += n
        return piece

    def rest(self):
        return len(self._blob) - self._at


def parse(blob, ranges):
    """Return the Table of a profile's bytes; ranges: (raw_min, raw_max) of each channel."""
    data = _Bytes(blob)
    interval_s = data.number(3)
    first_bits = data.number(2)
    later_bits_q4 = data.number(2)
    n_networks = data.number(1)
    if data.number(1) != len(ranges):
        raise WireError("profile", "its table has another number of channels")
    networks = [_network(data) for _ in range(n_networks)]
    channels = []
    for raw_min, raw_max in ranges:
        channel = _channel(data, networks, len(channels), len(ranges))
        channel.raw_min = raw_min
        channel.raw_max = raw_max
        channel.zero = 0 if channel.base == NO_BASE else BASE_ZERO
        channel.high = raw_max - raw_min if channel.base == NO_BASE else 65535
        if raw_max - raw_min > 65535:
            raise WireError("profile", "a channel's range exceeds 16 bits")
        if channel.base != NO_BASE:
            least, most = ranges[channel.base]
            if raw_max - least > 32767 or most - raw_min > 32768:
                raise WireError("profile", "a difference to a base channel exceeds 16 bits")
        channels.append(channel)
    if data.rest():
        raise WireError("profile", "bytes after its table")
    return Table(interval_s, first_bits, later_bits_q4, channels)


def _network(data):
    n_features = data.number(1)
    n_terms = data.number(1)
    return (
        n_features,
        n_terms,
        data.words(HIDDEN),
        data.words(OUTPUTS),
        data.words(3 * n_terms),
        data.piece(n_features * HIDDEN + n_features * OUTPUTS + HIDDEN * OUTPUTS),
    )


def _channel(data, networks, index, n_channels):
    channel = Channel()
    chosen = networks[data.number(1)]
    (
        channel.n_features,
        channel.n_terms,
        channel.bias_hidden,
        channel.bias_out,
        channel.place,
        channel.small,
    ) = chosen
    channel.base = data.number(1)
    channel.crosses = tuple([data.number(1) for _ in range(data.number(1))])
    more_features, more_terms = crosses_of(channel.crosses, index)
    if channel.n_features != BASE_FEATURES + more_features or channel.n_terms != BASE_TERMS + more_terms:
        raise WireError("profile", "a network does not fit its channel")
    if channel.base != NO_BASE and channel.base >= index:
        raise WireError("profile", "a base channel comes later")
    if any(other >= n_channels or other == index for other in channel.crosses):
        raise WireError("profile", "a cross channel does not exist")
    channel.inverse_q8 = data.number(2)
    channel.scale_q4 = data.number(2)
    channel.log_scale = log2_q4(channel.scale_q4 + 1)
    channel.scale_log = log2_q4(channel.scale_q4) - 64
    parents = [(data.number(1), data.number(2, 32768)) for _ in range(data.number(1))]
    n_edges = data.number(1)
    edges = array("i", [data.number(3, 1 << 23) for _ in range(n_edges)])
    masses = data.piece(n_edges - 1) if n_edges else b""
    if masses and sum(masses) != MASSES:
        raise WireError("profile", "masses of a first value do not add up")
    channel.first = (parents, edges, masses)
    return channel
