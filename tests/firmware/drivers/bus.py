"""Buses for driver tests: a clock that only moves when someone waits, and adapters to models or scripts."""

from __future__ import annotations

from simulator.chips.base import AdcChip, I2cChip, Nak, PulseChip, UartChip

ENODEV = 19


class FakeClock:
    """MicroPython's time functions over one integer of microseconds, with its 30-bit wrap-around."""

    PERIOD = 1 << 30

    def __init__(self, start_us: int = 0) -> None:
        self.us = start_us

    def ticks_ms(self) -> int:
        return self.us // 1000 % self.PERIOD

    def ticks_us(self) -> int:
        return self.us % self.PERIOD

    def ticks_add(self, a: int, n: int) -> int:
        return (a + n) % self.PERIOD

    def ticks_diff(self, a: int, b: int) -> int:
        half = self.PERIOD // 2
        return (a - b + half) % self.PERIOD - half

    def sleep_ms(self, n: int) -> None:
        assert n >= 0
        self.us += n * 1000

    def sleep_us(self, n: int) -> None:
        self.us += n


class ModelI2C:
    """An I2C bus at 100 kHz with chip models on it; Nak becomes OSError as on the chip."""

    def __init__(self, clock: FakeClock, *chips: I2cChip) -> None:
        self.clock = clock
        self.chips = {chip.address: chip for chip in chips}

    def _chip(self, address: int, n: int) -> I2cChip:
        self.clock.us += 90 * (n + 1)
        if address not in self.chips:
            raise OSError(ENODEV)
        return self.chips[address]

    def writeto(self, address: int, buf) -> int:
        try:
            self._chip(address, len(buf)).write(bytes(buf), self.clock.us)
        except Nak:
            raise OSError(ENODEV) from None
        return len(buf)

    def readfrom_into(self, address: int, buf) -> None:
        chip = self._chip(address, len(buf))
        try:
            answer = chip.read(len(buf), self.clock.us)
        except Nak:
            raise OSError(ENODEV) from None
        assert len(answer) == len(buf)
        buf[:] = answer

    def scan(self) -> list[int]:
        return sorted(
            a for a, chip in self.chips.items() if not getattr(chip, "faults", set()) & {"nak", "brown_out"}
        )


class ScriptedI2C:
    """A bus that plays (expected write, reply) pairs once, in order; anything else fails the test.

    reply None: a write without a read.
    """

    def __init__(self, *steps: tuple[str, str | None]) -> None:
        self.steps = [(bytes.fromhex(w), None if r is None else bytes.fromhex(r)) for w, r in steps]
        self.reply: bytes | None = None

    def writeto(self, address: int, buf) -> int:
        assert self.steps, f"unexpected write {bytes(buf).hex()}"
        expected, self.reply = self.steps.pop(0)
        assert bytes(buf) == expected
        return len(buf)

    def readfrom_into(self, address: int, buf) -> None:
        assert self.reply is not None
        assert len(self.reply) == len(buf)
        buf[:] = self.reply


class NoisyI2C:
    """A bus that acknowledges everything and answers with the given bytes, over and over."""

    def __init__(self, data: bytes) -> None:
        self.data = data or b"\xff"
        self.at = 0

    def writeto(self, address: int, buf) -> int:
        return len(buf)

    def readfrom_into(self, address: int, buf) -> None:
        for i in range(len(buf)):
            buf[i] = self.data[self.at % len(self.data)]
            self.at += 1


class ModelUart:
    """machine.UART with timeout=0: reads give what has arrived, None where nothing has."""

    def __init__(self, clock: FakeClock, chip: UartChip) -> None:
        self.clock = clock
        self.chip = chip
        self.buffer = bytearray()

    def _pull(self) -> None:
        self.buffer += self.chip.read_available(self.clock.us)
        del self.buffer[:-256]  # the driver of the ESP32 port drops what nobody reads

    def any(self) -> int:
        self._pull()
        return len(self.buffer)

    def read(self, n: int = -1):
        self._pull()
        n = len(self.buffer) if n < 0 else min(n, len(self.buffer))
        data, self.buffer = bytes(self.buffer[:n]), self.buffer[n:]
        return data or None

    def readinto(self, buf, n: int | None = None):
        data = self.read(len(buf) if n is None else min(n, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, data) -> int:
        self.chip.host_wrote(bytes(data), self.clock.us)
        self.clock.us += len(data) * 10_000_000 // self.chip.baudrate
        return len(data)


class ByteStream:
    """A UartChip that emits a fixed stream at its baud rate and ignores what it is told."""

    def __init__(self, data: bytes, baudrate: int = 9600, gap_us: int = 0) -> None:
        self.data = data
        self.baudrate = baudrate
        self.byte_us = 10_000_000 // baudrate + gap_us
        self.sent = 0
        self.heard = b""

    def host_wrote(self, data: bytes, now_us: int) -> None:
        self.heard += data

    def read_available(self, now_us: int) -> bytes:
        upto = min(len(self.data), now_us // self.byte_us)
        out, self.sent = self.data[self.sent : upto], max(self.sent, upto)
        return out


class ModelAdc:
    """machine.ADC on a model."""

    def __init__(self, clock: FakeClock, chip: AdcChip) -> None:
        self.clock = clock
        self.chip = chip

    def read_uv(self) -> int:
        self.clock.us += 100
        return self.chip.read_uv(self.clock.us)


class ModelCounter:
    """machine.Counter (or an ULP counter) on a model."""

    def __init__(self, clock: FakeClock, chip: PulseChip) -> None:
        self.clock = clock
        self.chip = chip

    def value(self) -> int:
        return self.chip.count(self.clock.us)


class ModelOneWire:
    """onewire.OneWire on a model."""

    def __init__(self, clock: FakeClock, chip) -> None:
        self.clock = clock
        self.chip = chip

    def reset(self) -> bool:
        self.clock.us += 960
        return self.chip.reset(self.clock.us)

    def writebyte(self, value: int) -> None:
        self.clock.us += 560
        self.chip.write_byte(value, self.clock.us)

    def readinto(self, buf) -> None:
        for i in range(len(buf)):
            self.clock.us += 560
            buf[i] = self.chip.read_byte(self.clock.us)
