"""How far a roll-out is, for people: its stages, who is behind and what holds each device up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.update import rollout as plan
from gateway.update.book import DONE, HALTED, RUNNING, STOPPED, Rollout
from gateway.update.rollout import Target

BY_HAND = "by hand"  # the reason of a halt that a person asked for
# What holds a device up, or how it ended.
OWNER, PAUSED, STAGE, ABSENT, EVENT = "owner", "paused", "stage", "absent", "event"
NEXT, LOADING, QUIET, TRIAL, SOAK = "next", "loading", "quiet", "trial", "soak"
KEPT, REFUSED, BACK, UNWELL = "kept", "refused", "back", "unwell"
MOST_LOOKED_AT = 50  # whether something is on at a site costs a reading of its day


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one device is. stage: from 0. hold: one of the words above. reason: what the node said.

    until_ms: when its soak ends (SOAK only). touched: whether it ever started the bundle.
    """

    dev_eui: str
    stage: int
    state: str
    hold: str
    reason: str
    since_ms: int
    heard_ms: int
    until_ms: int = 0

    @property
    def touched(self) -> bool:
        """Tell whether the bundle ever ran there."""
        return self.state in (plan.TRIAL, plan.KEPT, plan.REVERTED)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: how many devices are new in it, how many of those keep the bundle, and is it reached."""

    percent: int
    devices: int
    kept: int
    reached: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """A roll-out and all its devices, those of the first stage first."""

    rollout: Rollout
    stage: int
    stages: tuple[Stage, ...]
    devices: tuple[Standing, ...]

    @property
    def touched(self) -> int:
        """Return on how many devices the bundle ever started."""
        return sum(one.touched for one in self.devices)

    @property
    def kept(self) -> int:
        """Return how many devices keep it."""
        return sum(one.state == plan.KEPT for one in self.devices)

    @property
    def may_resume(self) -> bool:
        """Tell whether it can go on: a person halted it. One that a device's failure halted halts again."""
        return self.rollout.state == HALTED and self.rollout.reason == BY_HAND


def progress(
    rollout: Rollout,
    targets: Mapping[str, Target],
    refusing: Mapping[str, int],
    heard_ms: Mapping[str, int],
    is_event: Callable[[str], bool],
    now_ms: int,
) -> Progress:
    """Return how far a roll-out is. heard_ms: when each device was last heard, by the store.

    is_event(dev_eui): whether something is on at its site that an update must not miss.
    """
    part = {dev: target for dev, target in targets.items() if dev not in refusing}
    verdict = plan.judge(rollout.id, part, now_ms, rollout.soak_s)
    ranked = plan.order(rollout.id, part)
    sizes = [plan.share(len(ranked), percent) for percent in plan.STAGES_PERCENT]
    stage_of = {
        dev: next(n for n, size in enumerate(sizes) if place < size) for place, dev in enumerate(ranked)
    }
    last, looked = len(sizes) - 1, 0
    found: list[Standing] = []
    for dev in [*ranked, *sorted(set(targets) - set(ranked))]:
        target, stage = targets[dev], stage_of.get(dev, last)
        heard = max(target.heard_ms, heard_ms.get(dev, 0))
        until_ms = round(target.since_ms + rollout.soak_s * 1000)
        if dev in refusing:
            hold = OWNER
        else:
            hold = _hold(rollout, target, stage > verdict.stage, heard, until_ms, now_ms)
        if hold == NEXT and looked < MOST_LOOKED_AT:
            looked += 1
            hold = EVENT if is_event(dev) else NEXT
        ends = until_ms if hold == SOAK else 0
        found.append(Standing(dev, stage, target.state, hold, target.reason, target.since_ms, heard, ends))
    return Progress(rollout, verdict.stage, _stages(found, sizes, refusing, verdict.stage), tuple(found))


def _hold(rollout: Rollout, target: Target, is_later: bool, heard_ms: int, until_ms: int, now_ms: int) -> str:
    if target.state == plan.KEPT:
        if not target.well:
            return UNWELL
        return SOAK if rollout.state == RUNNING and now_ms < until_ms else KEPT
    if target.state in (plan.REVERTED, plan.REFUSED):
        return BACK if target.state == plan.REVERTED else REFUSED
    if rollout.state in (HALTED, STOPPED, DONE) and target.state in (plan.WAITING, plan.OFFERED):
        return PAUSED
    if now_ms - max(heard_ms, target.since_ms) > plan.ABSENT_S * 1000:
        return ABSENT
    if target.state in (plan.LOADING, plan.READY, plan.TRIAL):
        return {plan.LOADING: LOADING, plan.READY: QUIET}.get(target.state, TRIAL)
    return STAGE if is_later else NEXT


def _stages(
    found: Sequence[Standing], sizes: Sequence[int], refusing: Mapping[str, int], reached: int
) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for number, percent in enumerate(plan.STAGES_PERCENT):
        mine = [one for one in found if one.stage == number and one.dev_eui not in refusing]
        if mine:  # of a handful of devices the first stages are the same one
            kept = sum(one.state == plan.KEPT for one in mine)
            stages.append(Stage(percent, len(mine), kept, number <= reached))
    return tuple(stages)
