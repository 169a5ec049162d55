"""ST VL53L1X time-of-flight ranger: 16-bit register numbers, single shots, light that fades."""

from __future__ import annotations

from .base import Constants, Source
from .registers import RegisterChip

_BOOT_US = 1_200
_CODE_OK, _CODE_SIGNAL, _CODE_SIGMA, _CODE_PHASE, _CODE_HARDWARE = 9, 4, 6, 5, 3
# timeout of range A, as register value, and the timing budget that it stands for (ST UM2510)
_BUDGET_US = {0x01DB: 100_000, 0x01CC: 100_000, 0x02E1: 100_000, 0x00D6: 33_000, 0x0060: 33_000}


class VL53L1X(RegisterChip):
    """Quantity: distance_mm (a target of middling reflectance; beyond 4 m there is none).

    Faults: nak, brown_out, slow, stuck (never ready), ghost_echo (no target, yet now and then one at 280 mm
    with little light), blocked_cone (dirt on the cover: 45 mm), condensation (distance too uncertain),
    laser_fail (hardware status).
    """

    number_bytes = 2

    def __init__(self, source: Source | None = None, address: int = 0x29) -> None:
        self.source: Source = source or Constants(distance_mm=1000.0)
        self._ready_us: int | None = None
        self._shots = 0
        self._powered_us: int | None = None
        super().__init__(address, 0x200)

    def power_on(self) -> None:
        """Forget the configuration."""
        self.registers[:] = bytes(len(self.registers))
        self.registers[0x10F:0x111] = b"\xea\xcc"
        self.registers[0x30] = 0x11
        self._ready_us = None
        self._powered_us = None

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take a register; mode and interrupt clear do something."""
        if register in (0x31, 0xE5) or 0x89 <= register <= 0x99 or register in (0x10F, 0x110):
            return
        self.registers[register] = value
        if register == 0x86 and value & 1:
            self._set_ready(False)
        elif register == 0x87:
            configured = self.registers[0x46] == 0x20 and self.registers[0x40] == 0x0F
            self._ready_us = now_us + self._budget_us() if value & 0x50 and configured else None

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Finish boot and shots whose time has come."""
        if self._powered_us is None:
            self._powered_us = now_us
        self.registers[0xE5] = 3 if now_us - self._powered_us >= _BOOT_US else 0
        if self._ready_us is None or now_us < self._ready_us or "stuck" in self.faults:
            return
        self._result(self._ready_us)
        self._set_ready(True)
        again = self.registers[0x87] & 0x40
        self._ready_us = now_us + self._budget_us() if again else None

    def _budget_us(self) -> int:
        timeout = int.from_bytes(self.registers[0x5E:0x60], "big")
        return _BUDGET_US.get(timeout, 100_000) * (10 if "slow" in self.faults else 1)

    def _set_ready(self, ready: bool) -> None:
        active_high = not self.registers[0x30] & 0x10
        self.registers[0x31] = 0x02 | int(ready == active_high)

    def _result(self, at_us: int) -> None:
        self._shots += 1
        distance = self.source("distance_mm", at_us)
        code, light = _CODE_OK, 6.0 * (1000.0 / max(50.0, distance)) ** 2
        if "ghost_echo" in self.faults:
            distance, light = 280.0, 0.4
            code = _CODE_OK if self._shots % 3 == 0 else _CODE_SIGNAL
        elif "blocked_cone" in self.faults:
            distance, light = 45.0, 60.0
        elif "condensation" in self.faults:
            distance, code = 0.4 * distance, _CODE_SIGMA
        elif distance > 4000:
            code, light = _CODE_PHASE, 0.1
        elif light < 1.0:
            code = _CODE_SIGNAL
        if "laser_fail" in self.faults:
            code, light = _CODE_HARDWARE, 0.0
        raw = round(distance * 2048 / 2011) & 0xFFFF
        rate = min(65535, round(light * 128))
        block = bytearray(17)
        block[0] = code
        block[3:5] = (0x1000).to_bytes(2, "big")
        block[5:7] = block[15:17] = rate.to_bytes(2, "big")
        block[13:15] = raw.to_bytes(2, "big")
        self.registers[0x89:0x9A] = block
