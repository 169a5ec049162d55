"""Plantower PMS5003/PMS7003 particulate matter sensor at 9600 baud, with its modes and its sleep."""

from __future__ import annotations

from .base import Constants, Source
from .sensirion import quantity
from .uart import Talker

_SECOND_US = 1_000_000
_SETTLE_US = 30 * _SECOND_US


class PMS5003(Talker):
    """Quantities: pm1_ug_m3, pm2_5_ug_m3, pm10_ug_m3 (as the CF=1 columns show them; whole ug/m3).

    The atmospheric columns fall behind above 30 ug/m3. After waking the values rise for 30 s.
    Faults: nak, brown_out, bad_crc, slow, stuck, noise, old_laser (all zero), worn_fan (30 % low), drift
    (reads double, as a dirty chamber does).
    error_code: what the frame says of itself.
    """

    def __init__(self, source: Source | None = None) -> None:
        super().__init__(9600)
        self.source: Source = source or Constants(pm2_5_ug_m3=10.0)
        self.active = True
        self.asleep = False
        self.error_code = 0
        self._woke_us: int | None = None
        self._next_us = 0
        self._heard = bytearray()
        self._last = b""

    def advance(self, now_us: int) -> None:
        """Send the frames that fall due up to now_us; of a long silence only the last second."""
        if self._woke_us is None:
            self._wake(now_us)
        if "brown_out" in self.faults:
            self.active, self.asleep = True, False
            self._wake(now_us)
        period_us = _SECOND_US * (10 if "slow" in self.faults else 1)
        behind = (now_us - self._next_us) // period_us - 1
        self._next_us += max(0, behind) * period_us
        while self._next_us <= now_us:
            if self.active and not self.asleep:
                self.say(self._frame(self._next_us), self._next_us)
            self._next_us += period_us

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Take commands of 7 bytes: 42 4D, command, data high and low, sum high and low."""
        self.advance(now_us)
        self._heard += data
        while len(self._heard) >= 7:
            frame = bytes(self._heard[:7])
            if frame[:2] == b"\x42\x4d" and sum(frame[:5]) == int.from_bytes(frame[5:], "big"):
                del self._heard[:7]
                self._obey(frame[2], frame[4], now_us)
            else:
                del self._heard[0]

    def _obey(self, command: int, value: int, now_us: int) -> None:
        if command == 0xE4:
            if value and self.asleep:
                self._wake(now_us)
            self.asleep = not value
        elif command == 0xE1:
            self.active = bool(value)
        elif command == 0xE2 and not self.active and not self.asleep:
            self.say(self._frame(now_us), now_us + 10_000)

    def _wake(self, now_us: int) -> None:
        self._woke_us = now_us
        self._next_us = now_us + _SECOND_US

    def _frame(self, at_us: int) -> bytes:
        if "stuck" not in self.faults or not self._last:
            words = self._words(at_us)
            body = b"\x42\x4d\x00\x1c" + b"".join(word.to_bytes(2, "big") for word in words)
            total = sum(body) ^ (0x0100 if "bad_crc" in self.faults else 0)
            self._last = body + total.to_bytes(2, "big")
        return self._last

    def _words(self, at_us: int) -> list[int]:
        assert self._woke_us is not None
        pm2_5 = self.source("pm2_5_ug_m3", at_us)
        pm1 = quantity(self.source, "pm1_ug_m3", at_us, 0.7 * pm2_5)
        pm10 = quantity(self.source, "pm10_ug_m3", at_us, 1.2 * pm2_5)
        gain = min(1.0, (at_us - self._woke_us) / _SETTLE_US)
        if "worn_fan" in self.faults:
            gain *= 0.7
        if "drift" in self.faults:
            gain *= 2.0
        if "old_laser" in self.faults:
            gain = 0.0
        cf1 = [gain * value for value in (pm1, pm2_5, pm10)]
        atmospheric = [min(value, 30 + (value - 30) * 2 / 3) for value in cf1]
        counts = [gain * pm2_5 * factor for factor in (130.0, 40.0, 9.0, 1.5, 0.5, 0.2)]
        if gain:
            counts[0] = max(1.0, counts[0])
        return [min(65535, round(value)) for value in cf1 + atmospheric + counts] + [0x9700 | self.error_code]
