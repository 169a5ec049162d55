"""The entropy coder's kernel as rv32imc machine code in the emulator, behind kernels.entropy.Engine."""

from __future__ import annotations

from array import array
from functools import cache
from pathlib import Path
from typing import Any

from kernels.entropy import Engine
from kernels.parity import add_sum as kernel_sum
from tests.bench.emulator import viper_core
from tools import mpy

SOURCE = Path(__file__).resolve().parents[2] / "firmware" / "kernels" / "_entropy.py"
PARITY = SOURCE.with_name("_parity.py")


@cache
def kernel_file(architecture: str) -> bytes:
    """Return the kernel's `.mpy`, compiled by mpy-cross."""
    return mpy.cross_compile(SOURCE, architecture)


class Step:
    """kernels._entropy.code_reading as machine code. executed: instructions of all calls, calls: how many."""

    def __init__(self, architecture: str = "rv32imc", *, count: bool = False) -> None:
        self._core = viper_core(kernel_file(architecture), "code_reading", architecture)
        self._at = [self._core.put(bytes(4096)) for _ in range(8)]
        self._count = count
        self.executed = self.calls = self.runtime_calls = 0

    def __call__(
        self,
        call: array[int],
        state: array[int],
        words: array[int],
        small: bytes,
        scales: array[int],
        shared: array[int],
        scratch: array[int],
        out: bytearray,
    ) -> int:
        core, at = self._core, self._at
        for address, data in zip(at, (call, state, words, small, scales, shared, scratch, out), strict=True):
            core.write(address, bytes(data) if isinstance(data, bytes | bytearray) else data)
        escaped = core.call(*at, count=self._count)
        self.executed += core.executed
        self.runtime_calls += core.runtime_calls
        self.calls += 1
        back: list[tuple[Any, int]] = [(call, 0), (state, 1)]
        for target, k in back:
            target[:] = array(target.typecode, bytes(core.uc.mem_read(at[k], len(target) * target.itemsize)))
        out[:] = bytes(core.uc.mem_read(at[7], len(out)))
        return escaped


class Adder:
    """kernels._parity.add_products as machine code, behind kernels.parity.add_sum."""

    def __init__(self, architecture: str = "rv32imc", *, count: bool = False) -> None:
        self._core = viper_core(mpy.cross_compile(PARITY, architecture), "add_products", architecture)
        self._at = [self._core.put(bytes(4096)) for _ in range(5)]
        self._count = count
        self.executed = self.runtime_calls = 0

    def _step(self, *data: Any) -> None:
        core = self._core
        for address, part in zip(self._at, data, strict=True):
            core.write(address, bytes(part) if isinstance(part, bytes | bytearray) else part)
        core.call(*self._at, count=self._count)
        self.executed += core.executed
        self.runtime_calls += core.runtime_calls
        total = data[-1]
        total[:] = bytes(core.uc.mem_read(self._at[-1], len(total)))

    def add_sum(
        self, ring: bytearray, start: int, symbols: int, width: int, state: int, total: bytearray
    ) -> None:
        """Do as wire.codec.parity.add_sum."""
        kernel_sum(ring, start, symbols, width, state, total, self._step)


def engine_of(table: Any, step: Step) -> Engine:
    """Return the chip's engine with the kernel in the emulator."""
    return Engine(table, step)
