"""The sub-band duty cycle of EU868, held over every sliding hour (ETSI EN 300 220-2, observation time 1 h).

Air time is booked in bins of two minutes for each band; thirty whole bins and the running one are
summed, so that no hour, wherever it starts, can hold more than the limit. Booking is rounded up.
"""

from array import array

from wire._compat import const
from wire.lorawan.eu868 import SUB_BANDS, sub_band

_BIN_MS = const(120000)
_BINS = const(31)
_HOUR_MS = const(3600000)
NEVER_MS = const(0x3FFFFFFF)
_ENTRY = const(4)  # packed: band and age, air time in 24 bits


class DutyLedger:
    """Air time of the past hour. `now_ms` is an uptime in milliseconds that never goes back."""

    def __init__(self):
        self._ms = array("I", [0] * (_BINS * len(SUB_BANDS)))
        self._bin = _BINS  # number of the running bin; uptime 0 is bin 31, so that none is negative

    def _advance(self, now_ms):
        """Clear the bins that have left the window."""
        current = now_ms // _BIN_MS + _BINS
        for number in range(self._bin + 1, min(current, self._bin + _BINS) + 1):
            for band in range(len(SUB_BANDS)):
                self._ms[band * _BINS + number % _BINS] = 0
        if current > self._bin:
            self._bin = current

    def _spent(self, band):
        total = 0
        for i in range(band * _BINS, (band + 1) * _BINS):
            total += self._ms[i]
        return total

    def limit_ms(self, band):
        """Return the air time that a band allows in an hour."""
        return SUB_BANDS[band][2] * (_HOUR_MS // 1000)

    def spent_ms(self, freq_hz, now_ms):
        """Return the air time booked for the band of a frequency in the past hour."""
        self._advance(now_ms)
        return self._spent(sub_band(freq_hz))

    def book(self, freq_hz, air_us, now_ms):
        """Book a transmission that begins now; it counts from its end on."""
        air_ms = (air_us + 999) // 1000
        self._advance(now_ms + air_ms)
        self._ms[sub_band(freq_hz) * _BINS + self._bin % _BINS] += air_ms

    def wait_ms(self, freq_hz, air_us, now_ms):
        """Return how long a frame of this air time has to wait; NEVER_MS where it may not be sent at all."""
        band = sub_band(freq_hz)
        if band is None:
            return NEVER_MS
        self._advance(now_ms)
        room = self.limit_ms(band) - (air_us + 999) // 1000 - self._spent(band)
        if room >= 0:
            return 0
        for number in range(self._bin - _BINS + 1, self._bin + 1):  # oldest first
            room += self._ms[band * _BINS + number % _BINS]
            if room >= 0:
                return max(number * _BIN_MS - now_ms, 1)  # 31 bins on, less the 31 of uptime 0
        return NEVER_MS

    def assume_half_spent(self, now_ms):
        """After power-on nobody knows the past hour: book half of each band unless more is booked."""
        self._advance(now_ms)
        for band in range(len(SUB_BANDS)):
            missing = self.limit_ms(band) // 2 - self._spent(band)
            if missing > 0:
                self._ms[band * _BINS + self._bin % _BINS] += missing

    def dump(self, now_ms):
        """Return the booked bins with their ages."""
        self._advance(now_ms)
        out = b""
        for band in range(len(SUB_BANDS)):
            for age in range(_BINS):
                ms = self._ms[band * _BINS + (self._bin - age) % _BINS]
                if ms:
                    out += bytes([band << 5 | age]) + ms.to_bytes(3, "big")
        return out

    def restore(self, data, now_ms, passed_ms):
        """Book what dump() returned `passed_ms` ago; ages are rounded down."""
        self._advance(now_ms)
        for i in range(0, len(data) - _ENTRY + 1, _ENTRY):
            band = data[i] >> 5
            age = (data[i] & 31) + passed_ms // _BIN_MS
            if band < len(SUB_BANDS) and age < _BINS:
                self._ms[band * _BINS + (self._bin - age) % _BINS] += int.from_bytes(
                    data[i + 1 : i + 4], "big"
                )
