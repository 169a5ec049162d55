"""Nova SDS011 particulate matter sensor at 9600 baud, with its modes, its sleep and its answers."""

from __future__ import annotations

from .base import Constants, Source
from .sensirion import quantity
from .uart import Talker

_SECOND_US = 1_000_000
_SETTLE_US = 30 * _SECOND_US


class SDS011(Talker):
    """Quantities: pm2_5_ug_m3, pm10_ug_m3 (0.1 ug/m3). After waking the values rise for 30 s.

    Faults: nak, brown_out, bad_crc, slow, stuck, noise, old_laser (all zero), drift (reads
    double, as a dirty chamber does).
    """

    def __init__(self, source: Source | None = None, device: bytes = b"\x58\xd9") -> None:
        super().__init__(9600)
        self.source: Source = source or Constants(pm2_5_ug_m3=10.0)
        self.device = device
        self.asleep = False
        self.query_mode = False
        self.period_min = 0
        self._woke_us: int | None = None
        self._next_us = 0
        self._heard = bytearray()
        self._last = b""

    def advance(self, now_us: int) -> None:
        """Send the reports that fall due up to now_us; of a long silence only the last second."""
        if self._woke_us is None or "brown_out" in self.faults:
            self._wake(now_us)
        step_us = _SECOND_US * (60 * self.period_min or (10 if "slow" in self.faults else 1))
        behind = (now_us - self._next_us) // step_us - 1
        self._next_us += max(0, behind) * step_us
        while self._next_us <= now_us:
            if not self.asleep and not self.query_mode:
                self.say(self._report(self._next_us), self._next_us)
            self._next_us += step_us

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Take commands of 19 bytes: AA B4, 15 bytes, sum, AB."""
        self.advance(now_us)
        self._heard += data
        while len(self._heard) >= 19:
            frame = bytes(self._heard[:19])
            good = frame[:2] == b"\xaa\xb4" and frame[18] == 0xAB and sum(frame[2:17]) & 0xFF == frame[17]
            if good:
                del self._heard[:19]
                if frame[15:17] in (b"\xff\xff", self.device):
                    self._obey(frame[2], frame[3], frame[4], now_us)
            else:
                del self._heard[0]

    def _obey(self, command: int, write: int, value: int, now_us: int) -> None:
        if command == 4:
            if not self.asleep:
                self.say(self._report(now_us), now_us + 5_000)
            return
        if self.asleep and command != 6:
            return
        if write and command == 6:
            if value and self.asleep:
                self._wake(now_us)
            self.asleep = not value
        elif write and command == 2:
            self.query_mode = bool(value)
        elif write and command == 8:
            self.period_min = min(30, value)
        body = bytes([command, write, value, 0]) + self.device
        self.say(b"\xaa\xc5" + body + bytes([sum(body) & 0xFF, 0xAB]), now_us + 5_000)

    def _wake(self, now_us: int) -> None:
        self._woke_us = now_us
        self._next_us = now_us + _SECOND_US

    def _report(self, at_us: int) -> bytes:
        assert self._woke_us is not None
        if "stuck" not in self.faults or not self._last:
            pm2_5 = self.source("pm2_5_ug_m3", at_us)
            pm10 = quantity(self.source, "pm10_ug_m3", at_us, 1.3 * pm2_5)
            gain = 0.0 if "old_laser" in self.faults else min(1.0, (at_us - self._woke_us) / _SETTLE_US)
            gain *= 2.0 if "drift" in self.faults else 1.0
            body = b"".join(min(9999, round(10 * gain * v)).to_bytes(2, "little") for v in (pm2_5, pm10))
            body += self.device
            total = sum(body) + ("bad_crc" in self.faults)
            self._last = b"\xaa\xc0" + body + bytes([total & 0xFF, 0xAB])
        return self._last
