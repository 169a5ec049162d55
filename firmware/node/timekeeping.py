"""What time it is and how well we know it.

Everything inside the node counts in `uptime`, milliseconds since start that never jump; UTC is an
offset to it, learned from the network or from NTP. So a record taken before the first answer gets
its true time afterwards, and no record ever carries 1970.
"""

import binascii

from wire._compat import const
from wire.record import TIME_DRIFTING, TIME_NEVER_SET

# A clock that says less is not set: 2024-01-01T00:00:00Z, before any of this code ran.
_FLOOR_S = const(1704067200)
_CEILING_S = const(0xFFFFFFFF)  # the wire's 32 bits end in 2106
_SNAPSHOT_BYTES = const(22)
_DRIFT_OVER_MS = const(3600000)  # an answer is good to a few milliseconds: an hour makes that 1 to 2 ppm
_DRIFT_MAX_PPM = const(500)


class Timekeeper:
    """Uptime, UTC and its quality.

    clock: ticks_ms/ticks_diff as in MicroPython's time module; asked at least every six days, half
        of what ticks_ms can tell apart.
    drift_budget_s: how long after an answer the time still counts as set.
    """

    def __init__(self, clock, drift_budget_s=172800):
        self._clock = clock
        self._ticks = clock.ticks_ms()
        self._up_ms = 0
        self._offset_ms = None
        self._quality = TIME_NEVER_SET
        self._set_at_ms = 0
        self._drift_budget_ms = drift_budget_s * 1000
        self.drift_ppm = None  # how much the crystal is slow, from one answer to the next
        self.refused = 0  # answers that no clock in its senses gives

    def uptime_ms(self):
        """Return milliseconds since start."""
        ticks = self._clock.ticks_ms()
        self._up_ms += self._clock.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._up_ms

    @property
    def known(self):
        """Tell whether UTC is known at all."""
        return self._offset_ms is not None

    @property
    def offset_ms(self):
        """Return UTC minus uptime in milliseconds, or None."""
        return self._offset_ms

    def set(self, utc_ms, at_ticks_ms, quality):
        """Take an answer "it was utc_ms when ticks_ms was at_ticks_ms"; return False if it is absurd."""
        if utc_ms < _FLOOR_S * 1000 or utc_ms > _CEILING_S * 1000:
            self.refused += 1
            return False
        self.uptime_ms()
        at_up_ms = self._up_ms + self._clock.ticks_diff(at_ticks_ms, self._ticks)
        passed_ms = at_up_ms - self._set_at_ms
        if self._offset_ms is not None and quality == self._quality and passed_ms >= _DRIFT_OVER_MS:
            drift_ppm = (utc_ms - at_up_ms - self._offset_ms) * 1000000 // passed_ms
            if abs(drift_ppm) <= _DRIFT_MAX_PPM:  # more is a clock that was set, not one that drifts
                self.drift_ppm = drift_ppm
        self._offset_ms = utc_ms - at_up_ms
        self._quality = quality
        self._set_at_ms = at_up_ms
        return True

    def age_s(self):
        """Return seconds since the last answer, or None if there was none."""
        return (self.uptime_ms() - self._set_at_ms) // 1000 if self.known else None

    def quality(self):
        """Return the quality of now()."""
        if self._offset_ms is None:
            return TIME_NEVER_SET
        drifting = self.uptime_ms() - self._set_at_ms > self._drift_budget_ms
        return TIME_DRIFTING if drifting else self._quality

    def now(self):
        """Return (time_s, quality): UTC seconds, or seconds since start while UTC is not known."""
        up_ms = self.uptime_ms()
        if self._offset_ms is None:
            return up_ms // 1000, TIME_NEVER_SET
        return (up_ms + self._offset_ms) // 1000, self.quality()

    def snapshot(self, rtc_ms):
        """Return bytes that tell after a reset how UTC lies to the chip's real-time clock; b"" if unknown."""
        if self._offset_ms is None:
            return b""
        up_ms = self.uptime_ms()
        body = (
            b"\x01"
            + bytes([self._quality])
            + (up_ms + self._offset_ms - rtc_ms + (1 << 62)).to_bytes(8, "big")
            + (self._set_at_ms + self._offset_ms).to_bytes(8, "big")
        )
        return body + binascii.crc32(body).to_bytes(4, "big")

    def restore(self, blob, rtc_ms):
        """Take up a snapshot after a reset through which the real-time clock ran on; return success."""
        if len(blob) < _SNAPSHOT_BYTES or blob[0] != 1 or blob[1] > 3:
            return False
        body = blob[: _SNAPSHOT_BYTES - 4]
        if binascii.crc32(body).to_bytes(4, "big") != bytes(blob[_SNAPSHOT_BYTES - 4 : _SNAPSHOT_BYTES]):
            return False
        utc_ms = int.from_bytes(body[2:10], "big") - (1 << 62) + rtc_ms
        if not self.set(utc_ms, self._clock.ticks_ms(), blob[1]):
            return False
        self._set_at_ms = int.from_bytes(body[10:18], "big") - self._offset_ms
        return True
