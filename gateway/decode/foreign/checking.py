"""A profile held against its own examples."""

from __future__ import annotations

import math

import msgspec

from gateway.decode.foreign.errors import FormatError
from gateway.decode.foreign.profile import Example, Profile
from gateway.envelope import wrapped

_NOW_S = 1_796_000_000.0


def faults(profile: Profile) -> list[str]:
    """Return what is wrong with a profile's examples, and whether it has any."""
    if not profile.examples:
        return ["has no [[test]]: give one message whose values are known, from the manual"]
    return [fault for n, one in enumerate(profile.examples, 1) for fault in _faults(profile, n, one)]


def _faults(profile: Profile, n: int, example: Example) -> list[str]:
    try:
        payload = example.payload
        if profile.wants_object:
            payload = wrapped(b"", msgspec.Raw(payload))
        message = profile.read(payload, example.port, _NOW_S)
    except FormatError as error:
        return [f"[[test]] {n}: the message {error}"]
    values: dict[str, float] = {}
    for one in message.values:
        values.setdefault(one.quantity, one.value)
    return [
        f"[[test]] {n}: {quantity} is {values.get(quantity)}, not {wanted}"
        for quantity, wanted in example.expect.items()
        if quantity not in values or not math.isclose(values[quantity], wanted, rel_tol=1e-6, abs_tol=1e-9)
    ]
