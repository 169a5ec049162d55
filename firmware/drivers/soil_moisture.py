"""Capacitive soil moisture probe: an analog voltage that falls as the soil gets wetter.

Each probe needs its own two points: in air (dry) and in water (wet). The reading is the place
between them in percent; it is no volumetric water content without a calibration for the soil.
"""

from wire._compat import const
from wire.measurements import SOIL_MOISTURE
from wire.record import NO_ANSWER, OUT_OF_RANGE

from .errors import DriverError
from .readings import failed, reading

_SAMPLES = const(9)
_MARGIN_TENTHS = const(100)  # 10 % beyond either point is still soil; more is a fault


class SoilMoisture:
    """Driver. dry_uv, wet_uv: what the pin reads in air and in water.

    power: a Pin that supplies the probe while it is 1, or None. pin_uv: the last voltage.
    """

    MEASURES = (SOIL_MOISTURE,)
    settle_ms = 0

    def __init__(self, adc, clock, dry_uv=2_790_000, wet_uv=1_310_000, power=None, supply_ms=50):
        self._adc = adc
        self._clock = clock
        self._dry_uv = dry_uv
        self._wet_uv = wet_uv
        self._power = power
        self._supply_ms = supply_ms
        self._samples = [0] * _SAMPLES
        self.pin_uv = 0

    def probe(self):
        """Return microvolts at the pin; raise DriverError where no probe is wired."""
        if not self._measure():
            raise DriverError(NO_ANSWER, "soil moisture: the ADC does not answer")
        if self.pin_uv < self._wet_uv // 4:
            text = "soil moisture: %d mV: probe not wired or not powered" % (self.pin_uv // 1000)
            raise DriverError(NO_ANSWER, text)
        return self.pin_uv

    def start(self):
        """Nothing to start."""

    def stop(self):
        """Nothing to stop."""

    def fetch(self):
        """Return the moisture between the two points; far beyond them is no soil."""
        if not self._measure() or self.pin_uv < self._wet_uv // 4:
            return failed(self.MEASURES, NO_ANSWER)
        span = self._dry_uv - self._wet_uv
        tenths = (2000 * (self._dry_uv - self.pin_uv) + span) // (2 * span)
        if not -_MARGIN_TENTHS <= tenths <= 1000 + _MARGIN_TENTHS:
            return failed(self.MEASURES, OUT_OF_RANGE)
        return [reading(SOIL_MOISTURE, min(1000, max(0, tenths)))]

    def _measure(self):
        """Set pin_uv to the median of nine conversions; return whether the ADC answered."""
        if self._power is not None:
            self._power.value(1)
            self._clock.sleep_ms(self._supply_ms)
        try:
            for i in range(_SAMPLES):
                self._samples[i] = self._adc.read_uv()
        except OSError:
            return False
        finally:
            if self._power is not None:
                self._power.value(0)
        self._samples.sort()
        self.pin_uv = self._samples[_SAMPLES // 2]
        return True
