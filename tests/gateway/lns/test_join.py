"""Joins: a device made of liblora against our join server, in virtual time."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.lns import LnsSettings
from tests.gateway.lns.street import run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


def test_a_join_is_accepted_in_rx1_on_the_same_channel_after_five_seconds(path):
    async def play(street):
        device = street.device()
        street.hear(device.join_request(), sf=9, frequency_hz=868_300_000, timestamp_us=4_294_967_000)
        downlink = await street.downlink()
        assert downlink.timestamp_us == 4_294_967_000 + 5_000_000 - 2**32
        assert (downlink.frequency_hz, downlink.spreading_factor) == (868_300_000, 9)
        accept = device.take_accept(downlink.phy)
        assert accept["RxDelay"] == 1 and accept["DLSettings"] == 0 and accept["NetID"] == 0
        assert accept["CFList"] == bytes.fromhex("184f84e85684b85e84886684586e8400")

    assert run(path, play).counters.get("lns.join_accepts") == 1


def test_settings_reach_the_device(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        assert device.accept["RxDelay"] == 5
        assert device.accept["DLSettings"] == 0x23
        assert device.accept["NetID"] == 1 and device.dev_addr >> 25 == 1
        assert device.accept["CFList"] is None

    run(path, play, LnsSettings(net_id=1, rx1_delay_s=5, rx1_dr_offset=2, rx2_dr=3, extra_channels_hz=()))


def test_rx2_takes_the_accept_that_rx1_cannot(path):
    async def play(street):
        device = street.device()
        street.gateways.answers = ["COLLISION_PACKET"]
        street.hear(device.join_request(), timestamp_us=1000)
        await asyncio.sleep(1)
        refused, taken = street.gateways.sent
        assert refused.phy == taken.phy
        assert (taken.timestamp_us, taken.frequency_hz, taken.spreading_factor) == (
            6_001_000,
            869_525_000,
            12,
        )
        device.take_accept(taken.phy)

    run(path, play)


def test_join_nonces_rise_and_a_dev_nonce_is_used_once(path):
    async def play(street):
        device = street.device()
        nonces = []
        for _ in range(3):
            await street.join(device)
            nonces.append(device.accept["AppNonce"])
        assert nonces == sorted(set(nonces))
        device.dev_nonce -= 1
        street.hear(device.join_request())
        await street.silence()
        device.dev_nonce = 0
        street.hear(device.join_request())
        await street.silence()

    assert run(path, play).counters.get("lns.dev_nonce_reused") == 2


def test_a_device_whose_memory_was_erased_joins_after_a_reset(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        nonce = device.accept["AppNonce"]
        device.dev_nonce = 0
        await street.server.reset_join(device.dev_eui)
        await street.join(device)
        assert device.accept["AppNonce"] > nonce

    run(path, play)


def test_foreign_and_forged_joins_are_counted_and_unanswered(path):
    async def play(street):
        stranger = street.device(2)
        del street.keys.devices[stranger.dev_eui]
        forger = street.device(3)
        forger.app_key = bytes(16)
        lost = street.device(4)
        lost.join_eui = "0000000000000001"
        for device in (stranger, forger, lost):
            street.hear(device.join_request())
        street.hear(street.device(5).join_request()[:-1])
        await street.silence()

    counters = run(path, play).counters
    for cause in ("unknown_dev_eui", "join_mic_mismatch", "join_eui_mismatch", "truncated"):
        assert counters.get(f"lns.{cause}") == 1, cause


def test_one_request_heard_by_three_gateways_is_one_join(path):
    async def play(street):
        device = street.device()
        request = device.join_request()
        for gateway_id, snr_db in (("a" * 16, -3.0), ("b" * 16, 8.0), ("c" * 16, None)):
            street.hear(request, gateway_id, snr_db=snr_db)
        assert (await street.downlink()).gateway_id == "b" * 16

    assert run(path, play).counters.get("lns.dev_nonce_reused") == 0


def test_devices_get_different_addresses(path):
    async def play(street):
        devices = [street.device(n) for n in range(1, 41)]
        for device in devices:
            street.hear(device.join_request(), frequency_hz=867_100_000 + 200_000 * (device.dev_nonce % 5))
        await asyncio.sleep(1)
        by_eui = {street.keys.devices[d.dev_eui].dev_eui: d for d in devices}
        assert len(by_eui) == len(street.gateways.sent) == 40
        assert len({s.dev_addr for s in street.store.load().sessions}) == 40

    run(path, play)


def test_no_key_is_in_a_log_a_repr_or_a_counter(path, caplog):
    caplog.set_level("DEBUG")
    seen = []

    async def play(street):
        device = street.device(7)
        device.app_key = bytes(range(16))
        street.keys.devices[device.dev_eui] = type(street.keys.devices[device.dev_eui])(
            device.dev_eui, device.join_eui, device.app_key
        )
        await street.join(device)
        street.hear(device.uplink())
        await asyncio.sleep(1)
        seen.extend([device.app_key, device.nwk_s_key, device.app_s_key])
        texts = [repr(street.store.load()), repr(street.keys.devices), json.dumps(street.counters.snapshot())]
        for text in [*texts, caplog.text, repr(street.server.__dict__)]:
            for key in seen:
                assert key.hex() not in text and repr(key)[2:-1] not in text

    street = run(path, play)
    assert len(seen) == 3
    assert street.path.stat().st_mode & 0o077 == 0


def test_a_device_that_asks_again_before_any_uplink_of_it_was_heard_keeps_its_session(path):
    """It joined, its uplinks drowned, so it asks to join again; that answer is lost, and it speaks on."""

    async def play(street):
        device = street.device()
        await street.join(device)
        for _ in range(3):
            street.hear(device.join_request())
            await asyncio.sleep(10)  # the accept is sent, and not heard
        street.hear(device.uplink(b"still in the first", confirmed=True))
        assert device.take((await street.downlink()).phy).ack
        assert [uplink.payload for uplink in street.sink.uplinks] == [b"still in the first"]

    run(path, play)
