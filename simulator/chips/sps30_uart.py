"""The serial side of the Sensirion SPS30: SHDLC frames at 115200 baud around the same engine."""

from __future__ import annotations

import struct

from .base import Source
from .sps30 import ASLEEP, FLOATS, IDLE, INTEGERS, MEASURING, Engine
from .uart import Talker

_FLAG, _ESCAPE = 0x7E, 0x7D
_STUFF = {0x7E: b"\x7d\x5e", 0x7D: b"\x7d\x5d", 0x11: b"\x7d\x31", 0x13: b"\x7d\x33"}
_UNSTUFF = {pair[1]: plain for plain, pair in _STUFF.items()}
_OK, _BAD_LENGTH, _UNKNOWN, _BAD_VALUE, _NOT_NOW = 0x00, 0x01, 0x02, 0x04, 0x43
_ANSWER_US = 5_000


def stuffed(content: bytes) -> bytes:
    """Return content with its checksum, escaped, between flags."""
    whole = content + bytes([0xFF - sum(content) % 256])
    return b"\x7e" + b"".join(_STUFF.get(byte, bytes([byte])) for byte in whole) + b"\x7e"


def unstuffed(inner: bytes) -> bytes | None:
    """Return the content between two flags without its checksum; None where either is wrong."""
    plain = bytearray()
    stream = iter(inner)
    for byte in stream:
        if byte == _ESCAPE:
            byte = _UNSTUFF.get(next(stream, -1), -1)
            if byte < 0:
                return None
        plain.append(byte)
    if len(plain) < 4 or 0xFF - sum(plain[:-1]) % 256 != plain[-1]:
        return None
    return bytes(plain[:-1])


class SPS30Uart(Talker):
    """The chip on a serial line. Faults: those of the engine, and nak, brown_out, bad_crc, slow, noise."""

    def __init__(self, source: Source | None = None, firmware: tuple[int, int] = (2, 2)) -> None:
        super().__init__(115_200)
        self.engine = Engine(source, firmware)
        self.faults = self.engine.faults
        self._heard = bytearray()
        self._interface_woken_us: int | None = None

    def advance(self, now_us: int) -> None:
        """The chip speaks only when asked; without supply it forgets."""
        if "brown_out" in self.faults:
            self.engine.power_off()
            self._heard.clear()

    def host_wrote(self, data: bytes, now_us: int) -> None:
        """Collect bytes and answer whole frames; asleep, any byte only wakes the interface for 100 ms."""
        self.advance(now_us)
        if self.silent():
            return
        if self.engine.state == ASLEEP:
            woken, self._interface_woken_us = self._interface_woken_us, now_us
            if woken is None or now_us - woken > 100_000:
                return
        self._heard += data
        *frames, rest = bytes(self._heard).split(b"\x7e")
        self._heard = bytearray(rest)
        for inner in frames:
            content = unstuffed(inner)
            if content is not None and content[0] == 0 and len(content) == content[2] + 3:
                self._reply(content[1], content[3:], now_us)

    def _reply(self, command: int, data: bytes, now_us: int) -> None:
        state, answer = self._run(command, data, now_us)
        flagged = 0x80 if self.engine.status() else 0
        content = bytes([0, command, state | flagged, len(answer)]) + answer
        out = stuffed(content)
        if "bad_crc" in self.faults:
            out = out[:3] + bytes([out[3] ^ 0x01]) + out[4:]
        self.say(out, now_us + _ANSWER_US * (100 if "slow" in self.faults else 1))

    def _run(self, command: int, data: bytes, now_us: int) -> tuple[int, bytes]:
        """Return (state, data) of an answer."""
        engine = self.engine
        if engine.state == ASLEEP and command != 0x11:
            return _NOT_NOW, b""
        if command == 0x00:
            return self._start(data, now_us)
        if command == 0x03:
            return self._measured(now_us)
        if command == 0x80 and len(data) == 5:
            engine.auto_clean_s = int.from_bytes(data[1:], "big")
            return _OK, b""
        answers = {
            0x80: engine.auto_clean_s.to_bytes(4, "big"),
            0xD0: engine.serial + b"\0",
            0xD1: bytes([*engine.firmware, 0, 7, 0, 2, 0]),
        }
        if command in answers:
            return _OK, answers[command]
        if command == 0xD2 and engine.firmware >= (2, 2):
            return _OK, engine.status().to_bytes(4, "big") + b"\0"
        return self._mode(command, now_us)

    def _mode(self, command: int, now_us: int) -> tuple[int, bytes]:
        engine = self.engine
        if command == 0x01:
            was, _ = engine.state, engine.stop(now_us)
            return (_OK if was == MEASURING else _NOT_NOW), b""
        if command == 0x56:
            return (_OK if engine.clean(now_us) else _NOT_NOW), b""
        if command == 0x10 and engine.firmware >= (2, 0):
            if engine.state != IDLE:
                return _NOT_NOW, b""
            engine.state = ASLEEP
            self._interface_woken_us = None
            return _OK, b""
        if command == 0x11 and engine.firmware >= (2, 0):
            if engine.state == ASLEEP:
                engine.state = IDLE
            return _OK, b""
        if command == 0xD3:
            engine.power_off()
            return _OK, b""
        return _UNKNOWN, b""

    def _start(self, data: bytes, now_us: int) -> tuple[int, bytes]:
        if len(data) != 2:
            return _BAD_LENGTH, b""
        if data[0] != 0x01 or data[1] not in (FLOATS >> 8, INTEGERS >> 8):
            return _BAD_VALUE, b""
        if self.engine.state != IDLE:
            return _NOT_NOW, b""
        self.engine.start(data[1] << 8, now_us)
        return _OK, b""

    def _measured(self, now_us: int) -> tuple[int, bytes]:
        engine = self.engine
        if engine.state != MEASURING:
            return _NOT_NOW, b""
        if not engine.ready(now_us):
            return _OK, b""
        values = engine.values(now_us)
        if engine.format == INTEGERS:
            return _OK, struct.pack(
                ">10H", *(min(65535, round(v)) for v in values[:9]), round(values[9] * 1000)
            )
        return _OK, struct.pack(">10f", *values)
