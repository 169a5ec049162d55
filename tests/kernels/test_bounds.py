"""No state of any filter can leave 32 bits, for any input: by L1 norms of the impulse responses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve, lfilter

from kernels.noise import coefficients
from kernels.octave_coefficients import BANDS
from tools.octave_design import HALF_BAND, NUMERATOR, chain, largest_states

LIMIT = 2.0**31
ROUNDING = 64.0  # what the floors of a whole chain can add, in LSB; each section's own is below two


@pytest.mark.parametrize(("rate_hz", "response"), [(48000, ""), (32000, ""), (48000, "ics43434")])
def test_the_states_of_the_meter_fit(rate_hz: int, response: str) -> None:
    c = coefficients(rate_hz, response)
    n = 4 * rate_hz
    impulse = np.zeros(n)
    impulse[0] = 1.0
    full = 2.0 ** (20 - c["pre"])  # samples after the first section: raw >> 12 or 13

    def high_pass(x: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray]:
        y = lfilter([1, -1], [1, -(1 - k)], x)
        return y, x - y

    def bound(h: np.ndarray) -> float:
        return float(np.abs(h).sum()) * full + ROUNDING

    one, low_one = high_pass(impulse, c["k1"] / 2 ** (c["f1"] + c["r1"]))
    assert float(np.abs(low_one).sum()) < 1.001  # |S1| <= 2^30: guarded besides, see noise_ref
    two, low_two = high_pass(one, c["k2"] / 2 ** c["f2"])
    assert bound(low_two) * 2 ** c["f2"] < LIMIT
    assert bound(low_two) * max(1, c["g"]) < LIMIT
    two = two + c["g"] / 64 * low_two  # the bass shelf of a microphone
    q = 2 ** c["q"]
    shelf = lfilter([2.0 ** -c["h"], c["b"] / q, c["c"] / q], [1, -c["a"] / q], two)
    assert bound(shelf) * c["a"] + bound(two) * (abs(c["b"]) + abs(c["c"])) < LIMIT
    three, low_three = high_pass(shelf, c["k3"] / 2 ** (c["f3"] + c["r3"]))
    assert bound(low_three) * 2 ** c["f3"] < LIMIT
    assert bound(three) * c["k3"] < LIMIT
    four, low_four = high_pass(three, c["k4"] / 2 ** (c["f4"] + c["r4"]))
    assert bound(low_four) * 2 ** c["f4"] < LIMIT
    assert bound(four) * c["k4"] < LIMIT
    per_ms = rate_hz // 1000
    for output in (shelf, four):  # the energy of a millisecond in uint32, in both ranges
        assert (bound(output) / 2**8 + 1) ** 2 * per_ms < 2**32
    assert 8192**2 * per_ms < 2**32


def test_the_states_of_the_octaves_fit() -> None:
    for stage, name, values, shifts, _ in BANDS:
        sections = tuple((values[i], values[i + 1]) for i in (0, 2, 4))
        state, output = largest_states(stage, sections, shifts)
        assert state * 1.001 < LIMIT, (stage, name)  # 0.1 %: what floors add, far above their few LSB
        assert (output / 2**8 + 1) ** 2 * 48 < 2**32, (stage, name)


def test_the_states_of_the_half_bands_fit() -> None:
    """The products in the all-pass sections, from the bank's input on, with all the ringing before them."""
    for stage in range(6):
        before = chain(stage)
        step = 2 ** (stage + 1)  # a branch runs at the decimated rate
        impulse = np.zeros(256)
        impulse[0] = 1.0
        for first, second in ((HALF_BAND[0], HALF_BAND[2]), (HALF_BAND[1], HALF_BAND[3])):
            t = lfilter([first / 1024, 1], [1, first / 1024], impulse)
            n = lfilter([second / 1024, 1], [1, second / 1024], t)
            late_t, late_n = np.roll(t, 1), np.roll(n, 1)
            for difference, k in ((impulse - late_t, first), (t - late_n, second)):
                spread = np.zeros(difference.size * step)
                spread[::step] = difference
                assert float(np.abs(fftconvolve(before, spread)).sum()) * 2**18 * k < LIMIT, stage
    assert np.abs(NUMERATOR).sum() == 0.75  # in 2^4 of it, the differences take 24 bits at most
