"""What a node takes, and what it refuses: owner, key, board, age, damage, room; base images; any bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.update.bundle import (
    Bundle,
    Release,
    build_application,
    build_base,
    build_config,
    build_files,
)
from gateway.update.keys import public_bytes
from node import config as configuration
from node.base_image import BaseImage
from node.inbox import Inbox
from node.remote import Remote
from node.slots import Slots
from node.updates import Updates
from tests.dual_scripts.node_life import Store
from wire import ports, update

KEY = ec.derive_private_key(5, ec.SECP256R1())
OTHER = ec.derive_private_key(6, ec.SECP256R1())
TARGET = (2, 6, "c3_air")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps({"schema": 1, "interval_s": 300}))
    (tmp_path / "source" / "node").mkdir(parents=True)
    (tmp_path / "source" / "node" / "start.py").write_text("new = 1\n" * 500)
    return tmp_path


def _updates(store: Store | None = None, **more: Any) -> Updates:
    store = store or Store()
    options: dict[str, Any] = {"key": public_bytes(KEY), "allowed": True} | more
    return Updates(
        store, Slots(store), Inbox(), TARGET, options.pop("key"), options.pop("allowed"), **options
    )


def _offer(bundle: Bundle, **more: int) -> bytes:
    values = {
        "id": bytes.fromhex(bundle.id), "kind": bundle.head.kind, "way": update.PULL,
        "serial": bundle.head.serial, "size": len(bundle.data), "trial_min": 60, "port": 80,
    }  # fmt: skip
    return update.pack_offer(update.Offer(*(values | more).values()))


def _states(updates: Updates) -> list[tuple[str, str]]:
    told = [update.unpack_state(p) for port, p in updates.answers if port == ports.COMMANDS]
    updates.answers.clear()
    return [(update.STATES[state], update.REASONS[reason]) for _, state, reason, _ in told]


def _run(updates: Updates, data: bytes, offer: bytes) -> list[tuple[str, str]]:
    """Offer, fetch and work until nothing more happens; return what was told."""
    first = updates.offer(offer)
    told = [] if first is None else [first]
    while (wanted := updates.fetches) is not None and updates.fetched(wanted[2], data[wanted[2] :][:4096]):
        pass
    while updates.works:
        updates.work()
    found = [update.unpack_state(p) for p in told]
    return [(update.STATES[row[1]], update.REASONS[row[2]]) for row in found] + _states(updates)


def _application(house: Path, key: Any = KEY, **release: Any) -> Bundle:
    return build_application(house / "source", Release((1, 2, 3), **({"serial": 7} | release)), key)


def test_a_good_application_waits_for_its_moment_and_is_kept_when_it_is_heard(house: Path) -> None:
    store, bundle = Store(), _application(house)
    updates = _updates(store)
    told = _run(updates, bundle.data, _offer(bundle))
    assert (told[0], told[-1]) == (("loading", "none"), ("ready", "none"))
    assert (house / "app_a" / "node" / "start.py").read_text() == "new = 1\n" * 500
    updates.heard()  # of the application before: that proves nothing
    updates.go()
    updates.heard()
    assert updates.reset_due
    again = _updates(store)
    assert _states(again) == [("trial", "none")]
    again.heard()
    assert _states(again) == [("kept", "none")]
    assert Slots(store).serial == 7
    assert not (house / "update.part").exists()
    # What is older, or the same, is refused from now on, unless the release says otherwise.
    assert _run(_updates(store), bundle.data, _offer(bundle))[-1] == ("refused", "older")
    older = _application(house, serial=6, downgrade=True)
    assert _run(_updates(store), older.data, _offer(older))[-1] == ("ready", "none")


def test_one_that_is_not_heard_goes_back_after_its_trial_or_three_intervals(house: Path) -> None:
    store, bundle = Store(), _application(house)
    updates = _updates(store)
    _run(updates, bundle.data, _offer(bundle))
    updates.go()
    again = _updates(store, interval_s=3600)
    again.check(190 * 60_000)
    assert not again.reset_due
    again.check(190 * 60_000 + 1)
    assert again.reset_due
    last = _updates(store)
    assert _states(last) == [("reverted", "not_heard")]
    assert last.fetches is None  # it is not tried again by itself


def test_what_is_not_for_this_node_is_refused_with_the_reason(house: Path) -> None:
    good = _application(house)
    damaged = bytearray(good.data)
    damaged[-5] ^= 1
    forged = _application(house, OTHER)
    board = _application(house, board="heltec3_bin")
    cases: list[tuple[Updates, bytes, bytes, str]] = [
        (_updates(allowed=False), good.data, _offer(good), "owner"),
        (_updates(key=b""), good.data, _offer(good), "no_key"),
        (_updates(), forged.data, _offer(forged), "signature"),
        (_updates(), bytes(damaged), _offer(good), "damaged"),
        (_updates(), board.data, _offer(board), "not_for_this_board"),
        (_updates(free_bytes=lambda: 20_000), good.data, _offer(good, size=30_000), "no_room"),
        (_updates(), good.data, _offer(good, serial=9), "damaged"),  # the offer is not what was signed
        (_updates(), good.data, _offer(good, kind=update.FILES), "damaged"),
    ]
    for updates, data, offer, reason in cases:
        assert _run(updates, data, offer)[-1] == ("refused", reason), reason
        assert updates.fetches is None
    assert not (house / "app_a" / "whole").exists()


def test_an_offer_that_was_taken_is_taken_up_after_a_power_cut_and_can_be_cancelled(house: Path) -> None:
    store, bundle = Store(), _application(house)
    updates = _updates(store)
    updates.offer(_offer(bundle))
    half = (len(bundle.data) // 2048) * 1024
    if half:
        updates.fetched(0, bundle.data[:half])
    again = _updates(store)
    wanted = again.fetches
    assert wanted is not None
    assert wanted[2] == half
    answer = again.cancel(update.pack_cancel(bytes.fromhex(bundle.id)))
    assert answer is not None
    assert update.unpack_state(answer)[1:3] == (update.REFUSED, update.CANCELLED)
    assert _updates(store).fetches is None


def test_files_come_all_or_none(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.bin", "b/c.bin"):
        path = house / "blobs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    bundle = build_files(house / "blobs", Release((1, 0, 0), 3), KEY)
    store = Store()
    updates = _updates(store)
    assert _run(updates, bundle.data, _offer(bundle))[-1] == ("ready", "none")
    renames = []

    def cut(old: str, new: str) -> None:
        if renames:
            raise KeyboardInterrupt  # the power goes between the two
        renames.append(new)
        Path(old).rename(new)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "rename", cut)
        updates.go()
    _updates(store)
    assert (house / "data" / "a.bin").read_bytes() == b"a.bin" * 100
    assert (house / "data" / "b" / "c.bin").read_bytes() == b"b/c.bin" * 100


def test_a_configuration_is_tried_as_that_of_a_downlink(house: Path) -> None:
    store = Store()
    bundle = build_config({"interval_s": 600, "mqtt": {"port": 8883}}, Release((1, 0, 0), 4), KEY)

    def boot() -> tuple[Updates, Remote]:
        remote = Remote(configuration.load(Path("config.json").read_text())[0], store)
        return _updates(store, remote=remote), remote

    updates, remote = boot()
    assert _run(updates, bundle.data, _offer(bundle))[-1] == ("ready", "none")
    updates.go()
    assert remote.reset_due
    updates, remote = boot()
    assert _states(updates) == [("trial", "none")]
    remote.heard()
    updates.heard()
    assert _states(updates) == [("kept", "none")]
    written = json.loads(Path("config.json").read_text())
    assert (written["interval_s"], written["mqtt"]["port"]) == (600, 8883)


class Partition:
    """esp32.Partition of a board with two partitions for applications."""

    RUNNING = 1
    good = 0

    def __init__(self, which: object = None) -> None:
        del which
        self.data = bytearray(b"\xff" * 65536)
        self.booted = False

    def get_next_update(self) -> Partition:
        return self

    def info(self) -> tuple[int, int, int, int, str, bool]:
        return (0, 16, 0, len(self.data), "ota_1", False)

    def writeblocks(self, block: int, data: bytes) -> None:
        self.data[block * 4096 : block * 4096 + len(data)] = data

    def readblocks(self, block: int, buf: bytearray) -> None:
        buf[:] = self.data[block * 4096 : block * 4096 + len(buf)]

    def set_boot(self) -> None:
        self.booted = True

    @classmethod
    def mark_app_valid_cancel_rollback(cls) -> None:
        cls.good += 1


def test_a_base_image_goes_to_the_other_partition_and_is_marked_good_when_heard(house: Path) -> None:
    image = house / "micropython.bin"
    image.write_bytes(b"\xe9" + bytes(range(256)) * 40)
    bundle = build_base(image, "rv32imc", Release((1, 0, 0), 8), KEY)
    base, store = BaseImage(Partition), Store()
    updates = _updates(store, base=base)
    assert _run(updates, bundle.data, _offer(bundle))[-1] == ("ready", "none")
    assert bytes(base._next.data[: image.stat().st_size]) == image.read_bytes()
    updates.go()
    assert base._next.booted
    assert updates.reset_due
    before = Partition.good
    again = _updates(store, base=base)
    again.heard()
    assert Partition.good == before + 1
    assert _states(again)[-1] == ("kept", "none")
    assert _run(_updates(), bundle.data, _offer(bundle))[-1] == ("refused", "not_supported")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_from_below_change_nothing(house: Path, payloads: list[bytes]) -> None:
    updates = _updates()
    bundle = _application(house)
    updates.offer(_offer(bundle, way=update.FRAGMENTS))
    for payload in payloads:
        updates.fragment(payload)
        updates.fragment(b"\x08" + payload)
    assert updates.slots.slot == 0
    assert not updates.ready
