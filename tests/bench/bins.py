"""A year of bins through the node's own logic: told against happened. `python -m tests.bench.bins`.

--bins N (50)  --days N (365)  --seed N (1)

Truth: waste comes through the lid in bags, heaps settle, a round empties the bin in the morning, now and
then it is tilted for a while, knocked over, or burns. Sensors: sound with noise and 3 % wall echoes, light
with noise, condensation on cold mornings and 1 % ghosts. Probabilities are estimates, on the unkind side.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from dataclasses import dataclass, field

from node.bin import BinKind
from wire import measurements as m
from wire.record import OK, OUT_OF_RANGE

STEP_S = 900
DEPTH_MM = 1100
FULL_MM = 250
DAY_S = 86400
KINDS = {
    m.EVENT_EMPTIED: "emptied",
    m.EVENT_TILTED: "tilted",
    m.EVENT_KNOCKED_OVER: "over",
    m.EVENT_FIRE: "fire",
}


@dataclass
class Score:
    """Counts over all bins: what happened, what was told of it, what was told without it."""

    happened: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    detected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    false: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    records: int = 0
    wrong_mm: int = 0  # records that say OK and are off by more than 100 mm
    doubted: int = 0

    def match(self, truth: list[tuple[float, float, str]], told: list[tuple[float, str]]) -> None:
        """Score one bin: an event told between its begin and an hour after its end is found."""
        used: set[int] = set()
        for begin, end, kind in truth:
            self.happened[kind] += 1
            hits = [i for i, (at, k) in enumerate(told) if k == kind and begin <= at <= end + 3600]
            self.detected[kind] += bool(hits)
            used.update(hits)
        for i, (_, kind) in enumerate(told):
            self.false[kind] += i not in used


class Bin:
    """One bin's truth and its sensors."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.level_mm = 0.0
        self.busy = rng.uniform(0.4, 1.8)
        self.rhythm_days = rng.choice((1, 2, 3))
        self.phase = rng.randrange(self.rhythm_days)
        self.truth: list[tuple[float, float, str]] = []
        self.tilt_deg = 0.0
        self.tilt_until = 0.0
        self.fire_since: float | None = None

    def advance(self, now: float) -> bool:
        """Let a quarter of an hour pass; return whether the lid moved."""
        rng, hour = self.rng, now % DAY_S / 3600
        moved = False
        day = int(now // DAY_S)
        if day % self.rhythm_days == self.phase and 6.5 <= hour < 6.75 and self.level_mm > 0.45 * DEPTH_MM:
            self.level_mm = rng.uniform(0, 20)
            self.truth.append((now, now + STEP_S, "emptied"))
            moved = True
        elif rng.random() < 0.25 * self.busy * max(0.05, math.sin(math.pi * (hour - 6) / 17)):
            self.level_mm = min(DEPTH_MM - 20.0, self.level_mm + rng.uniform(10, 90))
            moved = True
        self.level_mm *= 1 - 0.0005  # it settles
        if now >= self.tilt_until:
            self.tilt_deg = 0.0
            chance = rng.random()
            if chance < 2e-5:
                self._lie(now, "over", rng.uniform(70, 100))
            elif chance < 5e-5:
                self._lie(now, "tilted", rng.uniform(25, 50))
        if self.fire_since is None and rng.random() < 3e-5:
            self.fire_since = now
            self.truth.append((now, now + 1800, "fire"))
        elif self.fire_since is not None and now - self.fire_since > 3600:
            self.fire_since = None
            self.level_mm *= 0.5
        return moved

    def _lie(self, now: float, kind: str, degrees: float) -> None:
        self.tilt_deg, self.tilt_until = degrees, now + self.rng.uniform(2, 12) * 3600
        self.truth.append((now, self.tilt_until, kind))

    def air_c(self, now: float) -> float:
        """Return the temperature under the lid: weather, sun on the lid, fire."""
        season = 11 - 9 * math.cos(2 * math.pi * now / (365 * DAY_S))
        hour = now % DAY_S / 3600
        sun = max(0.0, math.sin(math.pi * (hour - 7) / 12)) * (6 + 8 * abs(math.sin(now / 3100)))
        burn = 0.0 if self.fire_since is None else 15.0 * (now - self.fire_since + 60) / 60
        return season + 4 * math.sin(2 * math.pi * (hour - 9) / 24) + sun + min(300.0, burn)

    def readings(self, now: float) -> list[tuple[int, int, int]]:
        """Return what the sensors say."""
        rng = self.rng
        true = FULL_MM + DEPTH_MM - self.level_mm
        sound = true + rng.gauss(0, 6)
        if rng.random() < 0.03:
            sound = rng.uniform(FULL_MM, true)
        light = true + rng.gauss(0, 12)
        cold = self.air_c(now) < 6 and 4 < now % DAY_S / 3600 < 9
        if rng.random() < (0.3 if cold else 0.01):
            light = rng.uniform(45, 400)
        if self.tilt_deg > 20:
            sound, light = rng.uniform(300, 3000), rng.uniform(300, 3000)
        return [
            (m.DISTANCE, round(sound), OK) if 30 <= sound <= 4500 else (m.DISTANCE, 0, OUT_OF_RANGE),
            (m.DISTANCE_LIGHT, max(40, round(light)), OK),
            (m.TILT, round(10 * self.tilt_deg), OK),
            self.temperature(now),
        ]

    def temperature(self, now: float) -> tuple[int, int, int]:
        """Return a reading of the thermometer, which ends at 125 degrees."""
        return (m.TEMPERATURE, min(12500, round(100 * self.air_c(now) + self.rng.gauss(0, 8))), OK)


def live(seed: int, days: int, score: Score) -> None:
    """Live one bin, with a record every 15 minutes at most and a glance every minute that matters."""
    truth = Bin(random.Random(seed))
    kind = BinKind(DEPTH_MM)
    told: list[tuple[float, str]] = []

    def note(now: float, bits: int) -> None:
        told.extend((now, name) for bit, name in KINDS.items() if bits & bit)

    next_record = 0.0
    for quarter in range(days * DAY_S // STEP_S):
        now = float(quarter * STEP_S)
        moved = truth.advance(now)
        glances = 15 if moved or truth.fire_since is not None or truth.tilt_deg else 3
        for i in range(glances):
            at = now + i * (STEP_S / glances)
            kind.look(
                round(at * 1000),
                truth.temperature(at),
                lambda at=at: truth.temperature(at + 2),
                (m.TILT, round(10 * truth.tilt_deg), OK),
                moved and i == 0,
            )
            if kind.urgent:
                kind.urgent = False
                note(at, sum(bits for _, bits, _ in kind.take_events()))
            if at >= next_record or (kind.again_ms is not None and at * 1000 >= kind.again_ms):
                kept = {row[0]: row for row in kind.refine(truth.readings(at), round(at * 1000))}
                next_record = at + STEP_S * kind.stretch()
                _judge(truth, kept, score)
                if m.EVENTS in kept:
                    note(at, kept[m.EVENTS][1])
    score.match(truth.truth, told)


def _judge(truth: Bin, kept: dict[int, tuple[int, int, int]], score: Score) -> None:
    score.records += 1
    _, mm, state = kept[m.DISTANCE]
    if state != OK:
        score.doubted += 1
    elif abs(mm - (FULL_MM + DEPTH_MM - truth.level_mm)) > 100:
        score.wrong_mm += 1


def main(arguments: list[str]) -> int:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bins", type=int, default=50)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    score = Score()
    for i in range(options.bins):
        live(options.seed * 1000 + i, options.days, score)
    print(f"{options.bins} bins, {options.days} days, {score.records} records")
    print(f"in doubt or without number: {score.doubted}")
    print(f"OK and off by more than 100 mm: {score.wrong_mm}")
    print(f"{'EVENT':<10}{'HAPPENED':>10}{'DETECTED':>10}{'FALSE':>8}")
    for kind in KINDS.values():
        print(f"{kind:<10}{score.happened[kind]:>10}{score.detected[kind]:>10}{score.false[kind]:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
