"""Noise kernels for 48000 Hz, the 64-bit unix port. Written by tools/noise_kernels.py."""
# ruff: noqa: F821, SIM102, SIM108, SIM114 - viper's own types; written out by a machine

import micropython


@micropython.viper
def weigh_a(y: int, u: int, src: ptr32, out: ptr32, ctx: ptr32, n_ms: int):
    one = 1
    sign = one << 31
    s1 = (ctx[0] ^ sign) - sign
    s2 = (ctx[1] ^ sign) - sign
    sh = (ctx[2] ^ sign) - sign
    st = (ctx[3] ^ sign) - sign
    s3 = (ctx[4] ^ sign) - sign
    s4 = (ctx[5] ^ sign) - sign
    while n_ms:
        if s1 < -1073741224:
            s1 = -1073741224
        lo = 0
        hi = 0
        n = 4
        while n:
            s1 = ((y := ((((src[0] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[2] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[4] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[6] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[8] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[10] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[12] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[14] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[16] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[18] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[20] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[22] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            src = ptr32(int(src) + 96)
            n -= 1
        out[0] = lo
        out[1] = hi
        out = ptr32(int(out) + 8)
        n_ms -= 1
    ctx[0] = s1
    ctx[1] = s2
    ctx[2] = sh
    ctx[3] = st
    ctx[4] = s3
    ctx[5] = s4


@micropython.viper
def weigh_ac(y: int, u: int, src: ptr32, out: ptr32, ctx: ptr32, n_ms: int):
    one = 1
    sign = one << 31
    s1 = (ctx[0] ^ sign) - sign
    s2 = (ctx[1] ^ sign) - sign
    sh = (ctx[2] ^ sign) - sign
    st = (ctx[3] ^ sign) - sign
    s3 = (ctx[4] ^ sign) - sign
    s4 = (ctx[5] ^ sign) - sign
    peak = ctx[6]
    peak2 = peak + peak
    while n_ms:
        if s1 < -1073741224:
            s1 = -1073741224
        lo = 0
        hi = 0
        clo = 0
        chi = 0
        n = 4
        while n:
            s1 = ((y := ((((src[0] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[2] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[4] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[6] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[8] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[10] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[12] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[14] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[16] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[18] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[20] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            s1 = ((y := ((((src[22] ^ sign) - sign) >> 1) - s1) >> 11) * 11 >> 1) + s1
            s2 = (u := (s2 >> 12) - y) * -11 + s2
            y = u + sh
            sh = u * 400 + st
            sh = (y * 309 + sh) >> 10
            st = u * 8
            if uint(y + peak) > uint(peak2):
                peak = y
                if y < 0:
                    peak = 0 - y
                peak2 = peak + peak
            if uint(y + 8192) < uint(16384):
                clo = y * y + clo
            else:
                u = (y + 128) >> 8
                chi = u * u + chi
            s3 = ((u := (s3 >> 10) - y) * -115 >> 3) + s3
            s4 = ((y := (s4 >> 10) - u) * -189 >> 1) + s4
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            src = ptr32(int(src) + 96)
            n -= 1
        out[0] = lo
        out[1] = hi
        out = ptr32(int(out) + 8)
        ctx[8] = (clo & 65535) + ctx[8]
        ctx[9] = int(uint(clo) >> 16) + ctx[9]
        if chi:
            ctx[10] = (chi & 65535) + ctx[10]
            ctx[11] = int(uint(chi) >> 16) + ctx[11]
        n_ms -= 1
    ctx[0] = s1
    ctx[1] = s2
    ctx[2] = sh
    ctx[3] = st
    ctx[4] = s3
    ctx[5] = s4
    ctx[6] = peak


@micropython.viper
def survey(y: int, x: int, src: ptr32, ctx: ptr32, n_ms: int):
    one = 1
    sign = one << 31
    s1 = (ctx[0] ^ sign) - sign
    low = (ctx[1] ^ sign) - sign
    high = (ctx[2] ^ sign) - sign
    while n_ms:
        if s1 < -1073741224:
            s1 = -1073741224
        lo = 0
        hi = 0
        n = 4
        while n:
            x = (src[0] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[2] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[4] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[6] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[8] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[10] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[12] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[14] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[16] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[18] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[20] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            x = (src[22] ^ sign) - sign
            if x > high:
                high = x
            if x < low:
                low = x
            s1 = ((y := ((x >> 1) - s1) >> 11) >> 1) + s1
            if uint(y + 8192) < uint(16384):
                lo = y * y + lo
            else:
                y = (y + 128) >> 8
                hi = y * y + hi
            src = ptr32(int(src) + 96)
            n -= 1
        ctx[4] = (lo & 65535) + ctx[4]
        ctx[5] = int(uint(lo) >> 16) + ctx[5]
        if hi:
            ctx[6] = (hi & 65535) + ctx[6]
            ctx[7] = int(uint(hi) >> 16) + ctx[7]
        n_ms -= 1
    ctx[0] = s1
    ctx[1] = low
    ctx[2] = high


@micropython.viper
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


@micropython.viper
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
