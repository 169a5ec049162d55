"""DYP A02YYUW waterproof ultrasonic distance sensor on a 9600 baud UART: FF H L SUM, in mm.

Frame and sum: the maker's manual, "UART output", whose example is FF 07 A1 A7 for 1953 mm. The sensor sends
every 100 ms, or averaged every 100 to 300 ms while its RX wire is high or open.
"""

from .ranging import BurstRanger


class A02YYUW(BurstRanger):
    """Driver; see ranging.BurstRanger."""

    NAME = "A02YYUW"
    MIN_MM = 30
    MAX_MM = 4500
    PERIOD_MS = 300
    LENGTH = 4
    settle_ms = 500  # our margin after power-up; the sensor states none

    def _fits(self, buf, n):
        """Header, a plausible high byte (an FF inside a frame is no header then), and the sum."""
        if buf[0] != 0xFF or (n > 1 and buf[1] == 0xFF):
            return False
        return n < 4 or (buf[0] + buf[1] + buf[2]) & 0xFF == buf[3]

    def _distance(self):
        """Return millimetres; 0 where there was no echo."""
        return self._reader.frame[1] << 8 | self._reader.frame[2]
