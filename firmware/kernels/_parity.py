"""Machine code of kernels.parity. The twin is wire.codec.parity.add_sum."""
# ruff: noqa: F821 - viper's own types

import micropython


@micropython.viper
def add_products(call: ptr32, ring: ptr8, exp: ptr8, log: ptr8, total: ptr8) -> int:
    # call: first byte in the ring, symbols, bytes of a symbol, generator's state, bytes of the ring
    at = call[0]
    n = call[1]
    width = call[2]
    state = call[3]
    end = call[4]
    while n:
        # state * 75 % 65537, then 1 + state % 255, without a division
        state *= 75
        state = (state & 0xFFFF) - (state >> 16)
        if state < 0:
            state += 65537
        k = (state & 255) + (state >> 8)
        k = (k & 255) + (k >> 8)
        if k >= 255:
            k -= 255
        factor = log[1 + k]
        k = 0
        while k < width:
            byte = ring[at + k]
            if byte:
                total[k] = total[k] ^ exp[factor + log[byte]]
            k += 1
        at += width
        if at >= end:
            at = 0
        n -= 1
    return 0
