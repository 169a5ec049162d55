"""Codes from paper. The check character is judged by hand and by every slip of one character."""

from __future__ import annotations

from gateway.claims import tokens


def test_a_code_is_read_however_it_is_written() -> None:
    token = tokens.new(tokens.TOKEN_LENGTH)
    assert len(token) == 16
    written = tokens.grouped(token)
    assert [len(group) for group in written.split("-")] == [4, 4, 4, 4]
    assert tokens.normal(f" {written.lower()} ", 16) == token
    confused = token.replace("1", "l").replace("0", "o")
    assert tokens.normal(confused, 16) == token


def test_every_wrong_character_is_noticed() -> None:
    token = tokens.new(tokens.TAG_LENGTH)
    for place in range(len(token)):
        for other in tokens.ALPHABET:
            slip = token[:place] + other + token[place + 1 :]
            assert (tokens.normal(slip, 8) is None) == (slip != token), slip


def test_the_check_is_luhns() -> None:
    """By hand: from the right every second character counts double, its two digits to base 32 are added."""
    assert tokens.check_character("0") == "0"
    assert tokens.check_character("G") == "Z"  # 16 * 2 = 32 = "10": 1 + 0, and 31 makes it whole
    assert tokens.check_character("1G") == "Y"  # 1 + 1 = 2, and 30 makes it whole


def test_codes_are_not_guessed_from_each_other() -> None:
    assert len({tokens.new(16)[:8] for _ in range(2000)}) == 2000
