"""The plan of a roll-out, without clocks and networks: who is next, and when it has to stop.

    canary (5 %) --all kept and well for a day--> a quarter --the same--> everybody
        one went back, refused as damaged, or is not well: halt, for a person to look

Who comes first is decided by a hash of roll-out and device, so it is not always the same street.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STAGES_PERCENT = (5, 25, 100)
SOAK_S = 24 * 3600.0
ABSENT_S = 3 * 24 * 3600.0

WAITING, OFFERED, LOADING, READY, TRIAL = "waiting", "offered", "loading", "ready", "trial"
KEPT, REVERTED, REFUSED = "kept", "reverted", "refused"
UNDER_WAY = (OFFERED, LOADING, READY, TRIAL)
# A node that cannot take it now or ever is passed by; all else that it refuses says that the bundle is bad.
HARMLESS = ("owner", "older", "no_room", "busy", "no_key", "battery", "not_supported", "cancelled")


@dataclass(frozen=True, slots=True)
class Target:
    """How far one device is. since_ms: when it came to this state. well: as far as it said since then."""

    dev_eui: str
    state: str = WAITING
    reason: str = ""
    since_ms: int = 0
    heard_ms: int = 0
    well: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: who may be offered it now, the stage, and why to halt ("" for not)."""

    allowed: frozenset[str]
    stage: int
    halt: str = ""
    done: bool = False


def share(count: int, percent: int) -> int:
    """Return how many devices a stage holds: rounded down, at least one."""
    return max(1, count * percent // 100) if count else 0


def order(rollout_id: str, devices: Iterable[str]) -> list[str]:
    """Return the devices in the order of this roll-out."""
    return sorted(devices, key=lambda dev: hashlib.sha256(f"{rollout_id}/{dev}".encode()).digest())


def judge(
    rollout_id: str,
    targets: Mapping[str, Target],
    now_ms: int,
    soak_s: float = SOAK_S,
    stages: tuple[int, ...] = STAGES_PERCENT,
) -> Verdict:
    """Say what may happen now. targets: every device that takes part, by DevEUI."""
    bad = [t for t in targets.values() if t.state == REVERTED]
    bad += [t for t in targets.values() if t.state == REFUSED and t.reason not in HARMLESS]
    bad += [t for t in targets.values() if t.state == KEPT and not t.well]
    ranked = order(rollout_id, targets)
    stage, members = 0, ranked[: share(len(ranked), stages[0])]
    for number, percent in enumerate(stages):
        stage, members = number, ranked[: share(len(ranked), percent)]
        if not all(_settled(targets[dev], now_ms, soak_s) for dev in members):
            break
    if bad:
        worst = bad[0]
        why = worst.reason or ("not well since" if worst.state == KEPT else worst.state)
        return Verdict(frozenset(), stage, f"{worst.dev_eui}: {worst.state}, {why}")
    done = all(_settled(target, now_ms, soak_s) for target in targets.values())
    return Verdict(frozenset(members), stage, done=done)


def _settled(target: Target, now_ms: int, soak_s: float) -> bool:
    """Tell whether a device holds its stage up no longer."""
    if target.state == KEPT:
        heard_since = target.heard_ms > target.since_ms
        return heard_since and now_ms - target.since_ms >= soak_s * 1000
    if target.state == REFUSED:
        return True
    # One that was never heard, or has been silent for days, is no reason to keep the others waiting.
    return now_ms - max(target.heard_ms, target.since_ms) > ABSENT_S * 1000
