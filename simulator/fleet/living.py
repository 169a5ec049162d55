"""A fleet's life with a gateway: stretch by stretch, and at the end all that is under way is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from simulator.fleet.street import FleetStreet
from simulator.loop import VirtualLoop

_CATCH_UP_S = 3.0  # what is in the air and in the gathering window arrives


async def live(
    fleet: FleetStreet,
    virtual_s: float,
    drained: Callable[[], Awaitable[object]],
    *,
    stretch_s: float,
    goes_on: Callable[[], bool] = lambda: True,
    told: Callable[[float], None] = lambda _lived_s: None,
) -> float:
    """Let a fleet live for so long, or until it does not go on; return the virtual seconds it lived.

    Within `async with fleet`. drained: stores what the gateway has taken in. told: called after each stretch.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    end_us = fleet.start_us + round(virtual_s * 1e6)
    while loop.now_us() < end_us and goes_on():
        await fleet.run(min(end_us, loop.now_us() + round(stretch_s * 1e6)))
        told((loop.now_us() - fleet.start_us) / 1e6)
    lived_s = (loop.now_us() - fleet.start_us) / 1e6
    await asyncio.sleep(_CATCH_UP_S)
    await fleet.settle(loop.now_us())
    await asyncio.sleep(_CATCH_UP_S)
    await drained()
    return lived_s
