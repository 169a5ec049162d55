"""The angle between two vectors in tenths of a degree, in integers, so that every Python gives the same."""

# atan(2**-i) in 1/100000 degree
_ATAN = (4500000, 2656505, 1403624, 712502, 357633, 178991, 89517, 44761)
_ATAN += (22381, 11191, 5595, 2798, 1399, 699, 350, 175)


def isqrt(n):
    """Return the whole square root of n >= 0."""
    if n == 0:
        return 0
    x = 1
    while x * x <= n:
        x <<= 1
    while True:
        y = (x + n // x) >> 1
        if y >= x:
            return x
        x = y


def atan2_tenths(y, x):
    """Return the angle of (x, y) with y >= 0: 0..1800, in tenths of a degree, by CORDIC."""
    if x < 0:
        return 1800 - atan2_tenths(y, -x)
    x <<= 16
    y <<= 16
    angle = 0
    for i, step in enumerate(_ATAN):
        if y > 0:
            x, y = x + (y >> i), y - (x >> i)
            angle += step
        elif y < 0:
            x, y = x - (y >> i), y + (x >> i)
            angle -= step
        else:
            break
    return max(0, (angle + 5000) // 10000)


def angle_tenths(a, b):
    """Return the angle between two vectors of three integers each, 0..1800; 0 where one has no length."""
    dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    bb = b[0] * b[0] + b[1] * b[1] + b[2] * b[2]
    cross = isqrt(max(0, aa * bb - dot * dot))
    return atan2_tenths(cross, dot)
