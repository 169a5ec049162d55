"""Frames that bring lost ones back: what compression leaves free carries parity of the frames before.

    kind u8 = 0x40 | rate << 4 | reach | counter u8 | data symbols, padded with zeros | parity symbols

A systematic random linear code over a sliding window: each parity symbol is a sum, over GF(256), of all
data symbols of the `reach` frames before, with coefficients that follow from the counter. The data is a codec
frame of its own and can do without its padding (`unpadded`). The number of parity symbols follows from the
length: when the MAC needs room for its own options, the frame is cut after any symbol. After a restart or a
change of rate the window begins anew: `reach` says how far back it goes.
"""

from .._compat import const
from ..errors import WireError

FIRST_BYTE = const(0x40)
LAST_BYTE = const(0x7F)
HEAD = const(2)
# (data symbols, bytes of a symbol, parity symbols): redundancy 0.5, 0.75, 1.5, 0.25 in at most 51 bytes
RATES = ((4, 8, 2), (4, 7, 3), (2, 9, 3), (4, 9, 1))
REACHES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64)
WINDOW = const(64)
_POLYNOMIAL = const(0x11D)
_PRIME = const(65537)


def _tables():
    exp = bytearray(510)
    log = bytearray(256)
    x = 1
    for i in range(255):
        exp[i] = x
        exp[i + 255] = x
        log[x] = i
        x <<= 1
        if x & 256:
            x ^= _POLYNOMIAL
    return bytes(exp), bytes(log)


EXP, LOG = _tables()


def seed(counter, parity):
    """Return the generator's state for a parity symbol of a frame."""
    return 1 + (counter * 40503 + parity * 28411 + 12345) % 65536


def following(state):
    """Return (coefficient 1..255, next state)."""
    state = state * 75 % _PRIME
    return 1 + state % 255, state


def data_size(rate):
    """Return how many bytes of data a frame of a rate carries."""
    return RATES[rate][0] * RATES[rate][1]


class Window:
    """The node's side: remembers the data of the frames before. 64 frames of 28 bytes are 1,792 bytes."""

    def __init__(self, rate, counter=0):
        self.rate = rate
        self.counter = counter & 255
        self._size = data_size(rate)
        self._ring = bytearray(WINDOW * self._size)
        self._held = 0  # frames in the ring, the newest last
        self._at = 0

    def protect(self, data, limit):
        """Return the frame of data (at most data_size bytes) with the parity that fits into limit bytes."""
        n_data, width, n_parity = RATES[self.rate]
        if len(data) > self._size or HEAD + self._size > limit:
            raise WireError("length", str(len(data)) + " bytes do not fit a protected frame")
        reach = 15
        while REACHES[reach] > self._held:
            reach -= 1
        data = bytes(data) + bytes(self._size - len(data))
        out = bytearray(bytes([FIRST_BYTE | self.rate << 4 | reach, self.counter]) + data)
        for parity in range(min(n_parity, (limit - HEAD - self._size) // width)):
            out += self._sum(parity, REACHES[reach], n_data, width)
        self._ring[self._at : self._at + self._size] = data
        self._at = (self._at + self._size) % len(self._ring)
        self._held = min(self._held + 1, WINDOW)
        self.counter = (self.counter + 1) & 255
        return bytes(out)

    def _sum(self, parity, reach, n_data, width):
        total = bytearray(width)
        state = seed(self.counter, parity)
        ring = self._ring
        at = (self._at - reach * self._size) % len(ring)
        for _ in range(reach * n_data):
            coefficient, state = following(state)
            log = LOG[coefficient]
            for k in range(width):
                byte = ring[at + k]
                if byte:
                    total[k] ^= EXP[log + LOG[byte]]
            at += width
            if at >= len(ring):
                at = 0
        return total


def split(payload):
    """Return (rate, reach, counter, data, parity symbols) of a protected frame, or raise WireError."""
    if len(payload) < HEAD or payload[0] < FIRST_BYTE or payload[0] > LAST_BYTE:
        raise WireError("version", "not a protected frame")
    rate = (payload[0] >> 4) & 3
    _, width, n_parity = RATES[rate]
    size = data_size(rate)
    rest = len(payload) - HEAD - size
    if rest < 0 or rest > n_parity * width or rest % width:
        raise WireError("length", "a protected frame of " + str(len(payload)) + " bytes")
    data = bytes(payload[HEAD : HEAD + size])
    symbols = [bytes(payload[at : at + width]) for at in range(HEAD + size, len(payload), width)]
    return rate, REACHES[payload[0] & 15], payload[1], data, symbols


def unpadded(data):
    """Return the lengths that the codec frame inside data may have: one for version 2, few for version 1."""
    end = len(data)
    while end and data[end - 1] == 0:
        end -= 1
    if data[0] >= 0x80:
        return [data[:end]]  # such a frame never ends with a zero byte
    return [data[:k] for k in range(max(end, 1), len(data) + 1)]
