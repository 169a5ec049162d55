"""Bit fields in a byte string, most significant bit first."""

from ..errors import WireError


def width_of(span):
    """Return how many bits hold 0..span."""
    width = 0
    while span >> width:
        width += 1
    return width


class BitWriter:
    """Collects fields; `finish` pads the last byte with zero bits."""

    def __init__(self):
        self._out = bytearray()
        self._acc = 0
        self._held = 0

    def write(self, value, width):
        """Append value (0 <= value < 2**width) as width bits."""
        if value < 0 or value >> width:
            raise WireError("bits", str(value) + " does not fit " + str(width) + " bits")
        self._acc = (self._acc << width) | value
        self._held += width
        while self._held >= 8:
            self._held -= 8
            self._out.append((self._acc >> self._held) & 0xFF)
        self._acc &= (1 << self._held) - 1

    def finish(self):
        """Return the bytes."""
        if self._held:
            self.write(0, 8 - self._held)
        return bytes(self._out)


class BitReader:
    """Takes fields from bytes; reading past the end is a WireError of field "length"."""

    def __init__(self, data):
        self._data = data
        self._at = 0  # bits read

    def left(self):
        """Return how many bits were not read yet."""
        return 8 * len(self._data) - self._at

    def read(self, width):
        """Return the next width bits as an unsigned integer."""
        if width > self.left():
            raise WireError("length", "payload ends inside a field")
        value = 0
        while width:
            in_byte = 8 - (self._at & 7)
            take = in_byte if in_byte < width else width
            chunk = self._data[self._at >> 3] >> (in_byte - take)
            value = (value << take) | (chunk & ((1 << take) - 1))
            self._at += take
            width -= take
        return value
