"""Plantower PMS5003, PMS7003 and PMS5003T particulate matter sensors on a 9600 baud UART, in active mode.

Frame: 42 4D, length 00 1C, 13 words (most significant byte first), 16-bit sum of all bytes before.
Words: PM1, PM2.5, PM10 for CF=1; the same "atmospheric"; six counts per 0.1 L; version and error code.
"""

from wire._compat import const
from wire.measurements import PM1, PM2_5, PM10, RELATIVE_HUMIDITY, TEMPERATURE
from wire.record import DEGRADED, OK

from .readings import reading
from .talker import TalkingSensor

_WORDS = const(13)


class PMS5003(TalkingSensor):
    """Driver. Readings are the CF=1 columns, which public corrections start from, or the atmospheric ones.

    words: the 13 words of the last frame, for those who want the other columns and the counts.
    """

    NAME = "PMS5003"
    MEASURES = (PM1, PM2_5, PM10)
    LENGTH = 32
    PERIOD_MS = 2500  # 0.2 to 0.8 s while values move, 2.3 s while they are steady
    settle_ms = 30_000
    START = (b"\x42\x4d\xe4\x00\x01\x01\x74", b"\x42\x4d\xe1\x00\x01\x01\x71")  # wake, active mode
    STOP = (b"\x42\x4d\xe4\x00\x00\x01\x73",)  # sleep

    def __init__(self, uart, clock, atmospheric=False):
        TalkingSensor.__init__(self, uart, clock)
        self.words = [0] * _WORDS
        self._first = 3 if atmospheric else 0

    def _fits(self, buf, n):
        if buf[0] != 0x42 or (n > 1 and buf[1] != 0x4D) or (n > 2 and buf[2]) or (n > 3 and buf[3] != 0x1C):
            return False
        return n < 32 or sum(buf) - buf[30] - buf[31] == buf[30] << 8 | buf[31]

    def _readings(self, frame, state):
        words = self.words
        for i in range(_WORDS):
            words[i] = frame[4 + 2 * i] << 8 | frame[5 + 2 * i]
        # Outdoor air always has particles above 0.3 um: a count of 0 is a dead laser or a blocked
        # inlet. What an error code means is not published.
        if state == OK and (words[6] == 0 or words[12] & 0xFF):
            state = DEGRADED
        return [reading(m, 10 * words[self._first + i], state) for i, m in enumerate(self.MEASURES)]


class PMS5003T(PMS5003):
    """The same with a thermometer and a hygrometer inside: words 11 and 12 are T x 10 (signed) and RH x 10.

    Both are warmed by the sensor itself: raw here, correction is the gateway's.
    """

    NAME = "PMS5003T"
    MEASURES = (PM1, PM2_5, PM10, TEMPERATURE, RELATIVE_HUMIDITY)

    def _readings(self, frame, state):
        words = self.words
        for i in range(_WORDS):
            words[i] = frame[4 + 2 * i] << 8 | frame[5 + 2 * i]
        if state == OK and (words[6] == 0 or words[12] & 0xFF):
            state = DEGRADED
        out = [reading(m, 10 * words[self._first + i], state) for i, m in enumerate(self.MEASURES[:3])]
        tenths = words[10] - 65536 if words[10] & 0x8000 else words[10]
        out.append(reading(TEMPERATURE, 10 * tenths, state))
        out.append(reading(RELATIVE_HUMIDITY, words[11], state))
        return out
