"""Codes that people read from paper: Crockford's base 32, with a check character that notices a slip.

Letters that look like digits are read as those digits, case and dashes do not matter. The check is Luhn's
algorithm modulo 32 (ISO/IEC 7812-1 annex B, taken to 32 characters): it notices every wrong character.
"""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O, U (crockford.com/base32.html)
TOKEN_LENGTH = 16  # 75 random bits and the check
TAG_LENGTH = 8  # 35 random bits and the check: an address, not a secret
_LOOKS_LIKE = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def new(length: int) -> str:
    """Return a random code of so many characters, the check included."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(length - 1))
    return body + check_character(body)


def check_character(body: str) -> str:
    """Return the check character of a code without it."""
    total = 0
    for place, character in enumerate(reversed(body)):
        value = ALPHABET.index(character) * (2 - place % 2)
        total += value // 32 + value % 32
    return ALPHABET[-total % 32]


def normal(text: str, length: int) -> str | None:
    """Return a code as it was made, from what a person typed; None when it cannot be one."""
    code = text.strip().upper().translate(_LOOKS_LIKE)
    if len(code) != length or any(character not in ALPHABET for character in code):
        return None
    return code if check_character(code[:-1]) == code[-1] else None


def grouped(code: str) -> str:
    """Return a code in groups of four, as it is printed."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
