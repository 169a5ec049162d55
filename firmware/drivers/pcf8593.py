"""NXP PCF8593 clock chip as an event counter on I2C: it counts pulses while the node sleeps.

Headings of its data sheet: "Event counter mode", "Alarm function registers" (free as memory while no alarm is
set). Event-counter mode: bits 5 and 4 of the control register are 10; pulses go to OSCI, OSCO stays open. The
counter is six decimal digits in registers 1 to 3 (BCD, least significant first) and wraps at a million.
"""

from wire._compat import const

ADDRESS = const(0x51)
WRAPS_AT = const(1_000_000)
_EVENTS = const(0x20)
_TRIES = const(3)
_FREE = const(0x0A)  # of the alarm's registers 8 to 15
_KEPT = const(0xA5)


class PCF8593:
    """A counter for drivers.rain_gauge and drivers.passage: value() -> counts, OSError without answer."""

    wraps_at = WRAPS_AT

    def __init__(self, bus, address=ADDRESS):
        self._bus = bus
        self._address = address
        self._data = bytearray(4)

    def value(self):
        """Return the count, 0..999,999; a chip that lost its supply is set up again and begins at 0.

        There is no checksum: two readings must agree, or the second one is one pulse later.
        """
        before = None
        for _ in range(_TRIES):
            value = self._read()
            if before is not None and 0 <= (value - before) % WRAPS_AT <= 1:
                return value
            before = value
        raise OSError(5)  # EIO

    def keep(self, number):
        """Keep 16 bits where the alarm would be, which nobody sets; they live as long as the count."""
        body = number.to_bytes(2, "big")
        self._bus.writeto(self._address, bytes([_FREE, _KEPT, body[0], body[1], body[0] ^ body[1] ^ _KEPT]))

    def kept(self):
        """Return them, or None."""
        try:
            self._bus.writeto(self._address, bytes([_FREE]))
            self._bus.readfrom_into(self._address, self._data)
        except OSError:
            return None
        mark, high, low, check = self._data
        return high << 8 | low if mark == _KEPT and check == high ^ low ^ mark else None

    def _read(self):
        data = self._data
        self._bus.writeto(self._address, b"\x00")
        self._bus.readfrom_into(self._address, data)
        if data[0] & 0x30 != _EVENTS:
            self._bus.writeto(self._address, bytes([0, _EVENTS, 0, 0, 0]))
            return 0
        value = 0
        for i in (3, 2, 1):
            high, low = data[i] >> 4, data[i] & 15
            if high > 9 or low > 9:
                raise OSError(5)
            value = value * 100 + high * 10 + low
        return value
