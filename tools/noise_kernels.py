"""Writes the viper sources of the noise kernels, `firmware/kernels/_*.py`, from the designed coefficients.

    python -m tools.noise_kernels            write
    python -m tools.noise_kernels --check    exit 1 if a file on disk differs

Why generated: viper has no macros, so the loop over twelve samples is written out here, and every kernel
exists twice. `_x64` adds the sign extension that 64-bit viper lacks (`ptr32` loads zero-extend there); the
other form is for 32-bit chips. Both give the same bits as the plain twin, and tests hold them to it.

Shapes of code that are fast under the viper emitter (each measured by counting executed instructions):
the two hottest variables are the first two arguments; products stand left; an assignment expression saves
a move; a pointer moves once per written-out group; one unsigned comparison tests both signs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "firmware" / "kernels"


@dataclass(frozen=True)
class Weighting:
    """Integer coefficients of the A and C cascade at one sampling rate; `tools.noise_design` judges them.

    High-pass i: y = (S >> f) - x; S -= k * y >> r: a pole at 1 - k / 2^(f + r), a zero at 1.
    Treble, for the double pole at 12.2 kHz: (2^-h + b/2^q z^-1 + c/2^q z^-2) / (1 - a/2^q z^-1).
    For a microphone with a response of its own the first high-pass only blocks DC, the second is a bass shelf
    that adds g/64 of what it holds back, and the treble takes the microphone's rise away.
    pre: bits dropped from a raw sample before the first section, the room that those gains need.
    """

    rate_hz: int
    k1: int
    f1: int
    r1: int
    k2: int
    f2: int
    a: int
    b: int
    c: int
    q: int
    k3: int
    f3: int
    r3: int
    k4: int
    f4: int
    r4: int
    h: int = 0
    g: int = 0
    pre: int = 1
    response: str = ""

    @property
    def frames_per_ms(self) -> int:
        """Frames in a millisecond, the step of the time weighting."""
        return self.rate_hz // 1000

    @property
    def module(self) -> str:
        """Name of the kernels' module."""
        return f"_noise{self.rate_hz // 1000}" + (f"_{self.response}" if self.response else "")

    @property
    def unroll(self) -> int:
        """Samples written out: the loop's own cost is small beside them, and their code still fits."""
        return 16 if self.frames_per_ms % 12 else 12


WEIGHTINGS = (
    Weighting(
        48000,
        k1=11,
        f1=11,
        r1=1,
        k2=11,
        f2=12,
        a=309,
        b=400,
        c=8,
        q=10,
        k3=115,
        f3=10,
        r3=3,
        k4=189,
        f4=10,
        r4=1,
    ),
    Weighting(
        32000,
        k1=17,
        f1=11,
        r1=1,
        k2=16,
        f2=12,
        a=186,
        b=247,
        c=-29,
        q=10,
        k3=172,
        f3=10,
        r3=3,
        k4=276,
        f4=10,
        r4=1,
    ),
    # With the response of tools/microphones/ics43434.csv.
    Weighting(
        48000,
        k1=1,
        f1=11,
        r1=2,
        k2=11,
        f2=12,
        a=390,
        b=474,
        c=178,
        q=10,
        k3=116,
        f3=10,
        r3=3,
        k4=186,
        f4=10,
        r4=1,
        h=2,
        g=178,
        pre=2,
        response="ics43434",
    ),
)

HEADER = '''"""{title} Written by tools/noise_kernels.py."""
# ruff: noqa: F821, SIM102, SIM108, SIM114 - viper's own types; written out by a machine

import micropython


'''


class Source:
    """Lines of one viper function, for 32-bit chips or for the 64-bit unix port."""

    def __init__(self, wide: bool) -> None:
        self.wide = wide
        self.lines: list[str] = []

    def add(self, indent: int, *statements: str) -> None:
        """Append statements at an indentation of `indent` levels."""
        self.lines += ["    " * indent + statement for statement in statements]

    def signed(self, load: str) -> str:
        """Return the expression that loads a signed word, to stand alone."""
        return f"({load} ^ sign) - sign" if self.wide else load

    def term(self, load: str) -> str:
        """Return the same, to stand inside an expression."""
        return f"({self.signed(load)})" if self.wide else load

    def begin(self, name: str, args: str) -> None:
        """Open the function."""
        self.add(0, "@micropython.viper", f"def {name}({args}):")
        if self.wide:
            self.add(1, "one = 1", "sign = one << 31")

    def text(self) -> str:
        """Return the function."""
        return "\n".join(self.lines) + "\n"


def energy(s: Source, indent: int, low: str, high: str, var: str) -> None:
    """Add var * var to an exact sum in two ranges: `low` in LSB^2, `high` in 2^16 LSB^2."""
    s.add(
        indent,
        f"if uint({var} + 8192) < uint(16384):",
        f"    {low} = {var} * {var} + {low}",
        "else:",
        f"    {var} = ({var} + 128) >> 8",
        f"    {high} = {var} * {var} + {high}",
    )


def carry(s: Source, indent: int, index: int, low: str, high: str) -> None:
    """Add the millisecond's sums to 64-bit totals that are kept as sums of 16-bit halves."""
    s.add(
        indent,
        f"ctx[{index}] = ({low} & 65535) + ctx[{index}]",
        f"ctx[{index + 1}] = int(uint({low}) >> 16) + ctx[{index + 1}]",
        f"if {high}:",
        f"    ctx[{index + 2}] = ({high} & 65535) + ctx[{index + 2}]",
        f"    ctx[{index + 3}] = int(uint({high}) >> 16) + ctx[{index + 3}]",
    )


def guard(s: Source, indent: int, state: str) -> None:
    """Keep the first state 600 counts above -2^30, so that no 32-bit input can overflow its difference.

    A millisecond moves a state at that end by at most 48 * 11 counts.
    """
    s.add(indent, f"if {state} < -1073741224:", f"    {state} = -1073741224")


def weigh(w: Weighting, wide: bool, with_c: bool, name: str) -> str:
    """Return the A (and C) weighting kernel."""
    s = Source(wide)
    s.begin(name, "y: int, u: int, src: ptr32, out: ptr32, ctx: ptr32, n_ms: int")
    states = [("s1", 0), ("s2", 1), ("sh", 2), ("st", 3), ("s3", 4), ("s4", 5)]
    s.add(1, *(f"{v} = {s.signed(f'ctx[{i}]')}" for v, i in states))
    if with_c:
        s.add(1, "peak = ctx[6]", "peak2 = peak + peak")
    s.add(1, "while n_ms:")
    guard(s, 2, "s1")
    s.add(
        2,
        "lo = 0",
        "hi = 0",
        *(("clo = 0", "chi = 0") if with_c else ()),
        f"n = {w.frames_per_ms // w.unroll}",
        "while n:",
    )
    for k in range(w.unroll):
        s.add(
            3,
            f"s1 = ((y := (({s.term(f'src[{2 * k}]')} >> {w.pre}) - s1) >> {w.f1}) * {w.k1} >> {w.r1}) + s1",
            f"s2 = (u := (s2 >> {w.f2}) - y) * -{w.k2} + s2",
            *((f"y = (u + y) * {w.g} >> 6", "u = u - y") if w.g else ()),
            f"y = (u >> {w.h}) + sh" if w.h else "y = u + sh",
            f"sh = u * {w.b} + st",
            f"sh = (y * {w.a} + sh) >> {w.q}",
            f"st = u * {w.c}",
        )
        if with_c:
            s.add(
                3,
                "if uint(y + peak) > uint(peak2):",
                "    peak = y",
                "    if y < 0:",
                "        peak = 0 - y",
                "    peak2 = peak + peak",
            )
            s.add(
                3,
                "if uint(y + 8192) < uint(16384):",
                "    clo = y * y + clo",
                "else:",
                "    u = (y + 128) >> 8",
                "    chi = u * u + chi",
            )
        s.add(
            3,
            f"s3 = ((u := (s3 >> {w.f3}) - y) * -{w.k3} >> {w.r3}) + s3",
            f"s4 = ((y := (s4 >> {w.f4}) - u) * -{w.k4} >> {w.r4}) + s4",
        )
        energy(s, 3, "lo", "hi", "y")
    s.add(3, f"src = ptr32(int(src) + {8 * w.unroll})", "n -= 1")
    s.add(2, "out[0] = lo", "out[1] = hi", "out = ptr32(int(out) + 8)")
    if with_c:
        carry(s, 2, 8, "clo", "chi")
    s.add(2, "n_ms -= 1")
    s.add(1, *(f"ctx[{i}] = {v}" for v, i in states))
    if with_c:
        s.add(1, "ctx[6] = peak")
    return s.text()


def survey(w: Weighting, wide: bool) -> str:
    """Return the kernel of unweighted energy and extremes."""
    s = Source(wide)
    s.begin("survey", "y: int, x: int, src: ptr32, ctx: ptr32, n_ms: int")
    s.add(
        1,
        f"s1 = {s.signed('ctx[0]')}",
        f"low = {s.signed('ctx[1]')}",
        f"high = {s.signed('ctx[2]')}",
        "while n_ms:",
    )
    guard(s, 2, "s1")
    s.add(2, "lo = 0", "hi = 0", f"n = {w.frames_per_ms // w.unroll}", "while n:")
    for k in range(w.unroll):
        s.add(
            3,
            f"x = {s.signed(f'src[{2 * k}]')}",
            "if x > high:",
            "    high = x",
            "if x < low:",
            "    low = x",
        )
        s.add(3, "s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1")
        energy(s, 3, "lo", "hi", "y")
    s.add(3, f"src = ptr32(int(src) + {8 * w.unroll})", "n -= 1")
    carry(s, 2, 4, "lo", "hi")
    s.add(2, "n_ms -= 1")
    s.add(1, "ctx[0] = s1", "ctx[1] = low", "ctx[2] = high")
    return s.text()


INSPECT = """@micropython.viper
def inspect(x: int, u: int, src: ptr32, ctx: ptr32, n: int):
    ever = ctx[0]
    always = ctx[1]
    last = ctx[2]
    moved = ctx[3]
    ends = ctx[4]
    between = ctx[5]
    while n:
        x = src[0]
        ever = ever | x
        always = always & x
        if x != last:
            moved += 1
        last = x
        u = (((x >> 28) + 1) & 15) - 2
        if u >= 0:
            if u == 6:
                ends += 1
            elif u == 7:
                ends += 1
            else:
                between += 1
        src = ptr32(int(src) + 8)
        n -= 1
    ctx[0] = ever
    ctx[1] = always
    ctx[2] = last
    ctx[3] = moved
    ctx[4] = ends
    ctx[5] = between
"""


DETECT = """@micropython.viper
def detect(f: int, u: int, energies: ptr32, ctx: ptr32, n_ms: int, r1: int, r2: int, r3: int):
    f = ctx[0]
    g = ctx[1]
    top = ctx[2]
    top_g = ctx[3]
    bottom = ctx[4]
    bottom_g = ctx[5]
    while n_ms:
        lo = uint(energies[0])
        hi = uint(energies[1])
        energies = ptr32(int(energies) + 8)
        ctx[6] = int(lo & 65535) + ctx[6]
        ctx[7] = int(lo >> 16) + ctx[7]
        if hi:
            ctx[8] = int(hi & 65535) + ctx[8]
            ctx[9] = int(hi >> 16) + ctx[9]
        while int(lo >> 18 >> g) + int(hi >> 2 >> g):
            g += 2
            f = f >> 2
        if g < 4:
            u = int(lo) << (4 - g)
        else:
            u = int(lo >> (g - 4))
        if hi:
            if g < 20:
                u = (int(hi) << (20 - g)) + u
            else:
                u = int(hi >> (g - 20)) + u
        u = (u << 7) - f
        f = (u >> r1) + (u >> r2) + (u >> r3) + f
        if f < 0:
            f = 0
        if f < 0x4000000:
            if g:
                f = f << 2
                g -= 2
        u = top_g - g
        if u < 0:
            u = 0 - u
            if f > (top >> u):
                top = f
                top_g = g
        elif (f >> u) > top:
            top = f
            top_g = g
        u = g - bottom_g
        if u < 0:
            u = 0 - u
            if (f >> u) < bottom:
                bottom = f
                bottom_g = g
        elif f < (bottom >> u):
            bottom = f
            bottom_g = g
        n_ms -= 1
    ctx[0] = f
    ctx[1] = g
    ctx[2] = top
    ctx[3] = top_g
    ctx[4] = bottom
    ctx[5] = bottom_g
"""


def module(w: Weighting, wide: bool) -> str:
    """Return the module of one rate for one width of integers."""
    what = f"{w.rate_hz} Hz" + (f", {w.response}" if w.response else "")
    title = f"Noise kernels for {what}, {'the 64-bit unix port' if wide else '32-bit chips'}."
    parts = [
        weigh(w, wide, False, "weigh_a"),
        weigh(w, wide, True, "weigh_ac"),
        survey(w, wide),
        INSPECT,
        DETECT,
    ]
    return HEADER.format(title=title) + "\n\n".join(parts)


def files() -> dict[Path, str]:
    """Return every generated file with its text."""
    out: dict[Path, str] = {}
    for w in WEIGHTINGS:
        for wide in (False, True):
            out[KERNELS / f"{w.module}{'_x64' if wide else ''}.py"] = module(w, wide)
    return out


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from what tools/noise_kernels.py writes")
        return 1 if stale else 0
    for path in stale:
        path.write_text(files()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
