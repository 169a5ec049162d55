"""One transmission and its two receive windows, timed from the end of the transmission."""

import gc

from wire._compat import const
from wire.lorawan import eu868
from wire.lorawan.airtime import symbol_us, time_on_air_us

from .windows import window

_GC_RESERVE = const(24576)  # heap that must be free to switch collection off between TX and RX2
_MAX_LATE_US = const(20000)  # later than that is a fault, not a latency
_ON_CHIP = hasattr(gc, "mem_free")


def air_us(dr, length):
    """Return the time on air of an uplink of `length` bytes (PHYPayload) at a data rate."""
    sf, bw = eu868.modulation(dr)
    return time_on_air_us(sf, bw, length)


class Air:
    """The PHY as the MAC uses it. tx_end_us is when the last transmission ended (ticks_us).

    A window is open clock_error_us early and late, and as much more as both ends' crystals
    (crystal_ppm) may be apart by then and as this radio was late at its worst.
    """

    def __init__(self, phy, clock):
        self._phy = phy
        self._clock = clock
        self.tx_end_us = 0
        self.clock_error_us = 20000
        self.crystal_ppm = 50
        self.late_us = 0
        self.rssi_dbm = 0
        self.snr_db_x4 = 0

    def exchange(self, frame, freq_hz, dr, power_dbm, delay_s, windows, take):
        """Transmit, then listen in RX1 and RX2 until take(phy, snr_db_x4) accepts a frame; True if it did.

        windows: (frequency, data rate) of RX1 and RX2. RX2 is skipped only after a frame for us in
        RX1. The collector stays off meanwhile: its pause would move a window.
        """
        sf, bw = eu868.modulation(dr)
        if _ON_CHIP:
            gc.collect()
            if gc.mem_free() > _GC_RESERVE:
                gc.disable()
        try:
            self.tx_end_us = self._phy.transmit(freq_hz, sf, bw, power_dbm, frame)
            for freq, rx_dr in windows:
                if self._listen(freq, rx_dr, delay_s * 1000000, take):
                    return True
                delay_s += 1
        finally:
            if _ON_CHIP:
                gc.enable()
        return False

    def _listen(self, freq_hz, dr, delay_us, take):
        """Open one window; True when take() accepts what came."""
        clock = self._clock
        sf, bw = eu868.modulation(dr)
        error_us = self.clock_error_us + delay_us // 1000 * self.crystal_ppm // 1000 + self.late_us
        offset, length = window(symbol_us(sf, bw), error_us)
        opens = clock.ticks_add(self.tx_end_us, delay_us + offset)
        if clock.ticks_diff(clock.ticks_us(), opens) > length:
            return False  # a long frame in RX1 was received past the whole of this window
        got = self._phy.receive(freq_hz, sf, bw, opens, length)
        late_us = getattr(self._phy, "window_late_us", 0)
        self.late_us = min(max(self.late_us, late_us), _MAX_LATE_US)
        if got is None or not take(got[0], got[2]):
            return False
        self.rssi_dbm = got[1]
        self.snr_db_x4 = got[2]
        return True

    def since_tx_ms(self):
        """Return milliseconds since the end of the last transmission."""
        return self._clock.ticks_diff(self._clock.ticks_us(), self.tx_end_us) // 1000
