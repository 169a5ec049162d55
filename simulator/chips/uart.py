"""What sensors that talk by themselves on a serial line have in common: frames in time, byte by byte."""

from __future__ import annotations


class Talker:
    """Puts bytes on the line at its baud rate; subclasses call `say` and implement `advance`."""

    def __init__(self, baudrate: int = 9600) -> None:
        self.baudrate = baudrate
        self.faults: set[str] = set()
        self._line: list[tuple[int, int]] = []  # (instant at which the byte is complete, byte)
        self._line_free_us = 0
        self._noise = 1

    def advance(self, now_us: int) -> None:
        """Say everything that begins up to now_us."""
        raise NotImplementedError

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Take bytes from the node; the base ignores them."""

    def read_available(self, now_us: int) -> bytes:
        """Return the bytes whose stop bit has passed."""
        self.advance(now_us)
        out = bytes(byte for at_us, byte in self._line if at_us <= now_us)
        self._line = self._line[len(out) :]
        return b"" if self.silent() else out

    def silent(self) -> bool:
        """Return whether the line is dead: not wired, or no supply."""
        return bool(self.faults & {"nak", "brown_out"})

    def say(self, data: bytes, at_us: int) -> None:
        """Put bytes on the line from at_us on, or as soon as it is free. Fault noise: stray bytes before."""
        if "noise" in self.faults:
            data = bytes(self.random_byte() for _ in range(3)) + data
        byte_us = 10_000_000 // self.baudrate
        self._line_free_us = max(self._line_free_us, at_us)
        for byte in data:
            self._line_free_us += byte_us
            self._line.append((self._line_free_us, byte))

    def random_byte(self) -> int:
        """Return the next byte of a fixed pseudo-random sequence (the same at every run)."""
        self._noise = (self._noise * 1103515245 + 12345) & 0x7FFFFFFF
        return self._noise >> 16 & 0xFF
