"""wire.codec.v2_model's features for many frames at once: the training sees what the chip will compute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.codec_lab.recordings import Ints
from wire.codec import v2_channel

_FRACTION = np.frombuffer(v2_channel.LOG2_FRACTION, np.uint8).astype(np.int64)
_RECIPROCAL = np.array(v2_channel.RECIPROCAL, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a channel's model looks at: its own scale, its base channel, other channels of the record."""

    raw_min: int
    raw_max: int
    scale: float  # usual size of a difference, in steps
    base: int = v2_channel.NO_BASE
    crosses: tuple[int, ...] = field(default=())

    @property
    def scale_q4(self) -> int:
        """The scale as the chip has it."""
        return min(4095, max(5, round(16 * self.scale)))

    @property
    def inverse_q8(self) -> int:
        """2 * 64 / scale for a Q4 value, in Q8."""
        return max(1, round(2 * 64 * 256 / self.scale_q4))

    @property
    def has_base(self) -> bool:
        """Whether the series is a difference to another channel."""
        return self.base != v2_channel.NO_BASE


def log2_q4(value: Ints) -> Ints:
    """Return v2_model.log2_q4 of each value >= 1."""
    exponent = np.frexp(value.astype(float))[1].astype(np.int64) - 1
    large = exponent >= 4
    fraction = (
        np.where(large, value >> np.maximum(exponent - 4, 0), value << np.maximum(4 - exponent, 0)) & 15
    )
    exact = ~large & (fraction == 0)
    return 16 * exponent + np.where(exact, 0, _FRACTION[fraction])


def _limit(value: Ints) -> Ints:
    return np.clip(value, -32767, 32767)


def _magnitude(value_q4: Ints, plan: Plan) -> Ints:
    size = np.minimum(np.abs(value_q4), 32767)
    return np.minimum(log2_q4(64 + (size * plan.inverse_q8 >> 8)) - 96, 127)


def _signed(value_q4: Ints, plan: Plan) -> Ints:
    return np.where(value_q4 < 0, -1, 1) * _magnitude(value_q4, plan)


def _spread(mean_q4: Ints, plan: Plan) -> Ints:
    base = int(log2_q4(np.array([plan.scale_q4 + 1]))[0])
    return np.clip(log2_q4(mean_q4 + 1) - base, -127, 127)


def series_of(values: Ints, plans: list[Plan]) -> Ints:
    """Return the series of each channel: the value above its least, or its difference to the base."""
    out = np.empty_like(values)
    for c, plan in enumerate(plans):
        if plan.has_base:
            out[..., c] = values[..., c] - values[..., plan.base] + v2_channel.BASE_ZERO
        else:
            out[..., c] = values[..., c] - plan.raw_min
    return out


def states(series: Ints, plan: Plan) -> Ints:
    """Return the states of a channel before each record and after the last: windows x (records + 1) x 9."""
    n_windows, n_records = series.shape
    out = np.zeros((n_windows, n_records + 1, v2_channel.STATE_WORDS), np.int64)
    now = np.zeros((n_windows, v2_channel.STATE_WORDS), np.int64)
    now[:, 6] = now[:, 7] = plan.scale_q4
    out[:, 0] = now
    now[:, 0] = series[:, 0]
    now[:, 8] = 1
    out[:, 1] = now
    for i in range(1, n_records):
        difference = series[:, i] - now[:, 0]
        n = i + 1
        now = now.copy()
        now[:, 0] = series[:, i]
        now[:, 8] = n
        now[:, 3] = now[:, 2]
        now[:, 2] = now[:, 1]
        now[:, 1] = _limit(difference)
        for k, most in ((4, 4), (5, 24)):
            gap = _limit(now[:, k] - (difference << 4))
            now[:, k] = gap - (gap * _RECIPROCAL[min(n, most)] >> 12)
        size = np.minimum(np.abs(difference) << 4, 65535)
        now[:, 6] += (size - now[:, 6]) >> 2
        now[:, 7] += (size - now[:, 7]) * _RECIPROCAL[min(n + 1, 24)] >> 12
        out[:, n] = now
    return out


@dataclass(frozen=True, slots=True)
class Seen:
    """What a channel's model sees at every later record of every window, flattened."""

    features: NDArray[np.float32]  # rows x features, octaves
    terms: NDArray[np.float32]  # rows x place terms, steps
    position: NDArray[np.int64]  # 0 second value, 1 third to fifth, 2 later
    differences: NDArray[np.int64]
    scale_log: float  # octaves of the channel's scale: the network's are above it


def see(index: int, plans: list[Plan], all_states: list[Ints]) -> Seen:
    """Return what channel index sees; all_states as from states(), one a channel."""
    plan = plans[index]
    own = all_states[index]
    before = own[:, 1:-1]
    n_windows, n_later = before.shape[:2]
    zero = v2_channel.BASE_ZERO if plan.has_base else 0
    high = 65535 if plan.has_base else plan.raw_max - plan.raw_min
    level = np.abs(before[..., 0] - zero)
    room = np.clip(high - before[..., 0], 0, 1024)
    seen_before = np.zeros((n_windows, n_later), np.int64) + np.arange(1, n_later + 1, dtype=np.int64)
    still = before[..., 1] == 0
    columns = [_signed(before[..., k] << 4, plan) for k in (1, 2, 3)]
    columns += [_signed(before[..., k], plan) for k in (4, 5)]
    columns += [_spread(before[..., k], plan) for k in (6, 7)]
    columns += [
        np.abs(columns[0]),
        (log2_q4(8 + level) - 48) >> 1,
        (log2_q4(2 + room) - 16) >> 1,
        64 // (seen_before + 1),
        16 * still,
        16 * (still & (before[..., 2] == 0)),
    ]
    terms = [_limit(before[..., k] << 4) for k in (1, 2, 3)] + [before[..., 4], before[..., 5]]
    for other in plan.crosses:
        if other < index:
            its = all_states[other][:, 2:]
            now = _signed(its[..., 1] << 4, plans[other])
            columns += [now, np.abs(now), _signed(its[..., 2] << 4, plans[other])]
            step = _limit(its[..., 1] << 4)
            terms += [step, _limit(step * np.minimum(level >> 3, 1023) >> 5), _limit(its[..., 2] << 4)]
        else:
            its = all_states[other][:, 1:-1]
            columns.append(_signed(its[..., 1] << 4, plans[other]))
            terms.append(_limit(its[..., 1] << 4))
        columns.append(_spread(its[..., 6], plans[other]))
    position = np.where(seen_before < 2, 0, np.where(seen_before < 5, 1, 2))
    rows = n_windows * n_later
    return Seen(
        (np.stack(columns, -1).reshape(rows, -1) / 16).astype(np.float32),
        (np.stack(terms, -1).reshape(rows, -1) / 16).astype(np.float32),
        position.reshape(rows),
        (own[:, 2:, 0] - before[..., 0]).reshape(rows),
        (int(log2_q4(np.array([plan.scale_q4]))[0]) - 64) / 16,
    )
