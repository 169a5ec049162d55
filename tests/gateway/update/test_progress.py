"""How far a roll-out is, told to people: stages, who is behind and why, what may be done with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import UpdateError
from gateway.update import RolloutDesk, UpdateBook, build_config
from gateway.update.book import HALTED, RUNNING, Rollout
from gateway.update.bundle import Release
from gateway.update.desk import takers
from gateway.update.keys import public_hex
from gateway.update.progress import BY_HAND, Progress, progress
from gateway.update.rollout import Target, order

NOW = 10_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
KEY = ec.derive_private_key(77, ec.SECP256R1())
NAMES = [f"{n:016x}" for n in range(40)]
RANKED = order("aabbccdd", NAMES)


def look(changes: dict[int, Target] | None = None, state: str = RUNNING, **more: object) -> Progress:
    """Progress of a roll-out to forty devices; changes: targets by their place in its order."""
    targets = {dev: Target(dev, since_ms=NOW - HOUR) for dev in NAMES}
    for place, target in (changes or {}).items():
        targets[RANKED[place]] = replace(target, dev_eui=RANKED[place])
    rollout = Rollout("aabbccdd", NOW - HOUR, state, str(more.get("reason", "")), 86400.0, 720)
    refusing = {RANKED[place]: 1 for place in more.get("refusing", ())}  # type: ignore[attr-defined]
    events = {RANKED[place] for place in more.get("events", ())}  # type: ignore[attr-defined]
    return progress(rollout, targets, refusing, {}, events.__contains__, NOW)


def holds(found: Progress) -> list[str]:
    return [one.hold for one in found.devices]


def test_at_first_two_of_forty_may_have_it_and_the_others_wait_for_their_stage() -> None:
    found = look()
    assert holds(found) == ["next"] * 2 + ["stage"] * 38
    assert [(one.percent, one.devices, one.reached) for one in found.stages] == [
        (5, 2, True), (25, 8, False), (100, 30, False),
    ]  # fmt: skip
    assert found.touched == 0


def test_each_device_says_what_holds_it_up() -> None:
    found = look(
        {
            0: Target("", "kept", since_ms=NOW - 3 * HOUR, heard_ms=NOW),
            1: Target("", "ready", since_ms=NOW - HOUR),
        }
    )
    assert holds(found)[:3] == ["soak", "quiet", "stage"]
    assert found.devices[0].until_ms == NOW + 21 * HOUR
    assert found.touched == found.kept == 1
    old = Target("", "kept", since_ms=NOW - 2 * DAY, heard_ms=NOW)
    found = look({0: old, 1: old}, events=[2])
    assert holds(found)[:4] == ["kept", "kept", "event", "next"]
    assert holds(found)[10:] == ["stage"] * 30
    assert [one.reached for one in found.stages] == [True, True, False]
    found = look({0: Target("", "loading", since_ms=NOW - 4 * DAY), 1: Target("", "trial", since_ms=NOW)})
    assert holds(found)[:2] == ["absent", "trial"]
    assert found.touched == 1


def test_an_owner_who_said_no_is_left_out_and_in_no_stage() -> None:
    found = look(refusing=[0])
    assert found.devices[-1].dev_eui == RANKED[0]
    assert holds(found)[-1] == "owner"
    assert sum(stage.devices for stage in found.stages) == 39


def test_a_halt_by_a_failure_cannot_be_resumed_and_one_by_hand_can() -> None:
    back = Target("", "reverted", "crashed", since_ms=NOW)
    found = look({0: back}, HALTED, reason=f"{RANKED[0]}: reverted, crashed")
    assert holds(found)[:2] == ["back", "paused"]
    assert found.devices[0].reason == "crashed"
    assert not found.may_resume
    assert look({}, HALTED, reason=BY_HAND).may_resume
    assert holds(look({0: replace(back, state="kept", well=False)}))[0] == "unwell"


def test_the_desk_begins_pauses_goes_on_and_stops(tmp_path: Path) -> None:
    ours = [
        SimpleNamespace(dev_eui=dev, kind="air" if n % 2 else "garden", profile="")
        for n, dev in enumerate(NAMES)
    ]
    foreign = SimpleNamespace(dev_eui="ff" * 8, kind="air", profile="milesight")
    assert takers([*ours, foreign]) == ours
    desk = RolloutDesk(
        tmp_path, lambda: [*ours, foreign], dict, lambda _: False, lambda: NOW, public_hex(KEY)
    )
    assert desk.kinds() == {"air": 20, "garden": 20}
    bundle = build_config({"interval_s": 300}, Release((1, 0, 0), 5), KEY)
    book = UpdateBook(tmp_path)
    book.refuse(NAMES[1], NOW)
    _, count = desk.begin(bundle.data, ["air"], 24, 720)
    assert count == 19
    assert set(book.targets(bundle.id)) == set(NAMES[3::2])
    with pytest.raises(UpdateError, match="not under way"):
        desk.resume(bundle.id)
    desk.pause(bundle.id)
    assert book.offered(bundle.id) is None
    desk.resume(bundle.id)
    assert book.offered(bundle.id) is not None
    desk.stop(bundle.id)
    for act in (desk.pause, desk.resume, desk.stop):
        with pytest.raises(UpdateError):
            act(bundle.id)
    assert desk.one("00000000") is None
    book.set_state(bundle.id, HALTED, "ab: reverted, crashed")
    with pytest.raises(UpdateError, match="halted it"):
        desk.resume(bundle.id)
    book.close()


def test_what_nodes_would_not_believe_is_refused_before_it_goes_anywhere(tmp_path: Path) -> None:
    device = SimpleNamespace(dev_eui=NAMES[0], kind="air", profile="")
    desk = RolloutDesk(tmp_path, lambda: [device], dict, lambda _: False, lambda: NOW, public_hex(KEY))
    other = build_config(
        {"interval_s": 300}, Release((1, 0, 0), 5), ec.derive_private_key(78, ec.SECP256R1())
    )
    good = build_config({"interval_s": 300}, Release((1, 0, 0), 5), KEY)
    for data, kinds, soak_h, trial_min in (
        (b"", ["air"], 1, 60),
        (good.data[:-1], ["air"], 1, 60),
        (other.data, ["air"], 1, 60),
        (good.data, ["noise"], 1, 60),
        (good.data, ["air"], 721, 60),
        (good.data, ["air"], 1, 4),
    ):
        with pytest.raises(UpdateError):
            desk.begin(data, kinds, soak_h, trial_min)
    assert desk.all() == []
