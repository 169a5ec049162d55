"""NXP PCF8593 on I2C as an event counter: it counts pulses in BCD, also while the node sleeps."""

from __future__ import annotations

from .base import PulseChip
from .registers import RegisterChip

ADDRESS = 0x51


class PCF8593(RegisterChip):
    """Registers 0 (control) to 7; 1 to 3 are the counter, least significant digits first.

    Faults: nak, brown_out (counts are lost, clock mode afterwards), bad_crc, stuck (does not count).
    """

    def __init__(self, pulses: PulseChip, address: int = ADDRESS) -> None:
        self.pulses = pulses
        self._seen: int | None = None
        super().__init__(address, 16)

    def power_on(self) -> None:
        """Set the values after power-up: clock mode, everything zero."""
        self.registers[:] = bytes(16)
        self._seen = None

    def wrote(self, register: int, value: int, now_us: int) -> None:
        """Take a register; pulses before it belong to the old value."""
        self._count(now_us)
        self.registers[register] = value

    def refresh(self, register: int, n: int, now_us: int) -> None:
        """Count what came since."""
        self._count(now_us)

    def _count(self, now_us: int) -> None:
        pulses = self.pulses.count(now_us)
        new = 0 if self._seen is None else pulses - self._seen
        self._seen = pulses
        if self.registers[0] & 0x30 != 0x20 or "stuck" in self.faults or new <= 0:
            return
        digits = "".join(f"{self.registers[i]:02x}" for i in (3, 2, 1))
        total = f"{(int(digits) + new) % 1_000_000:06d}"
        for i, at in ((3, 0), (2, 2), (1, 4)):
            self.registers[i] = int(total[at : at + 2], 16)
