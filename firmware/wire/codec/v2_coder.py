"""A range coder in 30 bits: encoder and decoder. Symbols are intervals of 65536, or of any total up to it.

The interval [low, low + width) shrinks by each symbol's share; bytes leave at the top once they are settled.
A carry may still run back over bytes of 255, so the output stays writable. The tail is the shortest
number inside the last interval, and zero bytes at the end of a frame are left away: the decoder reads zeros
behind the end. Every intermediate stays below 2^31, so 32-bit machine code gives the same bytes.
"""

from .._compat import const

_TOP = const(0x3FFFFFFF)
_LEAST = const(0x400000)
_REST = const(0x3FFFFF)


class Encoder:
    """Collects symbols. `low`, `width`, `out` and `n` are the whole state; kernels may step it."""

    def __init__(self, room):
        self.out = bytearray(room)
        self.restart()

    def restart(self):
        """Begin a new frame in the same buffer."""
        self.low = 0
        self.width = _TOP
        self.n = 0

    def put(self, start, size, total=65536):
        """Code a symbol that owns [start, start + size) of total (<= 65536, size >= 1)."""
        share = self.width // total
        low = self.low + share * start
        width = share * size
        out = self.out
        n = self.n
        if low > _TOP:
            low -= _TOP + 1
            carry(out, n)
        while width < _LEAST:
            out[n] = low >> 22
            n += 1
            low = (low & _REST) << 8
            width <<= 8
        self.low = low
        self.width = width
        self.n = n

    def _tail(self):
        """Return (the number in the interval with most zero bits below, its zero bits)."""
        k = 30
        while True:
            tail = ((self.low + (1 << k) - 1) >> k) << k
            if tail < self.low + self.width:
                return tail
            k -= 1

    def size(self):
        """Return how many bytes finish() would give; never too few."""
        tail = self._tail() & _TOP
        n = self.n
        while tail:
            n += 1
            tail = (tail & _REST) << 8
        return n

    def finish(self, size=0):
        """Return the frame's bytes: the shortest, or of that size where it is a little more and possible."""
        tail = self._tail()
        more = size - self.n
        if size > self.size() and 1 <= more <= 3:
            # Another number of the interval, one that ends with a byte other than zero.
            unit = 1 << (30 - 8 * more)
            if tail + unit < self.low + self.width:
                tail += unit
            elif tail - unit >= self.low:
                tail -= unit
        out = self.out
        n = self.n
        if tail > _TOP:
            tail -= _TOP + 1
            carry(out, n)
        while tail:
            out[n] = tail >> 22
            n += 1
            tail = (tail & _REST) << 8
        while n and out[n - 1] == 0:
            n -= 1
        return bytes(out[:n])


def carry(out, n):
    """Add one to the number that out[:n] holds."""
    n -= 1
    while out[n] == 255:
        out[n] = 0
        n -= 1
    out[n] += 1


class Decoder:
    """Reads symbols; any bytes give symbols, zeros follow the end."""

    def __init__(self, data):
        self._data = data

        self._width = _TOP
        head = bytes(data[:4]) + b"\0\0\0\0"
        number = (head[0] << 24) | (head[1] << 16) | (head[2] << 8) | head[3]
        self._bits = number & 3  # two bits of the fourth byte are not in the window yet
        self._at = 4
        self._value = number >> 2

    def overrun(self):
        """Return how many bytes behind the end were taken."""
        return self._at - len(self._data)

    def peek(self, total=65536):
        """Return where in 0..total-1 the next symbol lies; follow with take()."""
        share = self._width // total
        place = self._value // share
        return place if place < total else total - 1

    def take(self, start, size, total=65536):
        """Remove the symbol that owns [start, start + size) of total."""
        share = self._width // total
        self._value -= share * start
        self._width = share * size
        if self._value >= self._width:
            self._value = self._width - 1  # no encoder writes such bytes; stay bounded
        while self._width < _LEAST:
            byte = self._data[self._at] if self._at < len(self._data) else 0
            self._at += 1
            self._value = (self._value << 8) | (self._bits << 6) | (byte >> 2)
            self._bits = byte & 3
            self._width <<= 8

    def uniform(self, total):
        """Return a symbol of 0..total-1, all alike; total may exceed 65536 (up to 2^32)."""
        if total <= 65536:
            symbol = self.peek(total)
            self.take(symbol, 1, total)
            return symbol
        high = self.uniform((total + 65535) >> 16)
        return (high << 16) | self.uniform(65536)


def put_uniform(coder, symbol, total):
    """Code a symbol of 0..total-1, all alike; total may exceed 65536 (up to 2^32)."""
    if total <= 65536:
        coder.put(symbol, 1, total)
        return
    put_uniform(coder, symbol >> 16, (total + 65535) >> 16)
    coder.put(symbol & 65535, 1, 65536)
