"""A store that refuses to save: no counter goes on the air that is not safe, and nothing crashes."""

from __future__ import annotations

import pytest

from tests.firmware.radio.rig import FlashStore
from tests.firmware.radio.server import Bench


def refuse(_store: FlashStore, _name: str, _data: bytes) -> None:
    raise OSError(28, "no space left")


def test_without_a_saved_dev_nonce_there_is_no_join_request():
    bench = Bench(join=False, duty_cycle=False)
    bench.store.on_save = refuse
    assert not bench.mac.join()
    assert bench.mac.reason.startswith("store")
    assert bench.join_requests == []
    bench.store.on_save = None
    assert bench.mac.join()


def test_without_a_reserved_counter_there_is_no_uplink():
    bench = Bench(duty_cycle=False)
    bench.store.on_save = refuse
    assert bench.mac.send(1, b"x").reason.startswith("store")
    assert bench.ups == []
    bench.store.on_save = None
    assert bench.mac.send(1, b"x").sent
    assert [up.fcnt for up in bench.ups] == [0]


def test_within_a_reserved_block_a_full_store_stops_nothing():
    bench = Bench(duty_cycle=False)
    bench.mac.send(1, b"x")
    bench.store.on_save = refuse
    bench.answer_once(lambda: bench.down(9, b"still here"))
    assert bench.mac.send(1, b"x").downlinks == [(9, b"still here")]
    assert bench.mac.storage_failures == 1


@pytest.mark.parametrize("block", [1, 2])
def test_a_store_that_fails_now_and_then_never_leads_to_a_counter_twice(block: int):
    bench = Bench(duty_cycle=False)
    saves = 0

    def sometimes(_store: FlashStore, _name: str, _data: bytes) -> None:
        nonlocal saves
        saves += 1
        if saves % 3:
            raise OSError(5, "flash")

    bench.store.on_save = sometimes
    for _ in range(30 * block):
        bench.mac.send(1, b"x")
        bench.mac = bench.make_mac()
    used = [up.fcnt for up in bench.ups]
    assert len(used) > 5
    assert len(set(used)) == len(used)
