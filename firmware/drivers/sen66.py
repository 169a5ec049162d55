"""Sensirion SEN66: as the SEN55, with CO2, at another address and with other bits in its status.

Commands and the status register: SEN6x data sheet, "I2C commands" and "Device status".
"""

from wire._compat import const
from wire.measurements import CO2
from wire.record import NOT_READY

from .sen5x import SEN5x

_CLEAN = const(0x5607)
_CLEAN_MS = const(10_000)


class SEN66(SEN5x):
    """Driver; see sen5x.SEN5x. Its settings are volatile; CO2 is unknown for the first 5 to 6 s."""

    NAME = "SEN66"
    ADDRESS = 0x6B
    MEASURES = SEN5x.MEASURES + (CO2,)
    READ = 0x0300
    STOP_MS = 1000
    COUNTS = 0x0316
    COUNT_WORDS = 5
    COUNT_N10 = 4
    PM_FAIL = 1 << 11
    CO2_FAIL = 1 << 9

    def clean(self):
        """Clean the fan for 10 s: this chip does it in idle mode only, so before start()."""
        if self._running:
            return NOT_READY
        state = self._chip.command(_CLEAN)
        self._clock.sleep_ms(_CLEAN_MS)
        return state
