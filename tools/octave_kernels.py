"""Writes the viper sources of the third-octave kernels, `firmware/kernels/_octaves*.py`.

    python -m tools.octave_kernels            write
    python -m tools.octave_kernels --check    exit 1 if a file on disk differs

As in tools/noise_kernels.py every kernel exists for 32-bit chips and for the 64-bit unix port.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.noise_kernels import HEADER, KERNELS, Source, carry, energy
from tools.octave_design import HALF_BAND, NUMERATOR_SHIFT, Q

GROUP = 4  # samples written out
GROUPS_A_CARRY = 12  # 48 samples between two carries of the energy, as in the meter


def unpack(wide: bool) -> str:
    """Return the kernel that takes one slot out of the frames: 24 bits to 19."""
    s = Source(wide)
    s.begin("unpack", "frames: ptr32, out: ptr32, groups: int")
    s.add(1, "while groups:")
    for k in range(GROUP):
        s.add(2, f"out[{k}] = {s.term(f'frames[{2 * k}]')} >> 13")
    s.add(
        2, f"frames = ptr32(int(frames) + {8 * GROUP})", f"out = ptr32(int(out) + {4 * GROUP})", "groups -= 1"
    )
    return s.text()


def share(wide: bool) -> str:
    """Return the kernel of what the bands of an octave share: numerator, and half-band with decimation.

    (1 - z^-1)^4 (1 + z^-1) is four differences and a sum; written for two samples the "last" values
    change places instead of being copied.
    """
    s = Source(wide)
    s.begin("share", "e: int, t: int, src: ptr32, out: ptr32, next_stage: ptr32, ctx: ptr32, groups: int")
    states = ["x1", "a1", "b1", "c1", "d1", "m0", "n0", "m1", "n1", "xe", "xo"]
    s.add(1, *(f"{v} = {s.signed(f'ctx[{i}]')}" for i, v in enumerate(states)), "while groups:")
    a, b, c, d = HALF_BAND
    for k in range(0, GROUP, 2):
        for j, (new, old) in enumerate((("0", "1"), ("1", "0"))):
            s.add(
                2,
                f"x{new} = {s.signed(f'src[{k + j}]')}",
                f"a{new} = x{new} - x{old}",
                f"b{new} = a{new} - a{old}",
                f"c{new} = b{new} - b{old}",
                f"d{new} = c{new} - c{old}",
                f"out[{k + j}] = (d{new} + d{old}) >> {NUMERATOR_SHIFT}",
            )
        # the newer sample goes through the even branch, the older through the odd one
        branches = (("x1", "xe", "m0", "n0", a, c), ("x0", "xo", "m1", "n1", b, d))
        for x, past, m, n, first, second in branches:
            s.add(
                2,
                f"t = ((({x} - {m}) * {first}) >> 10) + {past}",
                f"{past} = {x}",
                f"{n} = (((t - {n}) * {second}) >> 10) + {m}",
                f"{m} = t",
            )
        s.add(2, f"next_stage[{k // 2}] = (n0 + n1) >> 1")
    s.add(
        2,
        f"src = ptr32(int(src) + {4 * GROUP})",
        f"out = ptr32(int(out) + {4 * GROUP})",
        f"next_stage = ptr32(int(next_stage) + {2 * GROUP})",
        "groups -= 1",
    )
    s.add(1, *(f"ctx[{i}] = {v}" for i, v in enumerate(states)))
    return s.text()


def band(wide: bool) -> str:
    """Return the kernel of one band: three all-pole sections and the energy; coefficients are data.

    ctx: 0-5 states, 6-11 coefficients, 12-14 shifts, 16-19 sums of energy.
    """
    s = Source(wide)
    s.begin("band", "y: int, u: int, src: ptr32, ctx: ptr32, groups: int")
    s.add(1, *(f"s{i} = {s.signed(f'ctx[{i}]')}" for i in range(6)))
    s.add(1, *(f"k{i} = {s.signed(f'ctx[{6 + i}]')}" for i in range(6)))
    s.add(1, *(f"r{i} = ctx[{12 + i}]" for i in range(3)))
    s.add(
        1,
        "while groups:",
        f"    n = {GROUPS_A_CARRY}",
        f"    if groups < {GROUPS_A_CARRY}:",
        "        n = groups",
    )
    s.add(2, "groups -= n", "lo = 0", "hi = 0", "while n:")
    for k in range(GROUP):
        s.add(3, f"y = {s.signed(f'src[{k}]')}")
        for j in range(3):
            first, second = f"s{2 * j}", f"s{2 * j + 1}"
            s.add(
                3,
                f"y = ({first} >> {Q}) + (y >> r{j})",
                f"{first} = y * k{2 * j} + {second}",
                f"{second} = y * k{2 * j + 1}",
            )
        energy(s, 3, "lo", "hi", "y")
    s.add(3, f"src = ptr32(int(src) + {4 * GROUP})", "n -= 1")
    carry(s, 2, 16, "lo", "hi")
    s.add(1, *(f"ctx[{i}] = s{i}" for i in range(6)))
    return s.text()


def files() -> dict[Path, str]:
    """Return every generated file with its text."""
    out: dict[Path, str] = {}
    for wide in (False, True):
        title = f"Third-octave kernels, {'the 64-bit unix port' if wide else '32-bit chips'}."
        text = HEADER.format(title=title) + "\n\n".join([unpack(wide), share(wide), band(wide)])
        text = text.replace("tools/noise_kernels.py", "tools/octave_kernels.py").replace(
            ", SIM102, SIM108, SIM114", ""
        )
        out[KERNELS / f"_octaves{'_x64' if wide else ''}.py"] = text
    return out


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} differs from what tools/octave_kernels.py writes")
        return 1 if stale else 0
    for path in stale:
        path.write_text(files()[path])
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
