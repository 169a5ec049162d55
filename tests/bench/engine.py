"""The noise kernels of a 32-bit chip as an engine of kernels.levels.SoundLevels, in the emulator."""

from __future__ import annotations

from array import array
from functools import cache
from pathlib import Path

from tests.bench.emulator import Core, viper_core
from tools import mpy, viper_rv32

KERNELS = Path(__file__).resolve().parents[2] / "firmware" / "kernels"


@cache
def kernel_file(module: str, architecture: str, is_ours: bool) -> bytes:
    """Return the `.mpy` of a kernel module, by our compiler or as mpy-cross emits it."""
    source = KERNELS / f"{module}.py"
    return viper_rv32.compile_file(source) if is_ours else mpy.cross_compile(source, architecture)


class Engine:
    """weigh, survey, detect and inspect as in kernels.noise, executed as machine code of another chip.

    executed: instructions by kernel, since the engine was made, when counting.
    """

    def __init__(
        self,
        rate_hz: int,
        architecture: str = "rv32imc",
        *,
        is_ours: bool = True,
        count: bool = False,
        response: str = "",
    ) -> None:
        module = f"_noise{rate_hz // 1000}" + (f"_{response}" if response else "")
        file = kernel_file(module, architecture, is_ours)
        self._cores = {
            name: viper_core(file, name, architecture)
            for name in ("weigh_a", "weigh_ac", "survey", "inspect", "detect")
        }
        self._memory = {
            name: (core.put(bytes(192_000)), core.put(bytes(4096)), core.put(bytes(256)))
            for name, core in self._cores.items()
        }
        self._count = count
        self.executed = dict.fromkeys(self._cores, 0)

    def weigh(
        self, frames: bytes, slot: int, n_ms: int, energies: array[int], ctx: array[int], with_c: bool
    ) -> None:
        """Weight milliseconds of frames."""
        name = "weigh_ac" if with_c else "weigh_a"
        core, (source, out, state) = self._cores[name], self._memory[name]
        core.write(source, bytes(frames))
        core.write(state, ctx)
        self._run(core, name, 0, 0, source + 4 * slot, out, state, n_ms)
        energies[0 : 2 * n_ms] = array(energies.typecode, core.words(out, 2 * n_ms))
        ctx[:] = array("i", core.words(state, len(ctx)))

    def survey(self, frames: bytes, slot: int, n_ms: int, ctx: array[int]) -> None:
        """Take the unweighted energy and the extremes."""
        core, (source, _, state) = self._cores["survey"], self._memory["survey"]
        core.write(source, bytes(frames))
        core.write(state, ctx)
        self._run(core, "survey", 0, 0, source + 4 * slot, state, n_ms)
        ctx[:] = array("i", core.words(state, len(ctx)))

    def inspect(self, frames: bytes, slot: int, n: int, ctx: array[int]) -> None:
        """Look at words as bits."""
        core, (source, _, state) = self._cores["inspect"], self._memory["inspect"]
        core.write(source, bytes(frames))
        core.write(state, ctx)
        self._run(core, "inspect", 0, 0, source + 4 * slot, state, n)
        ctx[:] = array("i", core.words(state, len(ctx)))

    def detect(self, energies: array[int], ctx: array[int], n_ms: int, shifts: tuple[int, int, int]) -> None:
        """Time-weight the milliseconds' energies."""
        core, (_, source, state) = self._cores["detect"], self._memory["detect"]
        core.write(source, energies)
        core.write(state, ctx)
        self._run(core, "detect", 0, 0, source, state, n_ms, *shifts)
        ctx[:] = array("i", core.words(state, len(ctx)))

    def _run(self, core: Core, name: str, *args: int) -> None:
        core.call(*args, count=self._count)
        self.executed[name] += core.executed


class OctaveEngine:
    """unpack, split and band as in kernels.octaves, executed as machine code of another chip."""

    def __init__(self, architecture: str = "rv32imc", *, is_ours: bool = True, count: bool = False) -> None:
        file = kernel_file("_octaves", architecture, is_ours)
        self._cores = {name: viper_core(file, name, architecture) for name in ("unpack", "share", "band")}
        self._memory = {
            name: (core.put(bytes(8192)), core.put(bytes(4096)), core.put(bytes(4096)), core.put(bytes(256)))
            for name, core in self._cores.items()
        }
        self._count = count
        self.executed = dict.fromkeys(self._cores, 0)

    def unpack(self, frames: bytes, first_frame: int, slot: int, out: array[int], n: int) -> None:
        """Take one slot."""
        core, (source, target, _, _) = self._cores["unpack"], self._memory["unpack"]
        core.write(source, bytes(frames[8 * first_frame : 8 * (first_frame + n)]))
        self._run(core, "unpack", source + 4 * slot, target, n // 4)
        out[0:n] = array("i", core.words(target, n))

    def split(
        self, source: array[int], out: array[int], following: array[int], at: int, ctx: array[int], n: int
    ) -> None:
        """Run what the bands share, and the half-band."""
        core, (samples, shared, decimated, state) = self._cores["share"], self._memory["share"]
        core.write(samples, source[0:n])
        core.write(state, ctx)
        self._run(core, "share", 0, 0, samples, shared, decimated, state, n // 4)
        out[0:n] = array("i", core.words(shared, n))
        following[at : at + n // 2] = array("i", core.words(decimated, n // 2))
        ctx[:] = array("i", core.words(state, len(ctx)))

    def band(self, source: array[int], ctx: array[int], n: int) -> None:
        """Filter one band."""
        core, (samples, _, _, state) = self._cores["band"], self._memory["band"]
        core.write(samples, source[0:n])
        core.write(state, ctx)
        self._run(core, "band", 0, 0, samples, state, n // 4)
        ctx[:] = array("i", core.words(state, len(ctx)))

    def _run(self, core: Core, name: str, *args: int) -> None:
        core.call(*args, count=self._count)
        self.executed[name] += core.executed
