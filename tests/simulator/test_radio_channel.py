"""The air frame by frame is the same air as the columns', and gateways and nodes stand in it."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.channel.frame import LORAWAN_SYNC_WORD, Frame, Tuning
from simulator.channel.loss import PathLoss
from simulator.channel.model import Outcome, RadioModel
from simulator.channel.radio import RadioChannel
from simulator.channel.tables import PATH_LOSS
from simulator.places import Place, Places
from tests.simulator.radio_cases import GATEWAY, Traffic

ROOF = Place("gateway", height_m=2.0)


def test_frame_by_frame_it_is_the_same_model() -> None:
    """One truth: the same frames through RadioChannel and through the columns of a fleet."""
    traffic = Traffic(40, 300, sf=9, every_s=10.0, radius_m=3000.0, length=20)
    columns = traffic.run(RadioModel())
    places = traffic.places()
    sites = [
        Place(n, float(x), float(y)) for n, x, y in zip(places.names, places.x_m, places.y_m, strict=True)
    ]
    radio = RadioChannel(RadioModel(), GATEWAY)
    nodes = [radio.at(site) for site in sites]
    roof = radio.gateway(0)
    air = traffic.air()
    sent = []
    for k in range(len(air)):
        frame = Frame(int(air.start_us[k]), int(air.freq_hz[k]), 9, 125, bytes(20), 14.0)
        sent.append((frame, int(air.sender[k])))
    events = sorted(
        [(f.start_us, 1, i) for i, (f, _) in enumerate(sent)]
        + [(f.end_us, 0, i) for i, (f, _) in enumerate(sent)]
    )
    got: dict[int, int] = {}
    for _, is_start, i in events:
        frame, sender = sent[i]
        if is_start:
            nodes[sender].transmit(frame)
        else:
            got[i] = roof.received(frame, None)
    assert [got[i] for i in range(len(sent))] == (columns.outcome[:, 0] == Outcome.RECEIVED).tolist()
    assert 0 < sum(got.values()) < len(sent)
    assert sum(radio.outcomes.values()) == len(sent)


def a_downlink(start_us: int, power_dbm: float = 14.0) -> Frame:
    return Frame(start_us, 868_100_000, 9, 125, bytes(17), power_dbm, inverted=True, crc=False)


TUNING = Tuning(868_100_000, 9, 125, True, LORAWAN_SYNC_WORD, ldro=False)


def test_a_node_hears_a_gateway_that_is_near_enough() -> None:
    """Oulu's path loss, 14 dBm: SF9 reaches 5.4 km at the node's -130 dBm."""
    model = RadioModel(path_loss=PathLoss(PATH_LOSS["oulu"], fading_db=0.0))
    radio = RadioChannel(model, Places.of([ROOF]))
    near, far = radio.at(Place("near", 100.0)), radio.at(Place("far", 90_000.0))
    frame = a_downlink(1_000_000)
    radio.gateway(0).transmit(frame)
    for node, hears in ((near, True), (far, False)):
        assert node.audible(TUNING, 0, 2_000_000, node) == ([frame] if hears else [])
        assert node.received(frame, node) is hears


def test_a_gateway_is_deaf_while_it_sends_and_the_other_one_is_not() -> None:
    model = RadioModel(path_loss=PathLoss(PATH_LOSS["oulu"], fading_db=0.0))
    radio = RadioChannel(model, Places.of([ROOF, Place("second", 50.0)]))
    node = radio.at(Place("node", 200.0))
    down = a_downlink(1_000_000)
    radio.gateway(0).transmit(down)
    up = Frame(1_010_000, 867_100_000, 9, 125, bytes(20))
    node.transmit(up)
    assert [radio.gateway(k).received(up, None) for k in (0, 1)] == [False, True]
    assert radio.outcomes == {"deaf": 1, "received": 1}


def test_interference_and_lost_frames() -> None:
    radio = RadioChannel(RadioModel(path_loss=PathLoss(PATH_LOSS["oulu"], fading_db=0.0)), Places.of([ROOF]))
    node = radio.at(Place("node", 2000.0))
    radio.disturb(Place("welder", 30.0), 0, 3_000_000, 868_100_000, 400, 10.0)
    first = Frame(1_000_000, 868_100_000, 7, 125, bytes(20))
    second = Frame(2_000_000, 867_500_000, 7, 125, bytes(20))
    for frame in (first, second):
        node.transmit(frame)
        assert radio.gateway(0).received(frame, None) is (frame is second)
    assert radio.outcomes["jammed"] == 1
    radio.loses = lambda _frame: True
    third = Frame(4_000_000, 868_100_000, 7, 125, bytes(20))
    node.transmit(third)
    assert not radio.gateway(0).received(third, None)


def test_duty_cycle_is_watched_on_both_sides() -> None:
    radio = RadioChannel(RadioModel(), Places.of([ROOF]))
    node = radio.at(Place("node"))
    for k in range(30):
        node.transmit(Frame(k * 3_000_000, 868_100_000, 12, 125, bytes(51)))
    radio.gateway(0).transmit(Frame(200_000_000, 869_525_000, 12, 125, bytes(17), inverted=True, crc=False))
    worst = radio.duty.worst()
    assert worst[radio.sender(Place("node"))] == pytest.approx(30 * 2.465792 / 36, rel=0.01)
    assert worst[radio.sender(ROOF)] < 0.01


def test_rssi_and_snr_follow_the_distance() -> None:
    radio = RadioChannel(RadioModel(path_loss=PathLoss(PATH_LOSS["oulu"], fading_db=0.0)), Places.of([ROOF]))
    readings = []
    for k, x_m in enumerate((100.0, 10_000.0)):
        node = radio.at(Place(f"n{k}", x_m))
        frame = Frame(k * 5_000_000, 868_100_000, 12, 125, bytes(20))
        node.transmit(frame)
        radio.gateway(0).received(frame, None)
        readings.append(radio.gateway(0).link(frame, None))
    assert readings[0][0] - readings[1][0] > 20
    assert readings[0][1] > readings[1][1]
    assert np.all(np.array(readings)[:, 1] <= 12.0)
