"""Machine code of kernels.wipe."""
# ruff: noqa: F821 - viper's own types

import micropython


@micropython.viper
def wipe(p: ptr32, n: int):
    """Set n groups of eight words to 0; the pointer advances, the indices are constant."""
    while n > 0:
        p[0] = 0
        p[1] = 0
        p[2] = 0
        p[3] = 0
        p[4] = 0
        p[5] = 0
        p[6] = 0
        p[7] = 0
        p = ptr32(int(p) + 32)
        n -= 1
