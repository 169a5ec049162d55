"""Third-octave kernels, 32-bit chips. Written by tools/octave_kernels.py."""
# ruff: noqa: F821 - viper's own types; written out by a machine

import micropython


@micropython.viper
def unpack(frames: ptr32, out: ptr32, groups: int):
    while groups:
        out[0] = frames[0] >> 13
        out[1] = frames[2] >> 13
        out[2] = frames[4] >> 13
        out[3] = frames[6] >> 13
        frames = ptr32(int(frames) + 32)
        out = ptr32(int(out) + 16)
        groups -= 1


@micropython.viper
def share(e: int, t: int, src: ptr32, out: ptr32, next_stage: ptr32, ctx: ptr32, groups: int):
    x1 = ctx[0]
    a1 = ctx[1]
    b1 = ctx[2]
    c1 = ctx[3]
    d1 = ctx[4]
    m0 = ctx[5]
    n0 = ctx[6]
    m1 = ctx[7]
    n1 = ctx[8]
    xe = ctx[9]
    xo = ctx[10]
    while groups:
        x0 = src[0]
        a0 = x0 - x1
        b0 = a0 - a1
        c0 = b0 - b1
        d0 = c0 - c1
        out[0] = (d0 + d1) >> 4
        x1 = src[1]
        a1 = x1 - x0
        b1 = a1 - a0
        c1 = b1 - b0
        d1 = c1 - c0
        out[1] = (d1 + d0) >> 4
        t = (((x1 - m0) * 82) >> 10) + xe
        xe = x1
        n0 = (((t - n0) * 558) >> 10) + m0
        m0 = t
        t = (((x0 - m1) * 291) >> 10) + xo
        xo = x0
        n1 = (((t - n1) * 854) >> 10) + m1
        m1 = t
        next_stage[0] = (n0 + n1) >> 1
        x0 = src[2]
        a0 = x0 - x1
        b0 = a0 - a1
        c0 = b0 - b1
        d0 = c0 - c1
        out[2] = (d0 + d1) >> 4
        x1 = src[3]
        a1 = x1 - x0
        b1 = a1 - a0
        c1 = b1 - b0
        d1 = c1 - c0
        out[3] = (d1 + d0) >> 4
        t = (((x1 - m0) * 82) >> 10) + xe
        xe = x1
        n0 = (((t - n0) * 558) >> 10) + m0
        m0 = t
        t = (((x0 - m1) * 291) >> 10) + xo
        xo = x0
        n1 = (((t - n1) * 854) >> 10) + m1
        m1 = t
        next_stage[1] = (n0 + n1) >> 1
        src = ptr32(int(src) + 16)
        out = ptr32(int(out) + 16)
        next_stage = ptr32(int(next_stage) + 8)
        groups -= 1
    ctx[0] = x1
    ctx[1] = a1
    ctx[2] = b1
    ctx[3] = c1
    ctx[4] = d1
    ctx[5] = m0
    ctx[6] = n0
    ctx[7] = m1
    ctx[8] = n1
    ctx[9] = xe
    ctx[10] = xo


@micropython.viper
def band(y: int, u: int, src: ptr32, ctx: ptr32, groups: int):
    s0 = ctx[0]
    s1 = ctx[1]
    s2 = ctx[2]
    s3 = ctx[3]
    s4 = ctx[4]
    s5 = ctx[5]
    k0 = ctx[6]
    k1 = ctx[7]
    k2 = ctx[8]
    k3 = ctx[9]
    k4 = ctx[10]
    k5 = ctx[11]
    r0 = ctx[12]
    r1 = ctx[13]
    r2 = ctx[14]
    while groups:
        n = 12
        if groups < 12:
            n = groups
        groups -= n
        lo = 0
        hi = 0
        while n:
            y = src[0]
            y = (s0 >> 10) + (y >> r0)
            s0 = y * k0 + s1
            s1 = y * k1
            y = (s2 >> 10) + (y >> r1)
            s2 = y * k2 + s3
            s3 = y * k3
            y = (s4 >> 10) + (y >> r2)
            s4 = y * k4 + s5
            s5 = y * k5
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            y = src[1]
            y = (s0 >> 10) + (y >> r0)
            s0 = y * k0 + s1
            s1 = y * k1
            y = (s2 >> 10) + (y >> r1)
            s2 = y * k2 + s3
            s3 = y * k3
            y = (s4 >> 10) + (y >> r2)
            s4 = y * k4 + s5
            s5 = y * k5
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            y = src[2]
            y = (s0 >> 10) + (y >> r0)
            s0 = y * k0 + s1
            s1 = y * k1
            y = (s2 >> 10) + (y >> r1)
            s2 = y * k2 + s3
            s3 = y * k3
            y = (s4 >> 10) + (y >> r2)
            s4 = y * k4 + s5
            s5 = y * k5
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            y = src[3]
            y = (s0 >> 10) + (y >> r0)
            s0 = y * k0 + s1
            s1 = y * k1
            y = (s2 >> 10) + (y >> r1)
            s2 = y * k2 + s3
            s3 = y * k3
            y = (s4 >> 10) + (y >> r2)
            s4 = y * k4 + s5
            s5 = y * k5
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            src = ptr32(int(src) + 16)
            n -= 1
        ctx[16] = (lo & 65535) + ctx[16]
        ctx[17] = int(uint(lo) >> 16) + ctx[17]
        if hi:
            ctx[18] = (hi & 65535) + ctx[18]
            ctx[19] = int(uint(hi) >> 16) + ctx[19]
    ctx[0] = s0
    ctx[1] = s1
    ctx[2] = s2
    ctx[3] = s3
    ctx[4] = s4
    ctx[5] = s5
