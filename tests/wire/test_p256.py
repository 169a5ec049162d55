"""ECDSA P-256: signatures of RFC 6979 and of an independent signer, and everything that must not pass."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dual import micropython, run_on_both
from wire import p256

# RFC 6979, A.2.5: key, and signatures with SHA-256 over two messages.
KEY = (
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
SIGNED = {
    "sample": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    "test": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _signer(seed: int) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    private = ec.derive_private_key(seed, ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"), private


def _sign(private: ec.EllipticCurvePrivateKey, digest: bytes) -> tuple[int, int]:
    return utils.decode_dss_signature(private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))


def _pair(r: int, s: int) -> str:
    return (r % (1 << 256)).to_bytes(32, "big").hex() + (s % (1 << 256)).to_bytes(32, "big").hex()


@pytest.mark.mpy
def test_both_pythons_judge_as_the_standard_and_an_independent_signer_do() -> None:
    cases: list[list[str]] = []
    expected: list[bool] = []

    def add(key: str, digest: bytes, signature: str, *, good: bool) -> None:
        cases.append([key, digest.hex(), signature])
        expected.append(good)

    for text, signature in SIGNED.items():
        add(KEY, _digest(text), signature, good=True)
        add(KEY, _digest(text + "!"), signature, good=False)
    for seed in (1, 2, 3, 5, 1 << 200, p256.N - 1):
        key, private = _signer(seed)
        digest = _digest(f"message {seed}")
        r, s = _sign(private, digest)
        add(key.hex(), digest, _pair(r, s), good=True)
        add(key.hex(), digest, _pair(r, p256.N - s), good=True)  # the other root is a signature as well
        # The cases of Wycheproof for ECDSA: r or s 0, n, beyond n, swapped, of another key, of nobody.
        for r2, s2 in ((0, s), (r, 0), (p256.N, s), (r, p256.N), (r + p256.N, s), (r, s + p256.N), (s, r)):
            add(key.hex(), digest, _pair(r2, s2), good=False)
        add(KEY, digest, _pair(r, s), good=False)
        for r2, s2 in ((1, 1), (0, 0), (p256.N - 1, p256.N - 1), (1, p256.N - 1)):
            add(key.hex(), digest, _pair(r2, s2), good=False)
    digest = _digest("sample")
    for key in ("00" * 64, "ff" * 64, KEY[:-2] + "98", KEY[2:], "", f"{0:064x}{p256.P - 1:064x}"):
        add(key, digest, SIGNED["sample"], good=False)
    add(KEY, digest, SIGNED["sample"][:-2], good=False)
    add(KEY, digest[:-1], SIGNED["sample"], good=False)
    # The point at infinity: u1*G + u2*Q = 0 for Q = G and u1 = -u2.
    key, _ = _signer(1)
    r = 7
    add(key.hex(), (p256.N - r).to_bytes(32, "big"), _pair(r, 3), good=False)
    assert run_on_both("p256_verify", cases, heap="128k") == expected


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=40), st.integers(1, p256.N - 1), st.integers(0, 511))
def test_a_signature_with_one_bit_changed_is_no_signature(message: bytes, seed: int, bit: int) -> None:
    key, private = _signer(seed)
    digest = hashlib.sha256(message).digest()
    r, s = _sign(private, digest)
    good = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert p256.verify(key, digest, good)
    broken = bytearray(good)
    broken[bit // 8] ^= 1 << bit % 8
    assert not p256.verify(key, digest, bytes(broken))


@given(st.binary(max_size=70), st.binary(max_size=40), st.binary(max_size=70))
def test_any_bytes_are_judged(key: bytes, digest: bytes, signature: bytes) -> None:
    assert not p256.verify(key, digest, signature)


@pytest.mark.mpy
def test_one_verification_fits_beside_a_node() -> None:
    case = [KEY, _digest("test").hex(), SIGNED["test"]]
    said = micropython(
        f"import sys; sys.path.insert(0, 'dual_scripts')\nimport p256_verify as p\nprint(p.run([{case!r}]))",
        heap="48k",
        path=(__file__.rsplit("/", 2)[0] + "/dual_scripts",),
    )
    assert said.strip() == "[True]"
