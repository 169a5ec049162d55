"""ECDSA on NIST P-256: verifying a signature over a SHA-256 digest, with whole numbers only.

Why this and not Ed25519: MicroPython has SHA-256 in C, and no SHA-512, which Ed25519 needs over the whole
message. Here the message costs one pass of C code and the curve a fixed number of multiplications, whatever
its length. FIPS 186-5, 6.4.2; curve of SP 800-186, 3.2.1.3. Nothing secret is handled, so nothing has to take
constant time.
"""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
KEY_BYTES = 64
SIGNATURE_BYTES = 64


def on_curve(x, y):
    """Tell whether a pair of numbers is a point of the curve: y^2 = x^3 - 3x + b."""
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x - 3) * x - B) % P == 0


def verify(public_key, digest, signature):
    """Tell whether a signature is good. Any bytes will do; what has not the right length is not good.

    public_key: X and Y, 32 bytes each, big-endian. digest: SHA-256 of the message. signature: r and s.
    """
    if len(public_key) != KEY_BYTES or len(digest) != 32 or len(signature) != SIGNATURE_BYTES:
        return False
    number = int.from_bytes
    x, y = number(public_key[:32], "big"), number(public_key[32:], "big")
    r, s = number(signature[:32], "big"), number(signature[32:], "big")
    if not on_curve(x, y) or not 0 < r < N or not 0 < s < N:
        return False
    w = pow(s, N - 2, N)
    point = _sum_of_multiples(number(digest, "big") * w % N, r * w % N, x, y)
    if point is None:
        return False
    px, pz = point
    # The x of the point, without dividing: r or r + N, times z squared.
    z2 = pz * pz % P
    return (r * z2 - px) % P == 0 or (r + N < P and ((r + N) * z2 - px) % P == 0)


def _sum_of_multiples(u, v, x, y):
    """Return (X, Z) of u*G + v*(x, y) in Jacobian coordinates, or None for the point at infinity.

    Both multiples are built in one pass (Shamir's trick), with G, the key and their sum at hand.
    """
    both = _affine_sum(GX, GY, x, y)
    bx = by = bz = 0  # z 0 is the point at infinity
    for i in range(31, -1, -1):
        a = u >> (8 * i) & 255
        b = v >> (8 * i) & 255
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            if bz:
                bx, by, bz = _double(bx, by, bz)
            if a & bit:
                if not b & bit:
                    bx, by, bz = _add(bx, by, bz, GX, GY)
                elif both is not None:
                    bx, by, bz = _add(bx, by, bz, both[0], both[1])
            elif b & bit:
                bx, by, bz = _add(bx, by, bz, x, y)
    return (bx, bz) if bz else None


def _double(x, y, z):
    """Double a point that is not at infinity (dbl-2001-b, for a = -3). The curve has no point with y 0."""
    delta = z * z % P
    gamma = y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    nx = (alpha * alpha - 8 * beta) % P
    return nx, (alpha * (4 * beta - nx) - 8 * gamma * gamma) % P, 2 * y * z % P


def _add(x, y, z, ax, ay):
    """Add a point with z 1 (madd)."""
    if not z:
        return ax, ay, 1
    z2 = z * z % P
    h = (ax * z2 - x) % P
    r = (ay * z2 * z - y) % P
    if not h:
        return _double(ax, ay, 1) if not r else (0, 0, 0)
    h2 = h * h % P
    h3 = h * h2 % P
    v = x * h2 % P
    nx = (r * r - h3 - 2 * v) % P
    return nx, (r * (v - nx) - y * h3) % P, z * h % P


def _affine_sum(ax, ay, bx, by):
    """Return the sum of two points with z 1, or None for infinity."""
    x, y, z = _add(ax, ay, 1, bx, by)
    if not z:
        return None
    inverse = pow(z, P - 2, P)
    i2 = inverse * inverse % P
    return x * i2 % P, y * i2 * inverse % P
