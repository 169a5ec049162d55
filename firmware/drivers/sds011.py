"""Nova SDS011 particulate matter sensor on a 9600 baud UART, reporting every second.

Report: AA C0, PM2.5 and PM10 (least significant byte first, in 0.1 ug/m3), two bytes of id, sum of
the six bytes before, AB. The laser lives about 8000 h: stop() lets it sleep.
"""

from wire.measurements import PM2_5, PM10
from wire.record import DEGRADED, OK

from .readings import reading
from .talker import TalkingSensor


def command(a, b, c):
    """Return the command with data bytes a, b, c for any device: sum of all bytes from the third on."""
    body = bytes([a, b, c]) + bytes(10) + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes([sum(body) & 0xFF, 0xAB])


class SDS011(TalkingSensor):
    """Driver. device: the sensor's two id bytes as they came last."""

    NAME = "SDS011"
    MEASURES = (PM2_5, PM10)
    LENGTH = 10
    PERIOD_MS = 1100
    settle_ms = 30_000
    START = (command(6, 1, 1), command(2, 1, 0), command(8, 1, 0))  # wake, report by itself, no pauses
    STOP = (command(6, 1, 0),)

    device = b""

    def _fits(self, buf, n):
        if buf[0] != 0xAA or (n > 1 and buf[1] != 0xC0):
            return False
        return n < 10 or (buf[9] == 0xAB and sum(buf[2:8]) & 0xFF == buf[8])

    def _readings(self, frame, state):
        self.device = bytes(frame[6:8])
        pm2_5 = frame[3] << 8 | frame[2]
        pm10 = frame[5] << 8 | frame[4]
        # Outdoor air always scatters some light: two zeros are a dead laser or a blocked inlet.
        if state == OK and not pm2_5 | pm10:
            state = DEGRADED
        return [reading(PM2_5, pm2_5, state), reading(PM10, pm10, state)]
