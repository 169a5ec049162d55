"""The noise kernels' arithmetic in C, for comparison: written for a compiler, not translated from viper."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kernels.octave_coefficients import HALF_BAND

COMPILER = "riscv64-unknown-elf-gcc"
OPTIONS = ("-O1", "-Os", "-O2", "-O3")

_METER = """
#include <stdint.h>
static inline void split(uint32_t *lo, uint32_t *hi, int32_t v) {
    if ((uint32_t)(v + 8192) < 16384u) { *lo += (uint32_t)(v * v); }
    else { v = (v + 128) >> 8; *hi += (uint32_t)(v * v); }
}
static inline void carry(int32_t *t, uint32_t lo, uint32_t hi) {
    t[0] += lo & 65535; t[1] += lo >> 16;
    if (hi) { t[2] += hi & 65535; t[3] += hi >> 16; }
}
void meter(const int32_t *src, uint32_t *out, int32_t *ctx, int32_t n_ms) {
    int32_t s1 = ctx[0], s2 = ctx[1], sh = ctx[2], st = ctx[3], s3 = ctx[4], s4 = ctx[5];
    int32_t peak = ctx[6];
    for (; n_ms; n_ms--) {
        uint32_t lo = 0, hi = 0, clo = 0, chi = 0;
        if (s1 < -1073741224) s1 = -1073741224;
        for (int i = 0; i < %(per_ms)d; i++, src += 2) {
            int32_t y = ((src[0] >> 1) - s1) >> %(f1)d;
            s1 += (y * %(k1)d) >> %(r1)d;
            int32_t u = (s2 >> %(f2)d) - y;
            s2 -= u * %(k2)d;
            y = u + sh;
            sh = (y * %(a)d + u * %(b)d + st) >> %(q)d;
            st = u * %(c)d;
#ifdef WITH_C
            if (y > peak) peak = y;
            if (-y > peak) peak = -y;
            split(&clo, &chi, y);
#endif
            u = (s3 >> %(f3)d) - y;
            s3 += (u * -%(k3)d) >> %(r3)d;
            y = (s4 >> %(f4)d) - u;
            s4 += (y * -%(k4)d) >> %(r4)d;
            split(&lo, &hi, y);
        }
        *out++ = lo; *out++ = hi;
#ifdef WITH_C
        carry(ctx + 8, clo, chi);
#endif
    }
    ctx[0] = s1; ctx[1] = s2; ctx[2] = sh; ctx[3] = st; ctx[4] = s3; ctx[5] = s4;
    ctx[6] = peak;
}
void share(const int32_t *src, int32_t *out, int32_t *next, int32_t *ctx, int32_t groups) {
    int32_t p[5], m0 = ctx[5], n0 = ctx[6], m1 = ctx[7], n1 = ctx[8], even = ctx[9], odd = ctx[10];
    for (int j = 0; j < 5; j++) p[j] = ctx[j];
    for (groups *= 2; groups; groups--, src += 2) {
        for (int i = 0; i < 2; i++) {
            int32_t a = src[i] - p[0], b = a - p[1], c = b - p[2], d = c - p[3];
            *out++ = (d + p[4]) >> 4;
            p[0] = src[i]; p[1] = a; p[2] = b; p[3] = c; p[4] = d;
        }
        int32_t t = ((src[1] - m0) * %(h0)d >> 10) + even;
        n0 = ((t - n0) * %(h2)d >> 10) + m0; even = src[1]; m0 = t;
        t = ((src[0] - m1) * %(h1)d >> 10) + odd;
        n1 = ((t - n1) * %(h3)d >> 10) + m1; odd = src[0]; m1 = t;
        *next++ = (n0 + n1) >> 1;
    }
    for (int j = 0; j < 5; j++) ctx[j] = p[j];
    ctx[5] = m0; ctx[6] = n0; ctx[7] = m1; ctx[8] = n1; ctx[9] = even; ctx[10] = odd;
}
void band(const int32_t *src, int32_t *ctx, int32_t groups) {
    int32_t s[6], k[6], r[3];
    for (int j = 0; j < 6; j++) { s[j] = ctx[j]; k[j] = ctx[6 + j]; }
    for (int j = 0; j < 3; j++) r[j] = ctx[12 + j];
    while (groups) {
        uint32_t lo = 0, hi = 0;
        int n = groups < 12 ? groups : 12;
        groups -= n;
        for (n *= 4; n; n--) {
            int32_t y = *src++;
            for (int j = 0; j < 3; j++) {
                y = (s[2 * j] >> 10) + (y >> r[j]);
                s[2 * j] = y * k[2 * j] + s[2 * j + 1];
                s[2 * j + 1] = y * k[2 * j + 1];
            }
            split(&lo, &hi, y);
        }
        carry(ctx + 16, lo, hi);
    }
    for (int j = 0; j < 6; j++) ctx[j] = s[j];
}
"""


def is_installed() -> bool:
    """Return whether the RISC-V C compiler is there."""
    return shutil.which(COMPILER) is not None


def compiled(function: str, c: Mapping[str, int], option: str, with_c: bool) -> bytes:
    """Return the machine code of one function, alone at address 0."""
    h0, h1, h2, h3 = HALF_BAND
    text = _METER % {**c, "per_ms": c["rate_hz"] // 1000, "h0": h0, "h1": h1, "h2": h2, "h3": h3}
    start = text.index("void meter")
    pieces = {
        "meter": text.index("void meter"),
        "share": text.index("void share"),
        "band": text.index("void band"),
    }
    ends = {"meter": pieces["share"], "share": pieces["band"], "band": len(text)}
    source = text[:start] + text[pieces[function] : ends[function]]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "kernel"
        base.with_suffix(".c").write_text(source)
        flags = ["-march=rv32imc", "-mabi=ilp32", "-ffreestanding", "-fwrapv", option, "-nostdlib"]
        if with_c:
            flags.append("-DWITH_C")
        subprocess.run(
            [COMPILER, *flags, "-Wl,-Ttext=0", f"-Wl,-e,{function}", "-o", f"{base}.elf", f"{base}.c"],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [COMPILER.replace("gcc", "objcopy"), "-O", "binary", "-j", ".text", f"{base}.elf", f"{base}.bin"],
            check=True,
            capture_output=True,
        )
        return base.with_suffix(".bin").read_bytes()
