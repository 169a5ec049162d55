"""Frames that bring lost ones back: what compression leaves free carries parity of the frames before.

    kind u8 = 0x40 | rate << 4 | reach | counter u8 | data symbols, padded with zeros | parity symbols

A systematic random linear code over a sliding window: each parity symbol is a sum, over GF(256), of all
data symbols of the `reach` frames before, with coefficients that follow from the counter. The data is a codec
frame of its own and can do without its padding (`unpadded`). The number of parity symbols follows from the
length: when the MAC needs room for its own options, the frame is cut after any symbol. After a restart or a
change of rate the window begins anew: `reach` says how far back it goes, so a receiver sees that too.

The sizes of RATES lie just below steps of LoRa's airtime: 44 bytes beside 28 cost 10 to 27 % more air time,
48 bytes 29 to 33 % (`meetnet codec loss` prints it by spreading factor).
"""

from .._compat import const
from ..errors import WireError

FIRST_BYTE = const(0x40)
LAST_BYTE = const(0x7F)
HEAD = const(2)
# (percent of parity per data byte, data symbols, bytes of a symbol, parity symbols)
RATES = ((25, 4, 7, 1), (50, 4, 7, 2), (64, 14, 2, 9), (150, 2, 9, 3))
REACHES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 104, 128)
WINDOW = const(128)
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
    return RATES[rate][1] * RATES[rate][2]


def rate_of(percent):
    """Return the least rate that has so much parity per data byte, the strongest where none has."""
    for rate in range(len(RATES)):
        if RATES[rate][0] >= percent:
            return rate
    return len(RATES) - 1


def reach_of(held):
    """Return how far back a frame looks when so many were sent before it in this window."""
    k = len(REACHES) - 1
    while REACHES[k] > held:
        k -= 1
    return REACHES[k]


def add_sum(ring, start, symbols, width, state, total):
    """Add the symbols that lie in a ring from start on, each times a coefficient, to the bytes of total.

    The plain twin of kernels.parity.
    """
    at = start
    for _ in range(symbols):
        coefficient, state = following(state)
        log = LOG[coefficient]
        for k in range(width):
            byte = ring[at + k]
            if byte:
                total[k] ^= EXP[log + LOG[byte]]
        at += width
        if at >= len(ring):
            at = 0


class Window:
    """The node's side: remembers the data of the frames before, 128 of 28 bytes at most: 3,584 bytes."""

    def __init__(self, rate, counter=0, add=add_sum):
        self.rate = rate
        self.counter = counter & 255
        self._add = add
        self._size = data_size(rate)
        self._ring = bytearray(WINDOW * self._size)
        self._held = 0  # frames in the ring, the newest last
        self._at = 0

    @property
    def size(self):
        """Return the most bytes of data of a frame."""
        return self._size

    def frame(self, data, limit):
        """Return the frame of data (at most data_size bytes) with the parity that fits into limit bytes.

        The window stays as it is: sent() tells that the frame left.
        """
        _, n_data, width, n_parity = RATES[self.rate]
        if len(data) > self._size or HEAD + self._size > limit:
            raise WireError("length", str(len(data)) + " bytes do not fit a protected frame")
        reach = reach_of(self._held)
        head = bytes([FIRST_BYTE | self.rate << 4 | REACHES.index(reach), self.counter])
        n_parity = min(n_parity, (limit - HEAD - self._size) // width)
        out = bytearray(HEAD + self._size + n_parity * width)
        out[: HEAD + len(data)] = head + data
        start = (self._at - reach * self._size) % len(self._ring)
        total = bytearray(width)
        for parity in range(n_parity if reach else 0):
            for k in range(width):
                total[k] = 0
            self._add(self._ring, start, reach * n_data, width, seed(self.counter, parity), total)
            at = HEAD + self._size + parity * width
            out[at : at + width] = total
        return bytes(out)

    def sent(self, data):
        """The frame of data has left: the frames that follow carry its parity."""
        at = self._at
        self._ring[at : at + len(data)] = data
        for k in range(at + len(data), at + self._size):
            self._ring[k] = 0
        self._at = (at + self._size) % len(self._ring)
        self._held = min(self._held + 1, WINDOW)
        self.counter = (self.counter + 1) & 255

    def protect(self, data, limit):
        """Return the frame of data, sent."""
        payload = self.frame(data, limit)
        self.sent(data)
        return payload


def split(payload):
    """Return (rate, reach, counter, data, parity symbols) of a protected frame, or raise WireError."""
    if len(payload) < HEAD or payload[0] < FIRST_BYTE or payload[0] > LAST_BYTE:
        raise WireError("version", "not a protected frame")
    rate = (payload[0] >> 4) & 3
    _, _, width, n_parity = RATES[rate]
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
