"""A range coder in 30 bits: its encoder (v2_decoder reads). Symbols are intervals of 65536, or of less.

The interval [low, low + width) shrinks by each symbol's share; bytes leave at the top once they are settled.
A carry may still run back over bytes of 255, so the output stays writable. The tail is the shortest
number inside the last interval, and zero bytes at the end of a frame are left away: the decoder reads zeros
behind the end. Every intermediate stays below 2^31, so 32-bit machine code gives the same bytes.
"""

from .._compat import const

TOP = const(0x3FFFFFFF)
LEAST = const(0x400000)
_REST = const(0x3FFFFF)


class Encoder:
    """Collects symbols. `low`, `width`, `out` and `n` are the whole state; kernels may step it."""

    def __init__(self, room):
        self.out = bytearray(room)
        self.restart()

    def restart(self):
        """Begin a new frame in the same buffer."""
        self.low = 0
        self.width = TOP
        self.n = 0

    def bits(self):
        """Return how many bits the symbols so far took, as Decoder.bits does at the same place."""
        return 8 * self.n + free_bits(self.width)

    def put(self, start, size, total=65536):
        """Code a symbol that owns [start, start + size) of total (<= 65536, size >= 1)."""
        share = self.width // total
        low = self.low + share * start
        width = share * size
        out = self.out
        n = self.n
        if low > TOP:
            low -= TOP + 1
            carry(out, n)
        while width < LEAST:
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
        tail = self._tail() & TOP
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
        if tail > TOP:
            tail -= TOP + 1
            carry(out, n)
        while tail:
            out[n] = tail >> 22
            n += 1
            tail = (tail & _REST) << 8
        while n and out[n - 1] == 0:
            n -= 1
        return bytes(out[:n])


def free_bits(width):
    """Return how many bits narrower than a whole interval one is, 0..8."""
    n = 0
    while width < TOP >> n:
        n += 1
    return n


def carry(out, n):
    """Add one to the number that out[:n] holds."""
    n -= 1
    while out[n] == 255:
        out[n] = 0
        n -= 1
    out[n] += 1


def put_uniform(coder, symbol, total):
    """Code a symbol of 0..total-1, all alike; total may exceed 65536 (up to 2^32)."""
    if total <= 65536:
        coder.put(symbol, 1, total)
        return
    put_uniform(coder, symbol >> 16, (total + 65535) >> 16)
    coder.put(symbol & 65535, 1, 65536)
