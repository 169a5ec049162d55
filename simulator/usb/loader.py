"""The loader in the chip's ROM, and the stub that it loads: Espressif's serial protocol.

Requests are SLIP frames: 0, command, length of the data, checksum, data. Answers: 1, command, length, value,
data and status: four bytes of the ROM, two of the stub. Source: "Serial Protocol", documentation of esptool.
The stub is not run as code: it is taken in, and from then on the loader answers as the stub does.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable

import numpy as np

from simulator.usb.chips import Chip, registers
from simulator.usb.flash import FlashChip
from simulator.usb.slip import Unframer, frame

FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x02, 0x03, 0x04
MEM_BEGIN, MEM_END, MEM_DATA, SYNC = 0x05, 0x06, 0x07, 0x08
WRITE_REG, READ_REG = 0x09, 0x0A
SPI_SET_PARAMS, SPI_ATTACH, READ_FLASH_SLOW, CHANGE_BAUDRATE = 0x0B, 0x0D, 0x0E, 0x0F
DEFL_BEGIN, DEFL_DATA, DEFL_END = 0x10, 0x11, 0x12
SPI_FLASH_MD5, GET_SECURITY_INFO = 0x13, 0x14
ERASE_FLASH, ERASE_REGION, READ_FLASH = 0xD0, 0xD1, 0xD2

SYNC_PATTERN = b"\x07\x07\x12\x20" + b"\x55" * 32
OK, INVALID, FAILED, BAD_CHECKSUM, DEFLATE = 0x00, 0x05, 0x06, 0x07, 0x0B
_SPI_USR = 1 << 18
_RDID, _RDSFDP = 0x9F, 0x5A


def checksum(data: bytes) -> int:
    """Return the checksum of a data block: 0xEF and all bytes, exclusive or."""
    return 0xEF ^ int(np.bitwise_xor.reduce(np.frombuffer(data, np.uint8), initial=0))


class RefusedError(Exception):
    """A request that the loader refuses, with its reason byte."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Loader:
    """The loader of one board. `feed` bytes from the host, `send` brings bytes to it.

    on_end: called when the loader is left for the application (FLASH_END with reboot).
    """

    def __init__(
        self,
        chip: Chip,
        mac: bytes,
        flash: FlashChip,
        send: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self.chip = chip
        self.flash = flash
        self.stub = False
        self.baud = 115200
        self.commands: list[int] = []  # what was asked, for those who watch
        self._send = send
        self._on_end = on_end
        self._registers = registers(chip, mac)
        self._unframer = Unframer()
        self._memory: dict[int, bytes] = {}
        self._mem_at = 0
        self._write_at = 0
        self._left = 0
        self._inflate: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        self._reading: tuple[int, int, int] | None = None  # offset, length, sent

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that belong to no frame."""
        frames, noise = self._unframer.feed(data)
        for found in frames:
            self._take(found)
        return noise

    def _take(self, found: bytes) -> None:
        if self._reading is not None:
            self._read_on(found)
            return
        if len(found) < 8 or found[0] != 0:
            return
        command, length, check = struct.unpack_from("<BHI", found, 1)
        data = found[8:]
        self.commands.append(command)
        value, answer, reason = 0, b"", OK
        try:
            if len(data) != length:
                raise RefusedError(INVALID)
            value, answer = self._serve(command, data, check)
        except RefusedError as refused:
            reason = refused.reason
        except (struct.error, IndexError):
            reason = FAILED
        status = bytes((int(reason != OK), reason)) + (b"" if self.stub else b"\x00\x00")
        body = answer + status
        times = 8 if command == SYNC and reason == OK else 1
        self._send(frame(struct.pack("<BBHI", 1, command, len(body), value) + body) * times)
        if command == MEM_END and reason == OK and struct.unpack_from("<I", data)[0] == 0:
            self.stub = True
            self._send(frame(b"OHAI"))
        if command == READ_FLASH and reason == OK:
            self._read_on(b"")
        if command in (FLASH_END, DEFL_END) and reason == OK and data[:4] == bytes(4):
            self._on_end()

    # -- commands

    def _serve(self, command: int, data: bytes, check: int) -> tuple[int, bytes]:
        if command == SYNC:
            if data != SYNC_PATTERN:
                raise RefusedError(INVALID)
            return 0 if self.stub else 0x20120707, b""
        if command == READ_REG:
            return self._read_register(struct.unpack("<I", data)[0]), b""
        if command == WRITE_REG:
            address, value, mask, _delay = struct.unpack_from("<IIII", data)
            self._write_register(address, value, mask)
            return 0, b""
        if command == GET_SECURITY_INFO:
            if self.chip.chip_id is None:
                raise RefusedError(INVALID)
            return 0, struct.pack("<IB7sII", 0, 0, bytes(7), self.chip.chip_id, 0)
        if command in (MEM_BEGIN, MEM_DATA, MEM_END):
            return self._serve_memory(command, data, check)
        if command in (SPI_SET_PARAMS, SPI_ATTACH):
            return 0, b""
        if command == CHANGE_BAUDRATE:
            self.baud = struct.unpack_from("<I", data)[0]
            return 0, b""
        if command == SPI_FLASH_MD5:
            offset, size = struct.unpack_from("<II", data)
            digest = hashlib.md5(self.flash.read(offset, size), usedforsecurity=False)
            return 0, digest.digest() if self.stub else digest.hexdigest().encode()
        return self._serve_flash(command, data, check)

    def _serve_memory(self, command: int, data: bytes, check: int) -> tuple[int, bytes]:
        if command == MEM_BEGIN:
            self._mem_at = struct.unpack("<IIII", data)[3]
        elif command == MEM_DATA:
            content = _block(data, check)
            self._memory[self._mem_at] = content
            self._mem_at += len(content)
        elif struct.unpack("<II", data)[0] == 0 and not self._memory:
            raise RefusedError(FAILED)  # there is nothing to run
        return 0, b""

    def _serve_flash(self, command: int, data: bytes, check: int) -> tuple[int, bytes]:
        if command in (FLASH_BEGIN, DEFL_BEGIN):
            size, _blocks, _block_size, offset = struct.unpack_from("<IIII", data)
            self._write_at = offset
            self._left = size
            self._inflate = zlib.decompressobj() if command == DEFL_BEGIN else None
            if size:
                self.flash.erase(offset, size)
        elif command == FLASH_DATA:
            self._write(_block(data, check))
        elif command == DEFL_DATA:
            self._write(self._inflated(_block(data, check)))
        elif command in (FLASH_END, DEFL_END):
            self._inflate = None
        elif command == READ_FLASH_SLOW and not self.stub:
            offset, size = struct.unpack("<II", data)
            if size > 64:
                raise RefusedError(FAILED)
            return 0, self.flash.read(offset, size).ljust(64, b"\x00")
        elif not self.stub:
            raise RefusedError(INVALID)
        elif command == ERASE_FLASH:
            self.flash.erase(0, len(self.flash.data))
        elif command == ERASE_REGION:
            self.flash.erase(*struct.unpack("<II", data))
        elif command == READ_FLASH:
            offset, length, _block_size, _window = struct.unpack("<IIII", data)
            self._reading = (offset, length, 0)
        else:
            raise RefusedError(INVALID)
        return 0, b""

    def _inflated(self, packed: bytes) -> bytes:
        if self._inflate is None:
            raise RefusedError(FAILED)
        try:
            return self._inflate.decompress(packed)
        except zlib.error as error:
            raise RefusedError(DEFLATE) from error

    def _write(self, content: bytes) -> None:
        kept = content[: self._left]
        if any(byte != 0xFF for byte in content[self._left :]):
            raise RefusedError(FAILED)  # more than was announced; padding to a block is fine
        self.flash.program(self._write_at, kept)
        self._write_at += len(kept)
        self._left -= len(kept)

    def _read_on(self, acknowledged: bytes) -> None:
        """READ_FLASH of the stub: blocks of 4096, each acknowledged by how much came; then the digest."""
        assert self._reading is not None
        offset, length, sent = self._reading
        if acknowledged and struct.unpack_from("<I", acknowledged)[0] != sent:
            self._reading = None
            return
        if sent == length:
            self._reading = None
            whole = self.flash.read(offset, length)
            self._send(frame(hashlib.md5(whole, usedforsecurity=False).digest()))
            return
        piece = self.flash.read(offset + sent, min(4096, length - sent))
        self._reading = (offset, length, sent + len(piece))
        self._send(frame(piece))

    # -- registers

    def _read_register(self, address: int) -> int:
        return self._registers.get(address, 0)

    def _write_register(self, address: int, value: int, mask: int) -> None:
        old = self._registers.get(address, 0)
        self._registers[address] = old & ~mask | value & mask
        chip = self.chip
        if address == chip.spi and value & _SPI_USR:  # an SPI command of the host's own
            self._registers[address] = 0
            command = self._registers.get(chip.spi + chip.usr2, 0) & 0xFF
            answers = {_RDID: self.flash.jedec_id, _RDSFDP: 0x50444653}
            self._registers[chip.spi + chip.w0] = answers.get(command, 0)


def _block(data: bytes, check: int) -> bytes:
    size = struct.unpack_from("<I", data)[0]
    content = data[16:]
    if len(content) != size:
        raise RefusedError(INVALID)
    if checksum(content) != check & 0xFF:
        raise RefusedError(BAD_CHECKSUM)
    return content
