"""Designs the noise meter's filters and writes their coefficients, tolerance table and picture.

python -m tools.noise_design             write firmware/kernels/coefficients.py
python -m tools.noise_design --check     exit 1 if the file on disk differs
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from tools.noise_kernels import KERNELS, WEIGHTINGS, Weighting

Response = NDArray[np.complex128]


def cascade(w: Weighting, frequency_hz: NDArray[np.float64]) -> tuple[Response, Response, Response]:
    """Return the complex responses (A, C, Z) of the integer coefficients."""
    z: Response = np.exp(-2j * np.pi * frequency_hz / w.rate_hz)

    def high_pass(k: float) -> Response:
        return (1 - z) / (1 - (1 - k) * z)

    shelf = (1 + w.b / 2**w.q * z + w.c / 2**w.q * z * z) / (1 - w.a / 2**w.q * z)
    c = high_pass(w.k1 / 2 ** (w.f1 + w.r1)) * high_pass(w.k2 / 2**w.f2) * shelf
    a = c * high_pass(w.k3 / 2 ** (w.f3 + w.r3)) * high_pass(w.k4 / 2 ** (w.f4 + w.r4))
    return a, c, high_pass(1 / 4096)


def gains_mdb(w: Weighting) -> tuple[int, int, int]:
    """Return the gains of A, C and Z at 1 kHz in thousandths of a decibel."""
    a, c, z = (round(20000 * float(np.log10(abs(h[0])))) for h in cascade(w, np.array([1000.0])))
    return a, c, z


def module() -> str:
    """Return the text of firmware/kernels/coefficients.py."""
    lines = [
        '"""Integer coefficients of the weighting filters. Written by tools/noise_design.py."""',
        "",
        "WEIGHTINGS = (",
    ]
    for w in WEIGHTINGS:
        a, c, z = gains_mdb(w)
        fields = {**vars(w), "gain_a_mdb": a, "gain_c_mdb": c, "gain_z_mdb": z}
        lines += ["    {", *(f'        "{name}": {value},' for name, value in fields.items()), "    },"]
    return "\n".join([*lines, ")", ""])


def main(arguments: list[str]) -> int:
    """Write the file or compare it."""
    path = KERNELS / "coefficients.py"
    if "--check" in arguments:
        return 0 if path.read_text() == module() else 1
    path.write_text(module())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
