"""Battery (or solar) voltage through a divider on an ADC pin.

Read under load and before the radio starts: that is where a weak cell shows. adc.read_uv() is the
ESP32's reading in microvolts corrected by its factory calibration.
"""

from wire._compat import const
from wire.measurements import BATTERY
from wire.record import NO_ANSWER, OK, OVERLOAD

from .errors import DriverError
from .readings import failed, reading

_SAMPLES = const(9)
_FULL_SCALE_UV = const(3_100_000)  # above it the ESP32's ADC is no longer linear (11 dB attenuation)


class Battery:
    """Driver. The battery has pin voltage * ratio[0] / ratio[1]: (2, 1) for two equal resistors.

    switch: a Pin that connects the divider while it is 1, or None. present_mv: below it nothing is
    wired to the pin. measurement: BATTERY, or the id of another voltage in mV.
    """

    settle_ms = 0

    def __init__(self, adc, clock, ratio, switch=None, present_mv=500, measurement=BATTERY):
        self.MEASURES = (measurement,)
        self._adc = adc
        self._clock = clock
        self._ratio = ratio
        self._switch = switch
        self._present_mv = present_mv
        self._samples = [0] * _SAMPLES

    def probe(self):
        """Return millivolts; raise DriverError when nothing is wired to the pin."""
        state, mv = self._measure()
        if state == NO_ANSWER:
            raise DriverError(state, "battery: %d mV at the divider: battery, divider or pin not wired" % mv)
        return mv

    def start(self):
        """Nothing to start."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the voltage: the median of nine conversions."""
        state, mv = self._measure()
        if state == NO_ANSWER:
            return failed(self.MEASURES, state)
        return [reading(self.MEASURES[0], mv, state)]

    def _measure(self):
        """Return (state, millivolts)."""
        if self._switch is not None:
            self._switch.value(1)
            self._clock.sleep_ms(2)  # the divider's own time constant
        try:
            for i in range(_SAMPLES):
                self._samples[i] = self._adc.read_uv()
        except OSError:
            return (NO_ANSWER, 0)
        finally:
            if self._switch is not None:
                self._switch.value(0)
        self._samples.sort()
        pin_uv = self._samples[_SAMPLES // 2]
        over, under = self._ratio
        mv = (2 * pin_uv * over + 1000 * under) // (2000 * under)
        if mv < self._present_mv:
            return (NO_ANSWER, mv)
        return (OVERLOAD if pin_uv > _FULL_SCALE_UV else OK, mv)
