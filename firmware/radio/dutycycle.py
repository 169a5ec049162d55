"""The sub-band duty cycle of EU868, held over every sliding hour (ETSI EN 300 220-2, observation time 1 h).

Air time is booked in bins of two minutes for each band; thirty whole bins and the running one are
summed, so that no hour, wherever it starts, can hold more than the limit. Booking is rounded up.

Flash knows what was booked when it was written, and of which bands more may be used before it is
written again: at most 1/32 of the limit, the `reserve`, which counts as spent after a power cut.
So switching a device off and on does not give it air time.
"""

from array import array

from wire._compat import const
from wire.lorawan.eu868 import SUB_BANDS, sub_band

_BIN_MS = const(120000)
_BINS = const(31)
_HOUR_MS = const(3600000)
NEVER_MS = const(0x3FFFFFFF)
_ENTRY = const(4)  # packed: band and age, air time in 24 bits
_RESERVE_PARTS = const(32)


class DutyLedger:
    """Air time of the past hour. `now_ms` is an uptime in milliseconds that never goes back."""

    def __init__(self):
        self._ms = array("I", [0] * (_BINS * len(SUB_BANDS)))
        self._unsaved_ms = array("I", [0] * len(SUB_BANDS))
        self._saved_bin = 0
        self._open = 0  # bit of a band: flash has a reserve for it
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
        band = sub_band(freq_hz)
        self._ms[band * _BINS + self._bin % _BINS] += air_ms
        self._unsaved_ms[band] += air_ms

    def must_save(self, freq_hz):
        """Tell whether flash has to learn of what was just booked there, before it is used."""
        band = sub_band(freq_hz)
        return self._unsaved_ms[band] > (
            self.limit_ms(band) // _RESERVE_PARTS if self._open & 1 << band else 0
        )

    def has_aged(self, now_ms):
        """Tell whether flash counts air time that is an hour old by now, or nearly so."""
        self._advance(now_ms)
        return self._bin != self._saved_bin

    def pack_for_flash(self, now_ms, reserve_hz=0):
        """Return what restore_from_flash() takes; to be durable before anything more is sent.

        reserve_hz: a frequency whose band opens a reserve; 0 closes all.
        """
        self._open = self._open | 1 << sub_band(reserve_hz) if reserve_hz else 0
        for band in range(len(SUB_BANDS)):
            self._unsaved_ms[band] = 0
        packed = self.dump(now_ms)
        self._saved_bin = self._bin
        return bytes([self._open]) + packed

    def restore_from_flash(self, data, now_ms):
        """Take up the hour before a power cut, as if no time had passed since."""
        self.restore(data[1:], now_ms, 0)
        for band in range(len(SUB_BANDS)):
            if data[0] & 1 << band:
                self._ms[band * _BINS + self._bin % _BINS] += self.limit_ms(band) // _RESERVE_PARTS

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
        """Without any record of the past hour: book half of each band unless more is booked."""
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
