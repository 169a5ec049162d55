"""Small values by name in RTC memory: they survive deep sleep, watchdog and reset, not a power cut.

Bytes: for each value name length u8, name, length u16, value; then a zero byte and the CRC-32 of all
before it. After a power cut the memory holds garbage, which the CRC tells.
"""

import binascii

from wire._compat import const

_SIZE = const(2048)


class Retained:
    """load(name) -> bytes | None, save(name, bytes). memory: machine.RTC().memory, a getter and setter."""

    def __init__(self, memory):
        self._memory = memory
        self._values = _parse(memory() or b"")

    def load(self, name):
        """Return the bytes, or None."""
        return self._values.get(name)

    def save(self, name, value):
        """Keep bytes; OSError when the memory is full."""
        values = dict(self._values)
        values[name] = bytes(value)
        out = b""
        for key in values:
            data = key.encode()
            out += bytes([len(data)]) + data + len(values[key]).to_bytes(2, "big") + values[key]
        out += b"\x00"
        out += binascii.crc32(out).to_bytes(4, "big")
        if len(out) > _SIZE:
            raise OSError(28)
        self._memory(out)
        self._values = values


def _parse(blob):
    """Return the values of a memory, none where it is garbage."""
    values = {}
    at = 0
    while at < len(blob) and blob[at]:
        start = at + 1 + blob[at]
        end = start + 2 + int.from_bytes(blob[start : start + 2], "big")
        if end > len(blob):
            return {}
        try:
            values[bytes(blob[at + 1 : start]).decode()] = bytes(blob[start + 2 : end])
        except ValueError:
            return {}
        at = end
    at += 1
    good = at + 4 <= len(blob) and binascii.crc32(blob[:at]) == int.from_bytes(blob[at : at + 4], "big")
    return values if good else {}


class Stamped:
    """Retained values that know their age: `rtc_ms` returns a real-time clock that runs through resets."""

    def __init__(self, retained, rtc_ms):
        self._retained = retained
        self._rtc_ms = rtc_ms

    def load(self, name):
        """Return the bytes, or None."""
        blob = self._retained.load(name)
        return None if blob is None else blob[8:]

    def save(self, name, value):
        """Keep bytes; OSError when the memory is full."""
        self._retained.save(name, self._rtc_ms().to_bytes(8, "big") + bytes(value))

    def age_ms(self, name):
        """Return how long ago a value was kept, 0 when there is none or the clock went back."""
        blob = self._retained.load(name)
        return 0 if blob is None else max(self._rtc_ms() - int.from_bytes(blob[:8], "big"), 0)
