"""A year of bins, emptied by forecast against fixed rounds. `python -m tests.bench.waste [--json]`.

--bins N (60)  --days N (365)  --seed N (1)  --risk R (as shipped)

Truth, unknown to the forecast: bags come at random (Poisson), more by day and by the kind of day, in bins
that fill in 1.5 to 9 days; days differ (log-normal), 2 % of days bring an event with three times the waste,
a quarter of the bins lie at a market of one weekday. The sensor is read once an hour with noise and gaps, and
sees no more than full. A lorry may go every morning at seven. Fixed rounds empty every bin every N days. An
overflow is a morning on which a bin holds more than it can.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from gateway.insight.bins import RISK, forecast, is_due, learn
from gateway.insight.noise import HOUR_MS, local

ZONE = ZoneInfo("Europe/Brussels")
START_MS = 1_767_222_000_000  # 2026-01-01T00:00 in Brussels
ROUND_HOUR = 7
HISTORY_H = 28 * 24


@dataclass
class Bin:
    """One bin: its truth, and what its sensor told."""

    rng: random.Random
    fill: float = 0.0
    told: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.per_day = 100 / math.exp(self.rng.uniform(math.log(1.5), math.log(9)))
        self.weekend = self.rng.uniform(0.4, 2.0)
        self.market = self.rng.randrange(7) if self.rng.random() < 0.25 else None
        self.factor = 1.0

    def hour(self, at_ms: int) -> None:
        at = local(at_ms, ZONE)
        if at.hour == 0:
            self.factor = self.rng.lognormvariate(-0.045, 0.3) * (3 if self.rng.random() < 0.02 else 1)
            if at.weekday() >= 5:
                self.factor *= self.weekend
            if at.weekday() == self.market:
                self.factor *= 2.5
        share = max(0.1, 1 - math.cos((at.hour - 3) * math.pi / 12)) / 24
        bag = 3.0  # points
        expected = self.per_day * self.factor * share / bag
        self.fill += bag * sum(1 for _ in range(_poisson(self.rng, expected)))
        if self.rng.random() > 0.03:
            shown = min(100.0, max(0.0, min(self.fill, 100.0) + self.rng.gauss(0, 2)))
            self.told.append((at_ms, shown))


def _poisson(rng: random.Random, mean: float) -> int:
    limit, n, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        n += 1
        product *= rng.random()
    return n


def bins(n: int, seed: int) -> list[Bin]:
    return [Bin(random.Random(f"{seed}/{i}")) for i in range(n)]


def fixed(n: int, days: int, seed: int, every: int) -> tuple[int, int]:
    """Return (pick-ups, overflows) of rounds that empty everything every N days."""

    def due(one: Bin, day: int, now_ms: int) -> bool:
        return (day + one.rng_phase) % every == 0  # type: ignore[attr-defined]

    return _year(n, days, seed, due)


def by_forecast(n: int, days: int, seed: int, risk: float) -> tuple[int, int]:
    """Return (pick-ups, overflows) of a list made each morning."""

    def due(one: Bin, day: int, now_ms: int) -> bool:
        if day < 7:
            return day % 2 == 0  # nothing is known yet
        seen = one.told[-HISTORY_H:]
        if day % 7 == 0 or not hasattr(one, "pattern"):
            one.pattern = learn(seen, ZONE)  # type: ignore[attr-defined]
        found = forecast(seen[-3:], ZONE, one.pattern)  # type: ignore[attr-defined]
        return found is None or is_due(found, now_ms + 24 * HOUR_MS, risk)

    return _year(n, days, seed, due)


def _year(n: int, days: int, seed: int, due: object) -> tuple[int, int]:
    picks = overflows = 0
    found = bins(n, seed)
    for i, one in enumerate(found):
        one.rng_phase = i  # type: ignore[attr-defined]
    for hour in range(days * 24):
        at_ms = START_MS + hour * HOUR_MS
        is_round = local(at_ms, ZONE).hour == ROUND_HOUR
        for one in found:
            if is_round:
                overflows += one.fill > 100
                if due(one, hour // 24, at_ms):  # type: ignore[operator]
                    picks += 1
                    one.fill = 0.0
            one.hour(at_ms)
    return picks, overflows


def measure(n: int, days: int, seed: int, risk: float) -> dict[str, object]:
    rounds = {every: fixed(n, days, seed, every) for every in (1, 2, 3, 4)}
    picks, overflows = by_forecast(n, days, seed, risk)
    return {
        "bins": n,
        "days": days,
        "risk": risk,
        "forecast": {"pick_ups": picks, "overflows": overflows},
        "fixed": {str(every): {"pick_ups": p, "overflows": o} for every, (p, o) in rounds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bins", type=int, default=60)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--risk", type=float, default=RISK)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.bins, options.days, options.seed, options.risk)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    told = found["forecast"]
    print(f"by forecast      {told['pick_ups']:6d} pick-ups {told['overflows']:5d} overflows")  # type: ignore[index]
    for every, row in found["fixed"].items():  # type: ignore[attr-defined]
        print(f"every {every} days     {row['pick_ups']:6d} pick-ups {row['overflows']:5d} overflows")


if __name__ == "__main__":
    main()
