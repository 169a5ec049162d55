"""Many devices at one gateway at once: it sends one thing at a time, and hears nothing while it sends.

Time on air by lora-airtime's formula of the SX1276 datasheet (section 4.1.1.7), not by our own tables.
"""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest

from gateway.model import LoraDownlink
from tests.gateway.lns.street import run

RX2_HZ = 869_525_000
OTHER = "aa555a0000000002"


def on_air_s(downlink: LoraDownlink) -> float:
    """Return the time on air of a frame without CRC, explicit header, coding rate 4/5, preamble of 8."""
    sf, low = downlink.spreading_factor, downlink.spreading_factor >= 11
    symbol_s = 2**sf / 125_000
    symbols = math.ceil((8 * len(downlink.phy) - 4 * sf + 28) / (4 * (sf - 2 * low)))
    return (8 + 4.25 + 8 + max(symbols * 5, 0)) * symbol_s


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


def test_a_gateway_is_never_asked_to_send_two_things_at_once(path):
    async def play(street):
        devices = [street.device(number) for number in range(1, 41)]
        for device in devices:
            await street.join(device)
            await asyncio.sleep(1)
        before = len(street.gateways.sent)
        for turn, device in enumerate(devices):  # 40 within three seconds
            street.hear(device.uplink(b"now", confirmed=True), sf=7 + turn % 3, frequency_hz=868_300_000)
            await asyncio.sleep(0.07)
        await asyncio.sleep(5)
        sent = street.gateways.sent[before:]
        assert 10 < len(sent) < 40
        spans = sorted((one.timestamp_us / 1e6, one.timestamp_us / 1e6 + on_air_s(one)) for one in sent)
        assert all(end_s <= start_s for (_, end_s), (start_s, _) in pairwise(spans))
        # in RX2 each would drown dozens: only the first can be answered there, before anybody sees a crowd
        assert sum(one.frequency_hz == RX2_HZ for one in sent) <= 1
        assert street.counters.get("lns.downlink_crowded") == 40 - len(sent)
        await asyncio.sleep(60)  # quiet again: whoever was passed by asks again and is answered
        for device in devices:
            street.hear(device.uplink(b"again", confirmed=True))
            assert device.take((await street.downlink()).phy).ack

    run(path, play)


def test_a_second_window_is_used_where_it_drowns_nobody(path):
    async def play(street):
        slow, quick = street.device(1), street.device(2)
        await street.join(slow)
        await street.join(quick)
        await asyncio.sleep(60)
        street.hear(slow.uplink(b"slow", confirmed=True), sf=12)
        await asyncio.sleep(0.7)  # its answer is on the air when RX1 of the other begins
        street.hear(quick.uplink(b"quick", confirmed=True))
        await asyncio.sleep(3)
        first, second = street.gateways.sent[-2:]
        assert (first.spreading_factor, second.frequency_hz, second.delay_s) == (12, RX2_HZ, 2)

    run(path, play)


@pytest.mark.parametrize(("snr_db", "by", "frequency_hz"), [(3.0, OTHER, 868_100_000), (-7.0, None, RX2_HZ)])
def test_another_gateway_that_heard_well_answers_before_the_slow_window_does(path, snr_db, by, frequency_hz):
    async def play(street):
        slow, quick = street.device(1), street.device(2)
        await street.join(slow)
        await street.join(quick)
        await asyncio.sleep(60)
        street.hear(slow.uplink(b"slow", confirmed=True), sf=12)
        await asyncio.sleep(0.7)
        phy = quick.uplink(b"quick", confirmed=True)
        street.hear(phy)
        street.hear(phy, OTHER, snr_db=snr_db)  # SF7 needs -7.5 dB
        await asyncio.sleep(3)
        last = street.gateways.sent[-1]
        own = street.gateways.sent[0].gateway_id
        assert (last.gateway_id, last.frequency_hz) == (by or own, frequency_hz)

    run(path, play)
