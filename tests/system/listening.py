"""A noise node that lives through its uplinks: how much of the sound it hears, and when its windows open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from simulator.channel.frame import Frame
from simulator.street import Street
from tests.system.house import Outcome, run_house

START_S = 1_790_000_000
RATE_HZ = 48_000
_SEARCH_US = 3_000_000  # both windows lie within it after an uplink, at one second's delay


@dataclass
class Heard:
    """What became of a run. Seconds are of the simulated clock, counted by the bus, not by the firmware."""

    outcome: Outcome
    intervals: int
    elapsed_s: float
    read_s: float
    dropped_s: float
    uplinks: int
    openings_us: list[int] = field(default_factory=list[int])  # of RX1, after the end of its uplink

    @property
    def unheard_s(self) -> float:
        """Seconds of an interval that the program never read."""
        return round((self.elapsed_s - self.read_s) / self.intervals, 2)


def live(
    folder: Path,
    *,
    noise_s: int,
    interval_s: int,
    intervals: int,
    settle_s: int,
    transport: str = "lorawan",
    board: str = "sim_noise",
    sf: int | None = None,
    **overrides: Any,
) -> Heard:
    """Let one node live; what it heard is counted over whole intervals once settle_s have passed.

    sf: the only spreading factor that the gateway hears.
    """
    counts: list[tuple[float, int, int]] = []
    ends: list[int] = []
    searches: list[int] = []
    settings = {"noise_s": noise_s, "confirm_every": 1, **overrides}

    async def watch(gateway: Gateway, street: Street) -> None:
        node = next(iter(street.nodes.values()))
        channel = street.channel
        audible = channel.audible

        def lost(frame: Frame) -> bool:
            from_node = frame.inverted is False
            if from_node:
                ends.append(frame.end_us)
            return from_node and sf is not None and frame.sf != sf

        def searched(tuning: Any, since_us: int, until_us: int, receiver: object) -> list[Frame]:
            searches.append(since_us)
            return audible(tuning, since_us, until_us, receiver)

        channel.loses = lost
        channel.audible = searched  # type: ignore[method-assign]
        if sf is not None:
            channel.snr_db = -19.0  # the network sees no reason for a faster rate
        loop = street.world.loop
        for wait_s in (settle_s, intervals * interval_s):
            await asyncio.sleep(wait_s)
            counts.append((loop.now_us() / 1e6, node.board.i2s_heard_frames, node.board.i2s_lost_frames))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.plan._TWELVE", (("noise", transport),))
        patch.setattr("simulator.plan.PlannedNode.board", board)
        outcome = run_house(
            folder,
            nodes=1,
            virtual_s=settle_s + intervals * interval_s + 5,
            start_s=START_S,
            interval_s=interval_s,
            meanwhile=watch,
            overrides=settings,
        )
    (t0, heard0, lost0), (t1, heard1, lost1) = counts
    starts = sorted(set(searches))
    openings = [
        next((at - end for at in starts if end < at < end + _SEARCH_US), 0) for end in sorted(set(ends))
    ]
    return Heard(
        outcome,
        intervals,
        t1 - t0,
        (heard1 - heard0) / RATE_HZ,
        (lost1 - lost0) / RATE_HZ,
        len(set(ends)),
        [opening for opening in openings if opening],
    )
