"""Runs the machine code of a viper function in an emulator (unicorn) and counts the instructions it executes.

The memory around it looks like MicroPython's as far as a viper function sees: a function object, its context,
the object table, and the table of runtime functions, whose slots all return their first argument, so that the
conversion of arguments works on plain words and a stray runtime call shows up as a count (`runtime_calls`).
Counts depend on the code and the data alone, not on the host.
"""

from __future__ import annotations

import struct
from array import array
from pathlib import Path
from typing import Any

import unicorn
from unicorn import arm_const, riscv_const

from tools import mpy

CODE, TABLE, OBJECTS, STOP, STACK, DATA = 0x10000, 0x40000, 0x50000, 0x60000, 0x80000, 0x100000
_STUB = TABLE + 0x8000
_RISCV_INT_ARGS = [riscv_const.UC_RISCV_REG_A0 + i for i in range(8)]


class Core:
    """A 32-bit core with the code of one function. architecture: "rv32imc", "armv6m", "armv7em"."""

    def __init__(self, architecture: str, code: bytes) -> None:
        self.is_riscv = architecture == "rv32imc"
        if self.is_riscv:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        else:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        for start, size in (
            (CODE, 0x30000),
            (TABLE, 0x10000),
            (OBJECTS, 0x10000),
            (STOP, 0x1000),
            (STACK, 0x10000),
        ):
            self.uc.mem_map(start, size)
        self.uc.mem_map(DATA, 0x800000)
        self.code = code
        self.uc.mem_write(CODE, code)
        self.uc.mem_write(_STUB, b"\x82\x80" if self.is_riscv else b"\x70\x47")  # c.jr ra, bx lr
        self.uc.mem_write(TABLE, struct.pack("<I", _STUB | (0 if self.is_riscv else 1)) * 128)
        # function object -> context; context -> object table; object 0 = the runtime's function table
        self.uc.mem_write(OBJECTS, struct.pack("<4I", 0, OBJECTS + 0x100, 0, 0))
        self.uc.mem_write(OBJECTS + 0x100, struct.pack("<4I", 0, 0, 0, OBJECTS + 0x300))
        self.uc.mem_write(OBJECTS + 0x300, struct.pack("<I", TABLE))
        self.executed = 0
        self.runtime_calls = 0
        self._next = DATA
        self._counts: dict[tuple[int, int], int] = {}

    def put(self, words: Any) -> int:
        """Copy an array into memory; return its address."""
        data = words if isinstance(words, bytes | bytearray) else words.tobytes()
        address = self._next
        self._next = address + len(data) + 63 & ~63
        self.uc.mem_write(address, bytes(data))
        return address

    def write(self, address: int, words: Any) -> None:
        """Replace memory."""
        self.uc.mem_write(address, words if isinstance(words, bytes) else words.tobytes())

    def words(self, address: int, n: int) -> list[int]:
        """Return n signed words."""
        return list(array("i", bytes(self.uc.mem_read(address, 4 * n))))

    def call(self, *args: int, count: bool = False, viper: bool = True) -> int:
        """Run the function; with count, `executed` and `runtime_calls` are set. viper=False: as C."""
        uc = self.uc
        at = OBJECTS + 0x1000
        if viper:
            uc.mem_write(at, struct.pack(f"<{len(args)}I", *(a & 0xFFFFFFFF for a in args)))
            args = (OBJECTS, len(args), 0, at)
        if self.is_riscv:
            for register, value in zip(_RISCV_INT_ARGS, args, strict=False):
                uc.reg_write(register, value & 0xFFFFFFFF)
            uc.reg_write(riscv_const.UC_RISCV_REG_SP, STACK + 0xFF00)
            uc.reg_write(riscv_const.UC_RISCV_REG_RA, STOP)
            start, stop, result = CODE, STOP, riscv_const.UC_RISCV_REG_A0
        else:
            for i, value in enumerate(args[:4]):
                uc.reg_write(arm_const.UC_ARM_REG_R0 + i, value & 0xFFFFFFFF)
            uc.reg_write(arm_const.UC_ARM_REG_SP, STACK + 0xFF00)
            uc.reg_write(arm_const.UC_ARM_REG_LR, STOP | 1)
            start, stop, result = CODE | 1, STOP, arm_const.UC_ARM_REG_R0
        hook = None
        self.executed = self.runtime_calls = 0
        if count:
            hook = uc.hook_add(unicorn.UC_HOOK_BLOCK, self._count)
        uc.emu_start(start, stop)
        if hook is not None:
            uc.hook_del(hook)
        return int(uc.reg_read(result))

    def _count(self, _uc: Any, address: int, size: int, _data: Any) -> None:
        if address >= TABLE:
            self.runtime_calls += 1
            return
        n = self._counts.get((address, size))
        if n is None:
            n = self._counts[address, size] = self._instructions(address, size)
        self.executed += n

    def _instructions(self, address: int, size: int) -> int:
        n = 0
        at = address - CODE
        end = at + size
        while at < end:
            half = self.code[at] | self.code[at + 1] << 8
            is_long = half & 3 == 3 if self.is_riscv else half >> 11 in (0x1D, 0x1E, 0x1F)
            at += 4 if is_long else 2
            n += 1
        return n


def viper_core(file: bytes, function: str, architecture: str = "rv32imc") -> Core:
    """Return a core with one viper function of a `.mpy` file, found by its name."""
    parsed = mpy.parse(file)
    if parsed.architecture != mpy.ARCHITECTURES[architecture]:
        raise mpy.MpyError(f"file is not for {architecture}")
    names = [name for name in parsed.qstrs if not name.startswith("#") and not name.endswith(".py")]
    vipers = [child for child in parsed.code.children if child.kind == mpy.VIPER]
    if len(names) != len(vipers):
        raise mpy.MpyError("functions and names do not pair")
    return Core(architecture, vipers[names.index(function)].code)


def compiled(source: Path, function: str, architecture: str = "rv32imc") -> Core:
    """Compile a source file with mpy-cross and return a core with one of its viper functions."""
    return viper_core(mpy.cross_compile(source, architecture), function, architecture)
