"""From recordings to a profile: scales, networks, first values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gateway.codec_lab import first as first_values
from gateway.codec_lab.features import Plan, see, series_of, states
from gateway.codec_lab.profile import Profile, channel_bytes, network_bytes, table_bytes
from gateway.codec_lab.recordings import Column, Ints, Run, windows
from gateway.codec_lab.train import Schedule, train

WINDOWS = 8000
HEAD_BITS = 16  # of a regular frame: version, profile, count, times
_SCALE_LEAST = 0.3


def window_length(n_channels: int) -> int:
    """Return how many records a training frame holds: about what 51 bytes do."""
    return max(20, 26 if n_channels >= 4 else 130 // (n_channels + 1))


def scale_of(series: np.ndarray) -> float:
    """Return the usual size of a difference."""
    return max(_SCALE_LEAST, float(np.abs(np.diff(series, axis=1)).mean()))


def make_plans(columns: list[Column], sample: np.ndarray) -> list[Plan]:
    """Return a plan a channel: each looks at all others; scales from windows x records x channels."""
    n = len(columns)
    return [
        Plan(c.raw_min, c.raw_max, scale_of(sample[..., i]), crosses=tuple(k for k in range(n) if k != i))
        for i, c in enumerate(columns)
    ]


def pool(sets: list[list[Run]], length: int, seed: int) -> tuple[Ints, Ints]:
    """Return (windows x length x channels, records x channels), each set of runs with an equal share."""
    share = WINDOWS // len(sets)
    sample = np.concatenate([windows(runs, length, share, seed) for runs in sets])
    records = [np.concatenate([run.values for run in runs]) for runs in sets]
    most = min(len(found) for found in records) if len(sets) > 1 else None
    chosen = [found[:: max(1, len(found) // most)] if most else found for found in records]
    return sample, np.concatenate(chosen)


def build(
    name: str,
    sets: list[list[Run]],
    columns: list[Column],
    interval_s: int,
    schedule: Schedule,
    say: Callable[[str], None] = lambda _text: None,
    trained_on: str = "",
) -> Profile:
    """Train a profile on sets of runs: places or networks, which all count alike."""
    sample, values = pool(sets, window_length(len(columns)), schedule.seed)
    plans = make_plans(columns, sample)
    series = series_of(sample, plans)
    all_states = [states(series[..., c], plan) for c, plan in enumerate(plans)]
    records = series_of(values, plans)
    networks: list[bytes] = []
    channels: list[bytes] = []
    first_bits, later_bits = float(HEAD_BITS), 0.0
    for c, (column, plan) in enumerate(zip(columns, plans, strict=True)):
        weights, mean = train([see(c, plans, all_states)], schedule)
        prior = first_values.fit(c, records, column.raw_max - column.raw_min)
        networks.append(network_bytes(weights))
        channels.append(channel_bytes(c, plan, prior))
        own = records[:, c] - first_values.shares(prior.parents, records)
        first_bits += first_values.cost(own, prior, column.raw_max - column.raw_min)
        later_bits += mean
        say(f"{column.name}: {mean:.2f} bits a value")
    table = table_bytes(interval_s, first_bits, later_bits, networks, channels)
    return Profile(name, tuple(columns), interval_s, table, trained_on)
