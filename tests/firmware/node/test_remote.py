"""Configuration by downlink: get, set on trial, kept when heard, reverted when not, cut at every step."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import config as configuration
from node import remote as module
from node.power import PowerGuard
from node.remote import Remote
from wire import commands
from wire.measurements import BATTERY
from wire.record import OK

BEFORE = {"schema": 1, "kind": "air", "board": "sim_air", "interval_s": 300, "note": "kept as it is"}
MINUTE_MS = 60_000


class PowerCutError(BaseException):
    pass


class Store:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def load(self, name: str) -> bytes | None:
        return self.values.get(name)

    def save(self, name: str, value: bytes) -> None:
        self.values[name] = bytes(value)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps(BEFORE))
    return Store()


def boot(store: Store) -> Remote:
    return Remote(configuration.load(Path("config.json").read_text())[0], store)


def running() -> dict[str, Any]:
    return json.loads(Path("config.json").read_text())


def results(remote: Remote) -> list[tuple[int, str, int]]:
    told = [commands.unpack_result(a) for a in remote.answers if a[0] == commands.RESULT]
    remote.answers.clear()
    return [(token, commands.OUTCOMES[outcome], key) for token, outcome, key, _hash in told]


def set_interval(seconds: int = 900, token: int = 7, minutes: int = 10) -> bytes:
    return commands.pack_set(token, minutes, [("interval_s", seconds)])


def test_get_tells_values_and_the_hash_of_the_configuration(house: Store) -> None:
    remote = boot(house)
    remote.command(commands.pack_get(5, ["interval_s", "confirm_every"]))
    token, config_hash, values = commands.unpack_values(remote.answers[0])
    assert (token, values) == (5, [(1, 300), (2, 16)])
    assert config_hash == configuration.load(json.dumps(BEFORE))[0].hash4()


def test_a_set_that_is_heard_is_kept(house: Store) -> None:
    remote = boot(house)
    remote.command(set_interval())
    assert remote.reset_due
    remote = boot(house)
    assert results(remote) == [(7, "on_trial", 0)]
    remote.heard()
    assert results(remote) == [(7, "kept", 0)]
    remote.check(1000 * MINUTE_MS)
    assert not remote.reset_due
    assert results(boot(house)) == []
    assert running() == BEFORE | {"interval_s": 900}


def test_a_set_that_is_not_heard_is_reverted(house: Store) -> None:
    boot(house).command(set_interval(minutes=10))
    remote = boot(house)
    # Ten minutes were given, but a node with 15 minutes from record to record has three chances.
    remote.check(55 * MINUTE_MS)
    assert not remote.reset_due
    remote.check(55 * MINUTE_MS + 1)
    assert remote.reset_due
    assert running() == BEFORE
    assert results(boot(house)) == [(7, "reverted", 0)]
    assert results(boot(house)) == []


def test_a_node_that_keeps_losing_its_power_goes_back_too(house: Store) -> None:
    boot(house).command(set_interval(minutes=255))
    boots = 0
    while running() != BEFORE:
        boot(house)
        boots += 1
        assert boots < 20
    assert results(boot(house)) == [(7, "reverted", 0)]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ("03 01 0a 63 00000001", (1, "unknown_key", 0x63)),
        ("03 01 0a 01 00000009", (1, "out_of_range", 1)),
        ("03 01 0a 02 00000010 01 7fffffff", (1, "out_of_range", 1)),
        ("03 01 0a 01 0000012c", (1, "kept", 0)),  # what runs already
        ("01 01 63", (1, "unknown_key", 0x63)),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(
    house: Store, payload: str, answer: tuple[int, str, int]
) -> None:
    remote = boot(house)
    remote.command(bytes.fromhex(payload))
    assert results(remote) == [answer]
    assert not remote.reset_due
    assert running() == BEFORE


@pytest.mark.parametrize(
    "payload", ["", "03", "03 01 00 01 00000384", "03 01 0a 01 000003", "ff", "02 00 00000000"]
)
def test_broken_payloads_are_ignored(house: Store, payload: str) -> None:
    remote = boot(house)
    remote.command(bytes.fromhex(payload))
    assert (remote.answers, remote.reset_due, running()) == ([], False, BEFORE)


def test_a_second_set_during_a_trial_is_refused_and_the_same_one_told_again(house: Store) -> None:
    boot(house).command(set_interval())
    remote = boot(house)
    results(remote)
    remote.command(set_interval(600, token=8))
    remote.command(set_interval())
    assert results(remote) == [(8, "busy", 0), (7, "on_trial", 0)]


def test_a_flash_that_refuses_is_told(house: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = boot(house)

    def refuse(*_: object) -> None:
        raise OSError(28)

    monkeypatch.setattr(house, "save", refuse)
    remote.command(set_interval())
    assert results(remote) == [(7, "storage", 0)]
    assert running() == BEFORE


@pytest.mark.parametrize("heard", [True, False])
def test_a_power_cut_at_every_step_leaves_one_configuration_and_tells_the_truth(
    house: Store, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    """Each write, rename and removal of a trial is once the last thing that happens, and once not at all."""
    real: dict[str, Callable[..., Any]] = {"rename": os.rename, "remove": os.remove, "save": house.save}
    real_open = open
    steps = itertools.count()
    cut_at = -1

    def step(action: Callable[[], Any]) -> Any:
        number = next(steps)
        if 2 * number == cut_at:
            raise PowerCutError
        done = action()
        if 2 * number + 1 == cut_at:
            if hasattr(done, "close"):
                done.close()  # an empty file is what the cut leaves
            raise PowerCutError
        return done

    monkeypatch.setattr(module.os, "rename", lambda *a: step(lambda: real["rename"](*a)))
    monkeypatch.setattr(module.os, "remove", lambda *a: step(lambda: real["remove"](*a)))
    monkeypatch.setattr(house, "save", lambda *a: step(lambda: real["save"](*a)))
    monkeypatch.setattr(
        module, "open", lambda *a: step(lambda: real_open(*a)) if a[1:] else real_open(*a), raising=False
    )
    outcomes = set()
    for cut in range(40):
        house.values.clear()
        Path("config.json").write_text(json.dumps(BEFORE))
        for name in ("config.prev", "config.new"):
            Path(name).unlink(missing_ok=True)
        steps = itertools.count()
        cut_at = cut
        told: list[tuple[int, str, int]] = []
        try:
            boot(house).command(set_interval())
            remote = boot(house)
            told += results(remote)
            remote.heard() if heard else remote.check(99 * MINUTE_MS)
        except PowerCutError:
            pass
        cut_at = -1
        for _ in range(12):  # whatever follows, it ends, and the last word is what runs
            remote = boot(house)
            told += results(remote)
            if remote.on_trial:
                remote.heard() if heard else remote.check(99 * MINUTE_MS)
                told += results(remote)
        assert running() in (BEFORE, BEFORE | {"interval_s": 900})
        if told:
            assert told[-1][1] == ("kept" if running() != BEFORE else "reverted") or told[-1][1] == "on_trial"
        assert house.values.get("trial") in (None, b"\x00")
        if not heard:
            assert running() == BEFORE
        outcomes.add(running()["interval_s"])
    assert outcomes == ({300, 900} if heard else {300})


@pytest.mark.parametrize(
    ("mv", "level"), [(None, 255), (3000, 1), (3300, 1), (3750, 127), (4200, 254), (4300, 254)]
)
def test_the_level_that_dev_status_tells(mv: int | None, level: int) -> None:
    """TS001-1.0.4 section 5.5: 1 is the minimum, 254 the maximum, 255 cannot be measured."""
    guard = PowerGuard(0)
    if mv is not None:
        guard.update([(BATTERY, mv, OK)])
    assert guard.level() == level
