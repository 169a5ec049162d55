"""Training of a channel's network: Adam on the code length, weights rounded as on the chip from the start.

Gradients are written out; rounding passes them through. Same seed, same recordings, same numpy: same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.codec_lab.features import Seen
from wire.codec.v2_channel import HIDDEN, OUTPUTS
from wire.codec.v2_model import ESCAPE

Array = NDArray[np.float64]
Weights = dict[str, Array]
# (scale of one unit, largest integer) of each table on the chip
STEPS = {
    "to_hidden": (32, 127),
    "skip": (32, 127),
    "to_out": (32, 127),
    "bias_hidden": (512, 32767),
    "bias_out": (512, 32767),
    "place": (256, 1023),
}
_LN2 = float(np.log(2))


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train."""

    steps: int = 2500
    rows: int = 1024
    rate: float = 6e-3
    seed: int = 0


def start(seen: Seen, rng: np.random.Generator) -> Weights:
    """Return weights to begin with."""
    n = seen.features.shape[1]
    bias = np.array([-0.5, 0.0, 1.5, -1.0, -2.0])
    return {
        "to_hidden": rng.normal(size=(n, HIDDEN)) * 0.3 / np.sqrt(n),
        "bias_hidden": np.zeros(HIDDEN),
        "to_out": rng.normal(size=(HIDDEN, OUTPUTS)) * 0.1,
        "skip": np.zeros((n, OUTPUTS)),
        "bias_out": bias,
        "place": np.zeros((3, seen.terms.shape[1])),
    }


def integers(weights: Weights) -> dict[str, NDArray[np.int64]]:
    """Return the weights as the chip has them."""
    return {
        name: np.clip(np.rint(weights[name] * unit), -most, most).astype(np.int64)
        for name, (unit, most) in STEPS.items()
    }


def rounded(weights: Weights) -> Weights:
    """Return the weights at the chip's resolution."""
    return {name: found / STEPS[name][0] for name, found in integers(weights).items()}


def _logistic(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def bits(
    weights: Weights, f: Array, v: Array, at: NDArray[np.int64], d: Array, scale_log: Array
) -> tuple[Array, Weights]:
    """Return (bits of each row, gradient of their mean)."""
    rows = len(d)
    sums = f @ weights["to_hidden"] + weights["bias_hidden"]
    hidden = np.clip(sums, 0, 255 / 16)
    out = hidden @ weights["to_out"] + f @ weights["skip"] + weights["bias_out"]
    place_weights = weights["place"][at]
    sought = out[:, 0] + scale_log
    log_scale = np.clip(sought, -3, 11)
    scale = 2.0**log_scale
    lean = np.clip(out[:, 1], -2, 2)
    place = np.einsum("ij,ij->i", v, place_weights) + lean * scale
    wider = np.clip(out[:, 2], 0.3, 5)
    wide = scale * 2.0**wider
    weight = _logistic(out[:, 3])
    may_spike = log_scale < 7
    spike = _logistic(out[:, 4]) * (31 / 32) * may_spike
    edge_high, edge_low = d + 0.5 - place, d - 0.5 - place

    def cell(s: Array) -> tuple[Array, Array, Array]:
        # mirrored so that both logistics lie in the lower tail, where they are exact
        turn = np.where(d > place, -1.0, 1.0)
        a, b = _logistic(turn * edge_high / s), _logistic(turn * edge_low / s)
        ga, gb = a * (1 - a), b * (1 - b)
        p = turn * (a - b)
        return p, -(ga - gb) / s, -_LN2 * (ga * edge_high - gb * edge_low) / s

    p1, by_place1, by_scale1 = cell(scale)
    p2, by_place2, by_scale2 = cell(wide)
    mix = (1 - weight) * p1 + weight * p2
    is_still = d == 0
    whole = (1 - spike) * mix + spike * is_still
    reach = 16 * 2.0 ** np.clip(np.floor(log_scale), 0, 6)
    free = 1 - (2 * ESCAPE + 2 * reach + 1) / 65536
    width = 2.0 ** np.maximum(0, np.floor(log_scale) - 6)
    probability = whole * free + 1 / 65536 / width
    length = -np.log2(probability)

    by_whole = -free / (_LN2 * probability) / rows
    by_mix = by_whole * (1 - spike)
    by_place = by_mix * ((1 - weight) * by_place1 + weight * by_place2)
    by_out = np.empty_like(out)
    by_out[:, 0] = by_mix * ((1 - weight) * by_scale1 + weight * by_scale2) + by_place * lean * scale * _LN2
    by_out[:, 0] *= (sought > -3) & (sought < 11)
    by_out[:, 1] = by_place * scale * (np.abs(out[:, 1]) < 2)
    by_out[:, 2] = by_mix * weight * by_scale2 * ((out[:, 2] > 0.3) & (out[:, 2] < 5))
    by_out[:, 3] = by_mix * (p2 - p1) * weight * (1 - weight)
    by_out[:, 4] = by_whole * (is_still - mix) * spike * (1 - spike * 32 / 31)
    by_hidden = (by_out @ weights["to_out"].T) * ((sums > 0) & (sums < 255 / 16))
    by_terms = v * by_place[:, None]
    gradient = {
        "to_hidden": f.T @ by_hidden,
        "bias_hidden": by_hidden.sum(0),
        "to_out": hidden.T @ by_out,
        "skip": f.T @ by_out,
        "bias_out": by_out.sum(0),
        "place": np.stack([by_terms[at == k].sum(0) for k in range(3)]),
    }
    return length, gradient


def train(parts: list[Seen], schedule: Schedule) -> tuple[Weights, float]:
    """Return (weights, their mean bits a value over the last tenth of the steps). Parts get equal shares."""
    rng = np.random.default_rng(schedule.seed)
    weights = start(parts[0], rng)
    first = {name: np.zeros_like(w) for name, w in weights.items()}
    second = {name: np.zeros_like(w) for name, w in weights.items()}
    share = schedule.rows // len(parts)
    recent: list[float] = []
    logs = np.repeat([part.scale_log for part in parts], share)
    for step in range(1, schedule.steps + 1):
        chosen = [rng.integers(0, len(part.differences), share) for part in parts]
        f = np.concatenate([p.features[i] for p, i in zip(parts, chosen, strict=True)]).astype(float)
        v = np.concatenate([p.terms[i] for p, i in zip(parts, chosen, strict=True)]).astype(float)
        at = np.concatenate([p.position[i] for p, i in zip(parts, chosen, strict=True)])
        d = np.concatenate([p.differences[i] for p, i in zip(parts, chosen, strict=True)]).astype(float)
        length, gradient = bits(rounded(weights), f, v, at, d, logs)
        rate = schedule.rate * min(1, step / 100) * (0.5 * (1 + np.cos(np.pi * step / schedule.steps)) + 0.01)
        for name, g in gradient.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g * g
            move = first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-9)
            unit, most = STEPS[name]
            weights[name] = np.clip(weights[name] - rate * move, -most / unit, most / unit)
        if step > schedule.steps * 0.9:
            recent.append(float(length.mean()))
    return rounded(weights), float(np.mean(recent))
