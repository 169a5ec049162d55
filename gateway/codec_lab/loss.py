"""Delivery with losses, by the parity's own two ends: what arrives, how late, at what air time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gateway.decode.recovery import Recovery, add_sum
from wire.codec import parity


def losses(n: int, loss: float, burst: float, rng: np.random.Generator) -> list[bool]:
    """Return which frames are lost: each alone, or in bursts of a mean length (two-state channel)."""
    if burst <= 1:
        return [bool(x) for x in rng.random(n) < loss]
    leave_bad = 1 / burst
    enter_bad = leave_bad * loss / (1 - loss)
    is_bad = bool(rng.random() < loss)
    out: list[bool] = []
    for _ in range(n):
        out.append(is_bad)
        is_bad = bool(rng.random() >= leave_bad) if is_bad else bool(rng.random() < enter_bad)
    return out


def time_on_air_s(size: int, sf: int) -> float:
    """Return the air time of an uplink of size application bytes (SX1276 datasheet 4.1.1.7; CR 4/5)."""
    symbol_s = 2**sf / 125_000
    slow = 1 if sf >= 11 else 0
    symbols = 8 + max(0, math.ceil((8 * (size + 13) - 4 * sf + 28 + 16) / (4 * (sf - 2 * slow))) * 5)
    return (12.25 + symbols) * symbol_s


@dataclass(frozen=True, slots=True)
class Delivered:
    """Of the frames inside the sequences, their ends left out."""

    frames: int
    received: float
    recovered: float  # received or brought back
    wrong: int  # brought back with other bytes: must be 0
    delay_mean: float  # frames from the lost one to its recovery
    delay_p95: float


def simulate(rate: int, loss: float, burst: float, sequences: int, frames: int, seed: int) -> Delivered:
    """Send random data; a recovery counts up to four windows after the loss."""
    rng = np.random.default_rng(seed)
    size = parity.data_size(rate)
    counted = received = back = wrong = 0
    delays: list[int] = []
    for _ in range(sequences):
        sent = [rng.bytes(size) for _ in range(frames)]
        node, gateway = parity.Window(rate, int(rng.integers(256)), add_sum), Recovery()
        is_lost = losses(frames, loss, burst, rng)
        arrived: dict[int, int] = {}
        for at, data in enumerate(sent):
            payload = node.protect(data, 51)
            if is_lost[at]:
                continue
            for found in gateway.receive(payload, 3600.0 * at):
                index = round(found.received_at_s / 3600) if not found.is_recovered else None
                if index is None:
                    # the gateway numbers frames from the first that it received
                    index = at - (gateway.newest - found.number)
                if sent[index] != found.data:
                    wrong += 1
                arrived[index] = at
        margin = min(parity.WINDOW, frames // 4)
        for at in range(margin, frames - margin):
            counted += 1
            received += not is_lost[at]
            if at in arrived:
                back += 1
                if is_lost[at]:
                    delays.append(arrived[at] - at)
    return Delivered(
        counted,
        received / counted,
        back / counted,
        wrong,
        float(np.mean(delays)) if delays else 0.0,
        float(np.percentile(delays, 95)) if delays else 0.0,
    )
