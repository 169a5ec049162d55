"""Third-octave levels, 12.5 Hz to 20 kHz at 48 kHz, by octaves at falling rates (IEC 61260-1 class 1)."""

import sys
from array import array

from wire._compat import const

from . import octaves_ref
from .ilog import level_mdb
from .noise import IS_VIPER
from .octave_coefficients import BANDS, STAGES

CHUNK_FRAMES = const(480)
_GROUP = const(4)
_MEAN_SQUARE_BITS = const(35)  # a full-scale sine at 19 bits


class _Viper:
    """Kernels in machine code; arrays are addressed by their first word."""

    def __init__(self):
        suffix = "_x64" if sys.maxsize > 1 << 32 else ""
        self._k = __import__("kernels._octaves" + suffix, None, None, ("band",))
        self._address = __import__("uctypes").addressof

    def unpack(self, frames, first_frame, slot, out, n):
        self._k.unpack(self._address(frames) + 8 * first_frame + 4 * slot, out, n // _GROUP)

    def split(self, source, out, following, at, ctx, n):
        self._k.share(0, 0, source, out, self._address(following) + 4 * at, ctx, n // _GROUP)

    def band(self, source, ctx, n):
        self._k.band(0, 0, source, ctx, n // _GROUP)


class _Plain:
    """The twins, for CPython."""

    def unpack(self, frames, first_frame, slot, out, n):
        words = array("i")
        words.frombytes(bytes(frames[8 * first_frame : 8 * (first_frame + n)]))
        out[0:n] = array("i", octaves_ref.unpack_ref([words[i] for i in range(slot, 2 * n, 2)]))

    def split(self, source, out, following, at, ctx, n):
        state = list(ctx)
        shared, decimated = octaves_ref.split_ref(list(source[0:n]), state)
        out[0:n] = array("i", shared)
        following[at : at + n // 2] = array("i", decimated)
        ctx[0 : len(state)] = array("i", state)

    def band(self, source, ctx, n):
        state = list(ctx)
        octaves_ref.band_ref(list(source[0:n]), state)
        ctx[0 : len(state)] = array("i", state)


class ThirdOctaves:
    """A bank of third-octave filters for 48 kHz. All buffers are made here, about 10 KB.

    stages: how many octaves downwards from 20 kHz: 10 reach 25 Hz (30 bands), 11 reach 12.5 Hz (33 bands).
    full_scale_mdb: level of a full-scale sine.
    """

    def __init__(self, full_scale_mdb, stages=STAGES, engine=None):
        self._kernels = engine or (_Viper() if IS_VIPER else _Plain())
        self._offset = full_scale_mdb - level_mdb(1 << _MEAN_SQUARE_BITS)
        self._stages = stages
        self._bands = [row for row in BANDS if row[0] < stages]
        self._ctx = []
        for _, _, coefficients, shifts, _ in self._bands:
            ctx = array("i", bytes(4 * 20))
            for i in range(6):
                ctx[6 + i] = coefficients[i]
            for i in range(3):
                ctx[12 + i] = shifts[i]
            self._ctx.append(ctx)
        self._of_stage = [self._ctx[3 * stage : 3 * stage + 3] for stage in range(stages)]
        self._split = [array("i", bytes(4 * 11)) for _ in range(stages)]
        # what waits for a stage: at most a group less one, and a chunk's share
        self._waiting = [array("i", bytes(4 * ((CHUNK_FRAMES >> s) + 2 * _GROUP))) for s in range(stages + 1)]
        self._n = [0] * (stages + 1)
        self._shared = array("i", bytes(4 * (CHUNK_FRAMES + _GROUP)))
        self._samples = [0] * stages

    def shift(self, mdb):
        """Take full scale as that much louder, from the next level on."""
        self._offset += mdb

    def restart(self):
        """Begin a new interval; the filters go on."""
        for ctx in self._ctx:
            for i in range(16, 20):
                ctx[i] = 0
        for stage in range(self._stages):
            self._samples[stage] = 0

    def block(self, frames, slot, n_frames):
        """Take stereo frames; n_frames is a multiple of 4."""
        for begin in range(0, n_frames, CHUNK_FRAMES):
            n = min(CHUNK_FRAMES, n_frames - begin)
            self._kernels.unpack(frames, begin, slot, self._waiting[0], n)
            self._n[0] = n
            for stage in range(self._stages):
                self._stage(stage)
            self._n[self._stages] = 0

    def _stage(self, stage):
        waiting = self._waiting[stage]
        n = self._n[stage] // _GROUP * _GROUP
        if not n:
            return
        k = self._kernels
        k.split(waiting, self._shared, self._waiting[stage + 1], self._n[stage + 1], self._split[stage], n)
        self._n[stage + 1] += n // 2
        for ctx in self._of_stage[stage]:
            k.band(self._shared, ctx, n)
        self._samples[stage] += n
        rest = self._n[stage] - n
        for i in range(rest):
            waiting[i] = waiting[n + i]
        self._n[stage] = rest

    def levels(self):
        """Return [(nominal Hz, level in mdb or None)] from the highest octave down, three bands each."""
        result = []
        for i in range(len(self._bands)):
            stage, name, _, _, gain_mdb = self._bands[i]
            energy, samples = self._energy(i), self._samples[stage]
            level = None
            if energy and samples:
                level = level_mdb(energy) - level_mdb(samples) + self._offset - gain_mdb
            result.append((name, level))
        return result

    def octaves(self):
        """Return [(nominal Hz, level in mdb or None)]: energy sums of the third octaves of each octave."""
        thirds = self.levels()
        result = []
        # 16000 Hz = 12500 + 16000 + 20000: the stages are the octaves
        for i in range(0, len(thirds), 3):
            present = [level for _, level in thirds[i : i + 3] if level is not None]
            result.append((thirds[i + 1][0], _sum_mdb(present) if present else None))
        return result

    def _energy(self, i):
        ctx = self._ctx[i]
        return ctx[16] + (ctx[17] << 16) + (ctx[18] << 16) + (ctx[19] << 32)


def _sum_mdb(levels):
    """Return the energy sum of levels in mdb."""
    from .levels import energy_of

    lift = 60000 - min(levels)  # keeps 6 digits of the smallest
    return level_mdb(sum([energy_of(level + lift) for level in levels])) - lift
