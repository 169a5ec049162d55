"""Frames of a recording, one after another, by version 2: encoded, decoded, compared, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from gateway.codec_lab.baselines import Fit
from gateway.codec_lab.recordings import Run, step_of
from wire.codec import v2_read, v2_rows
from wire.codec.v2_decoder import Decoder
from wire.codec.v2_plain import Engine
from wire.record import OK, TIME_NETWORK

# The firmware's code has no annotations that a type checker could follow.
encode_rows: Callable[..., tuple[bytes, int]] = cast("Any", v2_rows.encode_rows)
decode_rows: Callable[..., list[tuple[Any, ...]]] = cast("Any", v2_read.decode_rows)
get_profile: Callable[[Decoder], int] = cast("Any", v2_read.get_profile)
_PRIVATE = 14  # the number under which a profile that is not shipped travels in a measurement


@dataclass(frozen=True, slots=True)
class Figures:
    """What a codec did: whole frames only, those that the end of a run cut short left out."""

    frames: int
    records: float  # a frame
    bytes_first: float  # of a frame of one record
    bytes_later: float  # of each further record
    bits_reading: float  # all of the frame over its readings


def rows_of(run: Run) -> list[tuple[Any, ...]]:
    """Return a run as the codec's rows, numbered as a node does that was told the time before it began."""
    n = run.values.shape[1]
    step_s = step_of(run.times)
    first = (int(run.times[0]) + step_s // 2) // step_s
    return [
        (first + i, int(t), TIME_NETWORK, [int(v) for v in values], True, [OK] * n)
        for i, (t, values) in enumerate(zip(run.times, run.values, strict=True))
    ]


class MismatchError(AssertionError):
    """A frame that did not come back as it went in."""


def frame(engine: Any, rows: list[tuple[Any, ...]], limit: int) -> tuple[bytes, int]:
    """Encode as many rows as fit, sent when the last of them is there; decode, compare.

    Return (payload, records), (b"", 0) when not even one fits.
    """
    payload, n = encode_rows(_PRIVATE, engine.table, engine, rows, limit, rows[0][1])
    while True:  # only with the right last record is the frame known to be fresh
        more = payload, n
        for extra in (3, 2, 1):
            if n + extra <= len(rows):
                tried = encode_rows(
                    _PRIVATE, engine.table, engine, rows[: n + extra], limit, rows[n + extra - 1][1] + 2
                )
                if tried[1] == n + extra:
                    more = tried
                    break
        if more[1] == n:
            break
        payload, n = more
    if not n:
        return b"", 0
    now_s = rows[n - 1][1] + 2
    payload, n = encode_rows(_PRIVATE, engine.table, engine, rows[:n], limit, now_s)
    coder = Decoder(payload)
    get_profile(coder)
    back = decode_rows(coder, engine.table, engine, now_s, len(payload))
    if back != [(*row[:4], row[5]) for row in rows[:n]] or len(payload) > limit:
        raise MismatchError(f"the frame that starts at {rows[0][1]} came back changed")
    return payload, n


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of version 2, and records per frame of each baseline at the same starts."""

    figures: Figures
    baselines: dict[str, float]


def measure(
    table: Any | None,
    runs: list[Run],
    limit: int,
    baselines: dict[str, Fit],
    most_frames: int = 400,
    ahead: int = 1000,
) -> Measured:
    """Encode frames one after another; with more than most_frames of them, evenly spread over the runs.

    ahead: the most records that are offered to one frame.
    """
    engine = None if table is None else Engine(table)
    whole = sum(len(run.times) for run in runs)
    counts: list[int] = []
    readings = total = first = 0
    others: dict[str, list[int]] = {name: [] for name in baselines}
    for run in runs:
        rows = rows_of(run)
        at = 0
        guess = 24
        while at < len(rows):
            n, payload = 0, b""
            if engine is not None:
                payload, n = frame(engine, rows[at : at + guess], limit)
                while n >= guess - 3 and at + guess < len(rows) and guess < ahead:
                    guess *= 2
                    payload, n = frame(engine, rows[at : at + guess], limit)
                if at + n >= len(rows) or not n:
                    break  # the run's end, not the frame's
            fits = {name: fit(run.values[at : at + ahead], limit) for name, fit in baselines.items()}
            n = n or max(fits.values())
            if at + max([n, *fits.values()]) >= len(rows):
                break
            for name, fitting in fits.items():
                others[name].append(fitting)
            if engine is not None:
                counts.append(n)
                readings += n * run.values.shape[1]
                total += len(payload)
                first += len(frame(engine, rows[at : at + 1], limit)[0])
                guess = n + n // 3 + 4
            at += max(n, whole // most_frames)
    means = {name: sum(found) / len(found) if found else 0.0 for name, found in others.items()}
    if not counts:
        return Measured(Figures(0, 0.0, 0.0, 0.0, 0.0), means)
    frames = len(counts)
    later = (total - first) / max(1, sum(counts) - frames)
    figures = Figures(frames, sum(counts) / frames, first / frames, later, 8 * total / max(1, readings))
    return Measured(figures, means)


def batch(table: Any, runs: list[Run], n: int, most: int = 150) -> float:
    """Return the mean bytes of frames of n records, header included."""
    engine = Engine(table)
    starts = [(run, at) for run in runs for at in range(0, len(run.times) - n + 1, n)]
    sizes: list[int] = []
    for run, at in starts[:: max(1, len(starts) // most)]:
        rows = rows_of(Run(run.node, run.times[at : at + n], run.values[at : at + n]))
        payload, fitting = encode_rows(_PRIVATE, table, engine, rows, 242, rows[-1][1] + 2)
        if fitting == n:
            sizes.append(len(payload))
    return sum(sizes) / len(sizes) if sizes else 0.0
