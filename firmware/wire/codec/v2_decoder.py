"""The reading end of the range coder (v2_coder)."""

from .v2_coder import LEAST, TOP, free_bits


class Decoder:
    """Reads symbols; any bytes give symbols, zeros follow the end."""

    def __init__(self, data):
        self._data = data

        self._width = TOP
        head = bytes(data[:4]) + b"\0\0\0\0"
        number = (head[0] << 24) | (head[1] << 16) | (head[2] << 8) | head[3]
        self._bits = number & 3  # two bits of the fourth byte are not in the window yet
        self._at = 4
        self._value = number >> 2

    def overrun(self):
        """Return how many bytes behind the end were taken."""
        return self._at - len(self._data)

    def bits(self):
        """Return how many bits the symbols so far took."""
        return 8 * (self._at - 4) + free_bits(self._width)

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
        while self._width < LEAST:
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
