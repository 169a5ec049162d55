"""The ideal channel: who hears what, in world time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.channel.frame import Frame, Tuning
from simulator.channel.ideal import IdealChannel

TUNED = Tuning(868_100_000, 7, 125, True, 0x3444, False)


def downlink(start_us: int = 1000, **more) -> Frame:
    keywords = {"freq_hz": 868_100_000, "sf": 7, "bw_khz": 125, "inverted": True, "crc": False} | more
    return Frame(start_us=start_us, payload=b"\x60abc", **keywords)


def test_frames_last_as_long_as_published(shared: Callable[[str], Path]):
    rows = json.loads(shared("vectors/lorawan.json").read_text())["time_on_air"]["rows"]
    assert len(rows) > 10
    for row in rows:
        frame = Frame(
            start_us=5,
            freq_hz=868_100_000,
            sf=row["sf"],
            bw_khz=row["bw_hz"] // 1000,
            payload=bytes(row["phy_bytes"]),
            crc=row["crc"],
        )
        assert abs(frame.end_us - 5 - row["us"]) <= 1


def test_listeners_are_told_of_every_frame():
    channel = IdealChannel()
    heard: list[Frame] = []
    channel.subscribe(heard.append)
    frame = downlink()
    channel.transmit(frame)
    assert heard == [frame]


@pytest.mark.parametrize(
    "other",
    [
        {"freq_hz": 868_300_000},
        {"sf": 8},
        {"bw_khz": 250},
        {"inverted": False},
        {"inverted": None},
        {"sync_word": 0x1424},
        {"ldro": True},
    ],
)
def test_what_a_receiver_is_not_tuned_to_is_not_audible(other: dict):
    channel = IdealChannel()
    channel.transmit(downlink(**other))
    assert channel.audible(TUNED, 0, 10**9, object()) == []


def test_audible_frames_overlap_the_interval_and_come_by_start():
    channel = IdealChannel()
    late, early = downlink(2_000_000), downlink(1_000_000)
    for frame in (late, early):
        channel.transmit(frame)
    me = object()
    assert channel.audible(TUNED, 0, 3_000_000, me) == [early, late]
    assert channel.audible(TUNED, 0, 999_999, me) == []
    assert channel.audible(TUNED, early.end_us, 1_999_999, me) == []
    assert channel.audible(TUNED, early.end_us - 1, 1_999_999, me) == [early]


def test_nobody_hears_himself():
    channel = IdealChannel()
    me = object()
    channel.transmit(downlink(sender=me))
    assert channel.audible(TUNED, 0, 10**9, me) == []


def test_old_frames_are_forgotten():
    channel = IdealChannel()
    for i in range(1000):
        channel.transmit(downlink(i * 10_000_000))
    assert len(channel._frames) < 20


def test_a_frame_that_is_cut_is_damaged_and_ends():
    frame = downlink()
    frame.cut(frame.end_us)
    assert not frame.damaged
    frame.cut(5000)
    assert (frame.damaged, frame.end_us) == (True, 5000)
