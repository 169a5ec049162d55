"""What is kept of hashes is what a dictionary keeps."""

from __future__ import annotations

import random

from gateway.publish.ngsi_ld.hashes import Hashes


def test_it_keeps_what_a_dictionary_keeps() -> None:
    dice, found, known = random.Random(3), Hashes(), dict[int, int]()
    keys = [hash(f"urn:ngsi-ld:Device:{n}") for n in range(3000)] + [*range(-500, 500)]
    for _ in range(20_000):
        key, value = dice.choice(keys), dice.choice((0, 1, -(2**63), 2**63 - 1, dice.getrandbits(60)))
        key = key or 1
        found.put(key, value)
        known[key] = value
    assert [found.get(key) for key in keys if key] == [known.get(key, 0) for key in keys if key]
    found.clear()
    assert not any(found.get(key) for key in keys)
