"""The noise kernels of this machine, chosen at import, behind one calling convention.

    weigh(frames, slot, n_ms, energies, ctx, with_c)    A (and C) weighting, energy, C peak
    survey(frames, slot, n_ms, ctx)                     unweighted energy, extremes
    detect(energies, ctx, n_ms, shifts)                 exponential time weighting
    inspect(frames, slot, n, ctx)                       the first n words of a slot as bits

frames: a buffer of stereo frames, two signed 32-bit little-endian words each; slot 0 left, 1 right.
energies and ctx: array('i') or array('I') of words as in noise_ref.py, allocated once by the caller.

On MicroPython the viper kernels run; CPython, which has no viper, runs the plain twin. The choice is by the
width of the machine's words, because 64-bit viper loads without sign extension.
"""

import sys

from . import noise_ref
from .coefficients import WEIGHTINGS

IS_VIPER = sys.implementation.name == "micropython"
FAST = (7, 13, 15)  # 2^-7 + 2^-13 + 2^-15 = 1 - exp(-1/125) within 4e-4: time weighting F
SLOW = (10, 16, 17)  # 1 - exp(-1/1000) within 6e-5: time weighting S


def coefficients(rate_hz, response=""):
    """Return the row of a rate and a microphone's response ("": flat); ValueError names what exists."""
    for row in WEIGHTINGS:
        if row["rate_hz"] == rate_hz and row["response"] == response:
            return row
    exist = [(row["rate_hz"], row["response"]) for row in WEIGHTINGS]
    raise ValueError(
        "rate_hz, response: no filter for " + str((rate_hz, response)) + "; choose from " + str(exist)
    )


class _Viper:
    """Kernels in machine code."""

    def __init__(self, rate_hz, response):
        name = "_noise" + str(rate_hz // 1000) + ("_" + response if response else "")
        name = "kernels." + name + ("_x64" if sys.maxsize > 1 << 32 else "")
        self._k = __import__(name, None, None, ("weigh_a",))
        self._address = __import__("uctypes").addressof
        self._bytes_per_ms = rate_hz // 1000 * 8

    def weigh(self, frames, slot, n_ms, energies, ctx, with_c):
        at = self._start(frames, slot, n_ms)
        if with_c:
            self._k.weigh_ac(0, 0, at, energies, ctx, n_ms)
        else:
            self._k.weigh_a(0, 0, at, energies, ctx, n_ms)

    def survey(self, frames, slot, n_ms, ctx):
        self._k.survey(0, 0, self._start(frames, slot, n_ms), ctx, n_ms)

    def detect(self, energies, ctx, n_ms, shifts):
        self._k.detect(0, 0, energies, ctx, n_ms, shifts[0], shifts[1], shifts[2])

    def inspect(self, frames, slot, n, ctx):
        self._k.inspect(0, 0, self._address(frames) + 4 * slot, ctx, min(n, len(frames) // 8))

    def _start(self, frames, slot, n_ms):
        if n_ms * self._bytes_per_ms > len(frames):  # a kernel does not check
            raise ValueError("n_ms: longer than the buffer")
        return self._address(frames) + 4 * slot


class _Plain:
    """The twin, for CPython."""

    def __init__(self, rate_hz, response):
        self._c = coefficients(rate_hz, response)

    def weigh(self, frames, slot, n_ms, energies, ctx, with_c):
        out = list(energies)
        state = list(ctx)
        noise_ref.weigh_ref(self._c, self._words(frames, slot), out, state, n_ms, with_c)
        energies[0 : len(out)] = _array(energies, out)
        ctx[0 : len(state)] = _array(ctx, state)

    def survey(self, frames, slot, n_ms, ctx):
        state = list(ctx)
        noise_ref.survey_ref(self._c, self._words(frames, slot), state, n_ms)
        ctx[0 : len(state)] = _array(ctx, state)

    def detect(self, energies, ctx, n_ms, shifts):
        state = list(ctx)
        noise_ref.detect_ref(list(energies), state, n_ms, shifts[0], shifts[1], shifts[2])
        ctx[0 : len(state)] = _array(ctx, state)

    def inspect(self, frames, slot, n, ctx):
        state = [v & 0xFFFFFFFF for v in ctx]
        noise_ref.inspect_ref(self._words(frames, slot)[:n], state)
        ctx[0 : len(state)] = _array(ctx, state)

    def _words(self, frames, slot):
        from array import array

        words = array("i")
        words.frombytes(bytes(frames))
        return [words[i] for i in range(slot, len(words), 2)]


def _array(like, values):
    from array import array

    # a kernel stores the low 32 bits; so does this
    return array(like.typecode, [((v + (1 << 31)) & 0xFFFFFFFF) - (1 << 31) for v in values])


def kernels(rate_hz, response=""):
    """Return the kernels of a rate and a microphone: an object with weigh, survey, detect, inspect."""
    coefficients(rate_hz, response)
    return _Viper(rate_hz, response) if IS_VIPER else _Plain(rate_hz, response)
