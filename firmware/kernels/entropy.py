"""The entropy coder of codec version 2 for a chip: a call of machine code models, codes, learns a reading.

    from wire.codec import v2
    from kernels import entropy
    v2.use(entropy.Engine)

The plain twin is wire.codec.v2_plain.Engine: both write the same bytes.
"""

from array import array

from wire._compat import const
from wire.codec import v2_channel
from wire.codec.v2_first import encode_first

_WORDS = const(9)
_SIGN = const(32768)

SHARED = array(
    "H",
    list(v2_channel.LOGISTIC)
    + list(v2_channel.INVERSE_EXP2)
    + list(v2_channel.EXP2)
    + list(v2_channel.LOG2_FRACTION)
    + list(v2_channel.RECIPROCAL),
)


def laid_out(channel):
    """Return a channel's tables as the kernel reads them: (halfwords, bytes), signed ones biased."""
    words = [
        channel.inverse_q8,
        channel.log_scale,
        channel.scale_log + _SIGN,
        channel.zero,
        channel.high,
        channel.n_features,
        channel.n_terms,
        len(channel.crosses),
    ]
    words += list(channel.crosses)
    for table in (channel.bias_hidden, channel.bias_out, channel.place):
        words += [value + _SIGN for value in table]
    return array("H", words), channel.small


def scales_of(table):
    """Return (reciprocal, logarithm) of each channel's scale, which its neighbours' features need."""
    scales = []
    for channel in table.channels:
        scales += [channel.inverse_q8, channel.log_scale]
    return array("H", scales)


def scratch_for(table):
    """Return the words that features are made in."""
    return array("I", bytes(4 * max([channel.n_features for channel in table.channels])))


def clear(state, table):
    """Set all channels' state to the start of a frame."""
    at = 0
    for channel in table.channels:
        for k in range(_WORDS):
            state[at + k] = _SIGN if 1 <= k <= 5 else 0
        state[at + 6] = channel.scale_q4
        state[at + 7] = channel.scale_q4
        at += _WORDS


class Engine:
    """As wire.codec.v2_plain.Engine, for encoding. step: the kernel, where it is not this machine's own."""

    def __init__(self, table, step=None):
        self._step = step or __import__("kernels._entropy", None, None, ("code_reading",)).code_reading
        self.table = table
        self.newest = [None] * len(table.channels)
        self._packed = [laid_out(channel) for channel in table.channels]
        self._state = array("H", bytes(2 * _WORDS * len(table.channels)))
        self._scales = scales_of(table)
        self._scratch = scratch_for(table)
        self._call = array("I", bytes(20))

    def restart(self):
        """Begin a frame."""
        clear(self._state, self.table)
        for k in range(len(self.newest)):
            self.newest[k] = None

    def encode(self, coder, index, series, raw):
        """Code the next value of a channel."""
        channel = self.table.channels[index]
        if self.newest[index] is None:
            encode_first(coder, channel, self.newest, series, raw)
            self._state[_WORDS * index] = series
            self._state[_WORDS * index + 8] = 1
        else:
            call = self._call
            call[0] = coder.low
            call[1] = coder.width
            call[2] = coder.n
            call[3] = index
            call[4] = series
            words, small = self._packed[index]
            escaped = self._step(
                call, self._state, words, small, self._scales, SHARED, self._scratch, coder.out
            )
            coder.low = call[0]
            coder.width = call[1]
            coder.n = call[2]
            if escaped:
                coder.put(raw - channel.raw_min, 1, channel.raw_max - channel.raw_min + 1)
        self.newest[index] = series
