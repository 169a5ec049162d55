"""The entropy coder's kernel as rv32imc machine code in the emulator, behind kernels.entropy.Engine."""

from __future__ import annotations

from array import array
from functools import cache
from pathlib import Path
from typing import Any

from kernels.entropy import Engine
from tests.bench.emulator import viper_core
from tools import mpy

SOURCE = Path(__file__).resolve().parents[2] / "firmware" / "kernels" / "_entropy.py"


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


def engine_of(table: Any, step: Step) -> Engine:
    """Return the chip's engine with the kernel in the emulator."""
    return Engine(table, step)
