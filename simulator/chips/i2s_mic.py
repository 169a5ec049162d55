"""An I2S MEMS microphone (ICS-43434, INMP441) that hears sound of a wanted A-weighted level.

What comes out of `frames` is what the data line carries: 24 bits left-justified in one slot of 32-bit
stereo frames, zeros in the other slot (the line is pulled down while nobody drives it). Start-up silence,
DC offset, the microphone's own noise and clipping at full scale are there.

Sound and self-noise are one second long and repeat without a seam: sums of sines at whole Hertz, the sound
on even, the self-noise on odd frequencies. Their A-weighted levels over whole seconds are therefore exact
(from the standard's formula, IEC 61672-1 annex E), and being orthogonal they add as energies exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.chips.base import Source
from simulator.chips.voices import levelled, music, siren

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What the data sheet of a microphone says."""

    name: str
    full_scale_db: float  # level of a full-scale sine: 94 dB - sensitivity in dBFS
    self_noise_dba: float
    startup_ms: int


ICS43434 = Part("ICS-43434", 120.0, 29.0, 20)
INMP441 = Part("INMP441", 120.0, 33.0, 85)

_DC_TRANSIENT = 2e-4  # of full scale, decays within a second as in recordings of real parts
_DC_TAU_S = 0.3
_SETTLED_MS = 4000  # the transient is below the last bit
_CLOCK_STOPPED_US = 1_500_000  # longer than any reader is late
_TOP = 2**23 - 1
_NO_VOICES = (0.0, 0.0)


def a_weighting(frequency_hz: Samples) -> Samples:
    """Return the gain (not dB) of A-weighting, from the poles of IEC 61672-1."""
    f2 = frequency_hz**2
    poles = (
        (f2 + 20.598997**2) * np.sqrt((f2 + 107.652649**2) * (f2 + 737.862231**2)) * (f2 + 12194.217148**2)
    )
    return 12194.217148**2 * f2**2 / poles * 10 ** (1.99966 / 20)


def traffic_shape(frequency_hz: Samples) -> Samples:
    """Return amplitudes of street sound: pink from 40 Hz to 16 kHz, falling faster above 1.5 kHz."""
    pink = 1 / np.sqrt(np.maximum(frequency_hz, 1))
    band = 1 / np.sqrt(1 + (40 / np.maximum(frequency_hz, 1)) ** 8)
    top = np.where(frequency_hz < 16000, 1 / np.sqrt(1 + (frequency_hz / 1500) ** 2), 0)
    return pink * band * top


def white_shape(frequency_hz: Samples) -> Samples:
    """Return amplitudes of a MEMS microphone's own noise: white to 20 kHz."""
    return np.where(frequency_hz < 20000, 1.0, 0.0)


def periodic_noise(rate_hz: int, shape: Callable[[Samples], Samples], odd: bool, seed: int) -> Samples:
    """Return one second whose A-weighted mean square is exactly 1, on even or odd whole Hertz alone."""
    frequency = np.arange(rate_hz // 2 + 1, dtype=np.float64)
    amplitude = shape(frequency)
    amplitude[(np.arange(amplitude.size) % 2 == 0) == odd] = 0
    amplitude[0] = amplitude[-1] = 0
    # mean square of a sum of sines: half the sum of squared amplitudes
    amplitude /= np.sqrt(np.sum((amplitude * a_weighting(frequency)) ** 2) / 2)
    phase: Samples = np.random.default_rng(seed).random(rate_hz // 2 + 1)
    turned: NDArray[np.complex128] = amplitude * np.exp(2j * np.pi * phase)
    return np.fft.irfft(turned * (rate_hz / 2), rate_hz)


class I2sMicrophone:
    """Model of a microphone; `source("sound_level", now_us)` is the sound around it in dB(A).

    Where the source knows music_dba and siren_dba too, so much of the level is music and a siren.

    slot: 0 left, 1 right, by the part's select pin. dc: offset as a part of full scale.
    tones: [(Hz, dB)] sounding besides, as a calibrator does, unweighted levels.
    coupler_db: how much a calibrator's coupler keeps out of the sound around, while tones sound.
    fault: None, or one of FAULTS: what the wiring or the part does wrong.

    The part sleeps when its clock stops and starts again with it.
    """

    FAULTS = (
        "no_power",
        "line_high",
        "floating",
        "wrong_slot",
        "late_bit",
        "stuck_bit",
        "hum",
        "repeat",
        "wind",
    )

    def __init__(
        self,
        source: Source,
        part: Part = ICS43434,
        *,
        rate_hz: int = 48000,
        slot: int = 0,
        dc: float = -1e-4,
        seed: int = 1,
    ) -> None:
        self._source = source
        self.part = part
        self.rate_hz = rate_hz
        self.slot = slot
        self.dc = dc
        self.fault: str | None = None
        self._sound = periodic_noise(rate_hz, traffic_shape, odd=False, seed=seed)
        self._own = periodic_noise(rate_hz, white_shape, odd=True, seed=seed + 1) * self._rms(
            part.self_noise_dba
        )
        self._random = np.random.default_rng(seed + 2)
        self.tones: list[tuple[float, float]] = []
        self.coupler_db = 0.0
        self._recording: NDArray[np.int32] | None = None
        self._next_us = 0
        self._position = 0
        self._powered_us: int | None = None
        self._loop_level: tuple[float, tuple[float, float]] | None = None
        self._has_voices = True
        self._own_voices: list[Samples] = []
        self._loop = b""

    def play(self, recording: NDArray[np.int32]) -> None:
        """Play raw samples of one slot (24 bits left-justified in 32), over and over, not the source."""
        self._recording = recording
        self._position = 0

    def frames(self, n: int, now_us: int) -> bytes:
        """Return n stereo frames of 8 bytes from world time now_us on."""
        if self._powered_us is None or now_us - self._next_us > _CLOCK_STOPPED_US:
            self._powered_us = now_us
        self._next_us = now_us + n * 1_000_000 // self.rate_hz
        age_ms = (now_us - self._powered_us) // 1000
        if self._recording is None and self.fault is None and not self.tones and age_ms > _SETTLED_MS:
            return self._settled(n, float(self._source("sound_level", now_us)), self._voices(now_us))
        words = self._raw(n, now_us, age_ms)
        if self.fault == "floating":  # nobody drives the line: crosstalk in both slots
            return np.stack([words, self._random_words(n)], axis=1).astype("<i4").tobytes()
        return _stereo(words, self._driven_slot())

    def _driven_slot(self) -> int:
        return 1 - self.slot if self.fault == "wrong_slot" else self.slot

    def _voices(self, now_us: int) -> tuple[float, float]:
        """Return the levels of music and siren, as far as they are heard; nothing where nobody knows them."""
        if not self._has_voices:
            return _NO_VOICES
        try:
            found = float(self._source("music_dba", now_us)), float(self._source("siren_dba", now_us))
        except KeyError:
            self._has_voices = False
            return _NO_VOICES
        return max(found[0], 0.0), max(found[1], 0.0)

    def _mixed(self, level_dba: float, voices: tuple[float, float]) -> Samples:
        """Return a second of an A-weighted mean square of 1: the street's noise, and voices in it."""
        if voices == _NO_VOICES:
            return self._sound
        if not self._own_voices:
            self._own_voices = [music(self.rate_hz, a_weighting), siren(self.rate_hz, a_weighting)]
        shares = [10 ** ((level - level_dba) / 10) for level in voices]
        sound = self._sound * np.sqrt(max(1.0 - sum(shares), 0.01))
        for share, voice in zip(shares, self._own_voices, strict=True):
            sound = sound + voice * np.sqrt(min(share, 1.0))
        return levelled(sound, a_weighting)

    def _settled(self, n: int, level_dba: float, voices: tuple[float, float]) -> bytes:
        """Cut frames out of the second that was made last, as long as the levels stay the same."""
        if (level_dba, voices) != self._loop_level:
            words = _quantise(self._mixed(level_dba, voices) * self._rms(level_dba) + self._own + self.dc)
            self._loop = _stereo(words, self.slot)
            self._loop_level = level_dba, voices
        size = len(self._loop)
        out = bytearray()
        at = self._position % self.rate_hz * 8
        while len(out) < 8 * n:
            piece = self._loop[at : at + 8 * n - len(out)]
            out += piece
            at = (at + len(piece)) % size
        self._position += n
        return bytes(out)

    def _raw(self, n: int, now_us: int, age_ms: int) -> NDArray[np.int32]:
        index = self._position + np.arange(n)
        self._position += n
        if self._recording is not None:
            return self._recording[index % self._recording.size]
        if self.fault == "no_power":
            return np.zeros(n, np.int32)
        if self.fault == "line_high":
            return np.full(n, -1, np.int32)
        if self.fault == "floating":
            return self._random_words(n)
        if self.fault == "repeat":  # the DMA buffer is not filled any more
            index = index % (self.rate_hz // 8)
            age_ms = _SETTLED_MS
        at = index % self.rate_hz
        sound = self._sound[at] * self._rms(self._outside(now_us)) + self._own[at]
        age_s = age_ms / 1000 + np.arange(n) / self.rate_hz - self.part.startup_ms / 1000
        sound += self.dc + _DC_TRANSIENT * np.exp(-np.maximum(age_s, 0) / _DC_TAU_S)
        for frequency, level in self._extra_tones():
            sound += np.sqrt(2) * self._rms(level) * np.sin(2 * np.pi * frequency * index / self.rate_hz)
        sound[age_s < 0] = 0
        words = _quantise(sound)
        if self.fault == "stuck_bit":
            words |= 1 << 12
        if self.fault == "late_bit":  # each word begins one clock late: its top bit is its neighbour's last
            words = (words.view(np.uint32) >> 1).astype(np.uint32).view(np.int32)
            words |= self._random.integers(0, 2, n).astype(np.int32) << 31
        return words

    def _outside(self, now_us: int) -> float:
        return float(self._source("sound_level", now_us)) - (self.coupler_db if self.tones else 0.0)

    def _extra_tones(self) -> list[tuple[float, float]]:
        extra = {"hum": [(50.0, 90.0)], "wind": [(4.3, 92.0), (6.7, 90.0)]}
        return self.tones + extra.get(self.fault or "", [])

    def _random_words(self, n: int) -> NDArray[np.int32]:
        return self._random.integers(-(2**31), 2**31, n).astype(np.int32)

    def _rms(self, level_db: float) -> float:
        """Return the root mean square, full scale = 1, of a level."""
        return float(np.sqrt(0.5) * 10 ** ((level_db - self.part.full_scale_db) / 20))


def _quantise(sound: Samples) -> NDArray[np.int32]:
    words = np.clip(np.rint(sound * 2**23), -_TOP - 1, _TOP).astype(np.int32)
    return words << 8


def _stereo(words: NDArray[np.int32], slot: int) -> bytes:
    both = np.zeros((words.size, 2), "<i4")
    both[:, slot] = words
    return both.tobytes()
