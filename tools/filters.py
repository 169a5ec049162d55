"""The few functions of SciPy that the design tools use, with types (SciPy carries none)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

_optimize: Any = import_module("scipy.optimize")
_signal: Any = import_module("scipy.signal")

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


def butterworth_poles(order: int, low: float, high: float) -> Complex:
    """Return the poles above the real axis of a band-pass; low and high as parts of the sampling rate."""
    poles: Complex
    _, poles, _ = _signal.butter(order, [low, high], btype="bandpass", fs=1.0, output="zpk")
    return poles[np.imag(poles) > 0]


def filtered(numerator: Floats | Sequence[float], denominator: Sequence[float], x: Floats) -> Floats:
    """Return x through a filter from rest."""
    return _signal.lfilter(numerator, denominator, x)


def convolved(a: Floats, b: Floats) -> Floats:
    """Return the convolution."""
    return _signal.fftconvolve(a, b)


def minimum(cost: Callable[[Floats], float], x: Floats, steps: int) -> Floats:
    """Return where a simplex search from x ends."""
    options = {"maxiter": steps, "maxfev": 2 * steps, "fatol": 1e-6}
    return _optimize.minimize(cost, x, method="Nelder-Mead", options=options).x
