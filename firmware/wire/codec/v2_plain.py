"""The plain twin of the entropy coder. A chip's engine has the same methods (kernels.entropy)."""

from ..errors import WireError
from .v2_channel import OUTPUTS, STATE_WORDS
from .v2_first import decode_first, encode_first
from .v2_model import Shape, advance, begin, clear, decode_step, encode_step


class Engine:
    """Codes readings of a table's channels, one after another."""

    def __init__(self, table):
        self.table = table
        n = len(table.channels)
        self.states = [[0] * STATE_WORDS for _ in range(n)]
        most = 1
        for channel in table.channels:
            most = max(most, channel.n_features, channel.n_terms)
        self.newest = [None] * n
        self._scratch = ([0] * most, [0] * OUTPUTS)
        self._shape = Shape()

    def restart(self):
        """Begin a frame."""
        for state, channel in zip(self.states, self.table.channels):
            clear(state, channel)
        for k in range(len(self.newest)):
            self.newest[k] = None

    def encode(self, coder, index, series, raw):
        """Code the next value of a channel."""
        channel = self.table.channels[index]
        state = self.states[index]
        if not state[8]:
            encode_first(coder, channel, self.newest, series, raw)
            self.newest[index] = series
            begin(state, series)
            return
        self._shape.set(index, self.table.channels, self.states, self._scratch)
        encode_step(
            coder,
            self._shape,
            series - state[0],
            raw - channel.raw_min,
            channel.raw_max - channel.raw_min + 1,
        )
        advance(state, series)
        self.newest[index] = series

    def decode(self, coder, index, base_raw):
        """Return the next raw value of a channel; base_raw: see base_of."""
        channel = self.table.channels[index]
        state = self.states[index]
        raw = None
        if not state[8]:
            series, raw = decode_first(coder, channel, self.newest)
        else:
            self._shape.set(index, self.table.channels, self.states, self._scratch)
            difference = decode_step(coder, self._shape)
            if difference is None:
                raw = channel.raw_min + coder.uniform(channel.raw_max - channel.raw_min + 1)
            else:
                series = state[0] + difference
        if raw is None:
            raw = series - channel.zero + base_raw
            if raw < channel.raw_min or raw > channel.raw_max:
                raise WireError("value", str(raw) + " is outside its channel's range")
        else:
            series = raw - base_raw + channel.zero
        if state[8]:
            advance(state, series)
        else:
            begin(state, series)
        self.newest[index] = series
        return raw
