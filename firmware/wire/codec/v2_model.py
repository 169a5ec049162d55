"""What the next value of a channel will be, from what the frame already holds: a small integer network.

All arithmetic is in integers that 32-bit machine code can do; kernels.entropy is the same in viper.

State of a channel ("series"), eight numbers: the value above the least one, the last three differences, the
distances of a fast and a slow running mean (Q4), the fast and slow mean of |difference| (Q4), and how many
values the frame held so far. A series is the reading itself, or its difference to a base channel of the same
record (PM2.5 above PM1).

Features are logarithms, so one set of weights serves sensors of any scale: Q4 octaves in signed bytes. They
go through HIDDEN rectified units and beside them straight to five outputs:

    log2 of the scale | shift of the place in scales | width of the second logistic over the first |
    weight of the second | weight of a spike at "no change"

The place is linear in differences and means, in three sets of weights: second, third to fifth, later value.
"""

from .._compat import const
from .v2_channel import (
    BASE_FEATURES,
    BASE_TERMS,
    EXP2,
    HIDDEN,
    INVERSE_EXP2,
    LOGISTIC,
    OUTPUTS,
    RECIPROCAL,
    STATE_WORDS,
    log2_q4,
)

_CAP = const(32767)
_SPAN = const(65535)
ESCAPE = const(24)  # of 65536 on each side
_SCALE_MIN = const(-48)  # Q4 log2: an eighth of a step
_SCALE_MAX = const(176)
_SHIFT_FROM = const(6)  # from a scale of 2^6 on, low bits travel as they are
HALF = const(32768)


def clear(state, channel):
    """Set the state of a channel to the start of a frame."""
    for k in range(STATE_WORDS):
        state[k] = 0
    state[6] = channel.scale_q4
    state[7] = channel.scale_q4


def begin(state, value):
    """Take the first value (above the least) of a channel in this frame."""
    state[0] = value
    state[8] = 1


def advance(state, value):
    """Take a later value of a channel."""
    difference = value - state[0]
    state[0] = value
    n = state[8] + 1
    state[8] = n
    state[3] = state[2]
    state[2] = state[1]
    state[1] = _limit(difference)
    gap = _limit(state[4] - (difference << 4))
    state[4] = gap - ((gap * RECIPROCAL[n if n < 4 else 4]) >> 12)
    gap = _limit(state[5] - (difference << 4))
    state[5] = gap - ((gap * RECIPROCAL[n if n < 24 else 24]) >> 12)
    size = (difference if difference >= 0 else -difference) << 4
    if size > _SPAN:
        size = _SPAN
    state[6] += (size - state[6]) >> 2
    state[7] += ((size - state[7]) * RECIPROCAL[n + 1 if n < 23 else 24]) >> 12


def _limit(value):
    if value > _CAP:
        return _CAP
    return value if value >= -_CAP else -_CAP


def _magnitude(value_q4, channel):
    """Return the logarithm of |value| against the channel's scale, 0..127."""
    if value_q4 < 0:
        value_q4 = -value_q4
    if value_q4 > _CAP:
        value_q4 = _CAP
    log = log2_q4(64 + ((value_q4 * channel.inverse_q8) >> 8)) - 96
    return log if log < 127 else 127


def _signed(value_q4, channel):
    log = _magnitude(value_q4, channel)
    return -log if value_q4 < 0 else log


def _spread(mean_q4, channel):
    log = log2_q4(mean_q4 + 1) - channel.log_scale
    if log > 127:
        return 127
    return log if log > -127 else -127


def features(index, channels, states, out):
    """Write the features of a channel to out; return how many."""
    channel = channels[index]
    state = states[index]
    out[0] = _signed(state[1] << 4, channel)
    out[1] = _signed(state[2] << 4, channel)
    out[2] = _signed(state[3] << 4, channel)
    out[3] = _signed(state[4], channel)
    out[4] = _signed(state[5], channel)
    out[5] = _spread(state[6], channel)
    out[6] = _spread(state[7], channel)
    out[7] = out[0] if out[0] >= 0 else -out[0]
    level = state[0] - channel.zero
    if level < 0:
        level = -level
    out[8] = (log2_q4(8 + level) - 48) >> 1
    room = channel.high - state[0]
    if room > 1024:
        room = 1024
    if room < 0:
        room = 0
    out[9] = (log2_q4(2 + room) - 16) >> 1
    out[10] = 64 // (state[8] + 1)
    out[11] = 16 if state[1] == 0 else 0
    out[12] = 16 if state[1] == 0 and state[2] == 0 else 0
    n = BASE_FEATURES
    for other in channel.crosses:
        its = states[other]
        if other < index:
            now = _signed(its[1] << 4, channels[other])
            out[n] = now
            out[n + 1] = now if now >= 0 else -now
            out[n + 2] = _signed(its[2] << 4, channels[other])
            n += 3
        else:
            out[n] = _signed(its[1] << 4, channels[other])
            n += 1
        out[n] = _spread(its[6], channels[other])
        n += 1
    return n


def place_terms(index, channels, states, out):
    """Write what the place is linear in (Q4) to out; return how many."""
    channel = channels[index]
    state = states[index]
    out[0] = _limit(state[1] << 4)
    out[1] = _limit(state[2] << 4)
    out[2] = _limit(state[3] << 4)
    out[3] = state[4]
    out[4] = state[5]
    n = BASE_TERMS
    for other in channel.crosses:
        its = states[other]
        if other < index:
            now = _limit(its[1] << 4)
            level = state[0] - channel.zero
            if level < 0:
                level = -level
            level >>= 3
            if level > 1023:
                level = 1023
            out[n] = now
            out[n + 1] = (now * level) >> 5
            out[n + 2] = _limit(its[2] << 4)
            out[n + 1] = _limit(out[n + 1])
            n += 3
        else:
            out[n] = _limit(its[1] << 4)
            n += 1
    return n


def network(channel, feature, outputs):
    """Write the five outputs (Q9) of a channel's network."""
    n = channel.n_features
    small = channel.small  # to_hidden, skip, to_out, plus 128
    skip = n * HIDDEN
    to_out = skip + n * OUTPUTS
    for k in range(OUTPUTS):
        total = channel.bias_out[k]
        at = skip + k
        for i in range(n):
            total += feature[i] * (small[at] - 128)
            at += OUTPUTS
        outputs[k] = total
    for j in range(HIDDEN):
        total = channel.bias_hidden[j]
        at = j
        for i in range(n):
            total += feature[i] * (small[at] - 128)
            at += HIDDEN
        if total > 0:
            unit = total >> 5
            if unit > 255:
                unit = 255
            at = to_out + j * OUTPUTS
            for k in range(OUTPUTS):
                outputs[k] += unit * (small[at + k] - 128)


def logistic_q15(log):
    """Return the logistic function of a Q9 logit as 0..32767."""
    size = log if log >= 0 else -log
    size >>= 4
    value = LOGISTIC[size] if size < 385 else _CAP
    return value if log >= 0 else HALF - value


class Shape:
    """The distribution of one difference: its alphabet and cumulative frequencies."""

    __slots__ = ("centre", "place", "reach", "scale", "shift", "spike", "wide", "wide_weight")

    def __init__(self):
        self.scale = 0

    def set(self, index, channels, states, scratch):
        """Form the distribution of channel index from the states."""
        channel = channels[index]
        feature, outputs = scratch
        features(index, channels, states, feature)
        network(channel, feature, outputs)
        n = place_terms(index, channels, states, feature)
        scale = (outputs[0] >> 5) + channel.scale_log
        if scale > _SCALE_MAX:
            scale = _SCALE_MAX
        if scale < _SCALE_MIN:
            scale = _SCALE_MIN
        seen = states[index][8]
        at = 0 if seen < 2 else n if seen < 5 else 2 * n
        total = 0
        for i in range(n):
            total += feature[i] * channel.place[at + i]
        lean = outputs[1]
        if lean > 1023:
            lean = 1023
        if lean < -1023:
            lean = -1023
        exponent = scale >> 4
        # scale in Q8: EXP2 is Q14
        scale_q8 = EXP2[scale & 15] << exponent - 6 if exponent >= 6 else EXP2[scale & 15] >> 6 - exponent
        place = (total >> 8) + ((lean * scale_q8) >> 13)
        wider = outputs[2] >> 5
        if wider < 5:
            wider = 5
        if wider > 80:
            wider = 80
        self.scale = scale
        self.wide = scale + wider
        self.wide_weight = logistic_q15(outputs[3])
        shift = exponent - _SHIFT_FROM
        if shift < 0:
            shift = 0
        self.shift = shift
        spike = 0 if shift else (logistic_q15(outputs[4]) * 31) >> 5
        self.spike = spike
        centre = (place + 8) >> 4
        self.centre = centre
        self.place = place - (centre << 4)
        reach = 16 << (exponent - shift) if exponent > 0 else 16
        self.reach = reach

    def below(self, symbol):
        """Return the cumulative frequency below a symbol, -reach..reach + 1."""
        edge = ((symbol << self.shift) << 4) - 8 - self.place
        one = _cumulative(edge, self.scale)
        two = _cumulative(edge, self.wide)
        whole = (one * (HALF - self.wide_weight) + two * self.wide_weight) >> 15
        whole = (whole * (HALF - self.spike)) >> 15
        if symbol > -self.centre:
            whole += self.spike
        return ESCAPE + symbol + self.reach + ((whole * (65535 - 2 * ESCAPE - 2 * self.reach)) >> 15)


def _cumulative(edge_q4, scale):
    """Return the logistic function at an edge (Q4 steps) for a Q4 log2 scale, as 0..32768."""
    exponent = scale >> 4
    size = edge_q4 if edge_q4 >= 0 else -edge_q4
    if exponent > 3:
        size >>= exponent - 3
        exponent = 3
    if size > _SPAN:
        size = _SPAN
    z = (size * INVERSE_EXP2[scale & 15]) >> (8 + exponent)  # Q10
    at = z >> 5
    if at >= 384:
        value = _CAP
    else:
        value = LOGISTIC[at]
        value += ((LOGISTIC[at + 1] - value) * (z & 31)) >> 5
    return value if edge_q4 >= 0 else HALF - value


def encode_step(coder, shape, difference, above, total):
    """Code a difference; outside the alphabet, the value `above` the least of `total` stands for it."""
    symbol = (difference - shape.centre) >> shape.shift
    if symbol > shape.reach:
        start = shape.below(shape.reach + 1)
        coder.put(start, 65536 - start)
        coder.put(above, 1, total)
    elif symbol < -shape.reach:
        coder.put(0, shape.below(-shape.reach))
        coder.put(above, 1, total)
    else:
        start = shape.below(symbol)
        coder.put(start, shape.below(symbol + 1) - start)
        if shape.shift:
            low = (difference - shape.centre) & ((1 << shape.shift) - 1)
            coder.put(low, 1, 1 << shape.shift)


def decode_step(coder, shape):
    """Return a difference, or None: the value itself follows."""
    place = coder.peek()
    low = -shape.reach
    high = shape.reach + 1
    start = shape.below(low)
    if place < start:
        coder.take(0, start)
        return None
    end = shape.below(high)
    if place >= end:
        coder.take(end, 65536 - end)
        return None
    while high - low > 1:
        middle = (low + high) >> 1
        found = shape.below(middle)
        if found <= place:
            low = middle
            start = found
        else:
            high = middle
            end = found
    coder.take(start, end - start)
    difference = (low << shape.shift) + shape.centre
    if shape.shift:
        difference += coder.uniform(1 << shape.shift)
    return difference
