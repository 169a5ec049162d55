"""MaxBotix HRXL-MaxSonar (MB7389 and kin) on a 9600 baud TTL UART: "R", four digits, CR, in mm.

There is no checksum: only the strict form and the burst protect. After power-up it sends lines of
text, some of which begin with R too ("RoHS"). It corrects for its own temperature.
"""

from wire.record import BELOW_FLOOR, OK

from .ranging import BurstRanger


class MB7389(BurstRanger):
    """Driver; see ranging.BurstRanger. max_mm: 5000 or 9999 by model; it sends just that without target."""

    NAME = "MB7389"
    MIN_MM = 300
    PERIOD_MS = 160  # 6.7 a second
    LENGTH = 6
    settle_ms = 200  # the lines of text take 65 to 160 ms

    def __init__(self, uart, clock, samples=7, max_mm=5000):
        self.MAX_MM = max_mm - 1
        BurstRanger.__init__(self, uart, clock, samples)

    def _fits(self, buf, n):
        if buf[0] != 0x52:
            return False
        for i in range(1, min(n, 5)):
            if not 0x30 <= buf[i] <= 0x39:
                return False
        return n < 6 or buf[5] == 0x0D

    def _distance(self):
        frame = self._reader.frame
        return (frame[1] - 48) * 1000 + (frame[2] - 48) * 100 + (frame[3] - 48) * 10 + frame[4] - 48

    def _quality(self, distance):
        """Anything nearer than 300 mm is sent as 300."""
        return BELOW_FLOOR if distance == self.MIN_MM else OK
