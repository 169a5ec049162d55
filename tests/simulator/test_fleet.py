"""A fleet's NumPy sensors beside the firmware's drivers and kernels; its outbox; who lives in a town."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.sht4x import humidity_tenths, temperature_centi
from kernels.dewpoint import dew_point_centi as firmware_dew_point
from radio import mac_answers
from radio.session import Session
from simulator import loop as virtual
from simulator.chips.sht4x import _word
from simulator.city import Town
from simulator.fleet import street
from simulator.fleet.air import BURST
from simulator.fleet.mac import Chance, Downlink, Mac
from simulator.fleet.node import FleetNode, Habits
from simulator.fleet.outbox import Outbox
from simulator.fleet.plan import gateways, town
from simulator.fleet.sensors import IDS, KindSensors, dew_point_centi, sht4x
from simulator.fleet.street import FleetConfig, FleetStreet
from simulator.nodeproc import SimulatorError
from wire.lorawan import eu868, maccommands
from wire.measurements import by_id
from wire.record import OK, TIME_NETWORK, Record

START_US = 1_789_999_200_000_000


def test_sht4x_is_chip_and_driver() -> None:
    rng = np.random.default_rng(1)
    t, h = rng.uniform(-40, 60, 3000), rng.uniform(-3, 110, 3000)
    centi, tenths = sht4x(t, h)
    for k in range(len(t)):
        assert centi[k] == temperature_centi(_word((t[k] + 45.0) / 175.0))
        assert tenths[k] == humidity_tenths(_word((h[k] + 6.0) / 125.0))


def test_dew_point_is_the_kernels() -> None:
    rng = np.random.default_rng(2)
    t, h = rng.integers(-3000, 4500, 5000), rng.integers(20, 1001, 5000)
    ours = dew_point_centi(t, h)
    assert [int(v) for v in ours] == [firmware_dew_point(int(a), int(b)) for a, b in zip(t, h, strict=True)]


@pytest.mark.parametrize("kind", ["garden", "bin", "air", "noise"])
def test_a_day_of_a_kind_keeps_to_the_measurement_table(kind: str) -> None:
    planned = town(40, 1, 4000.0, ((kind, 1.0),))
    sensors = KindSensors(kind, planned, Town(3), START_US)
    rows = [sensors.measure(START_US + hour * 3_600_000_000) for hour in range(24)]
    for values in rows:
        for column, measurement in enumerate(IDS[kind]):
            row = by_id(measurement)
            assert row is not None
            assert row[4] <= values[:, column].min() and values[:, column].max() <= row[5], row[1]
    some = KindSensors(kind, planned, Town(3), START_US).measure(START_US, np.array([3, 7]))
    assert np.array_equal(some, rows[0][[3, 7]])


def test_first_measurements_in_chunks_are_those_one_by_one() -> None:
    planned = town(70, 1, 4000.0, (("garden", 1.0),))
    sensors = KindSensors("garden", planned, Town(3), START_US)
    times = START_US + np.arange(70) * 7_000_000
    together = sensors.measure_each(np.arange(70), times)
    for k in (0, 31, 32, 69):
        alone = KindSensors("garden", planned, Town(3), START_US)
        assert np.array_equal(together[k], alone.measure(int(times[k]), np.array([k]))[0])


def test_a_town_is_the_same_for_a_seed_and_in_its_square() -> None:
    nodes = town(2000, 7, 5000.0)
    assert nodes == town(2000, 7, 5000.0) != town(2000, 8, 5000.0)
    assert max(abs(node.place.x_m) for node in nodes) < 2510
    kinds = [node.kind for node in nodes]
    for kind, share in (("garden", 0.5), ("bin", 0.25), ("air", 0.15), ("noise", 0.1)):
        assert kinds.count(kind) / 2000 == pytest.approx(share, abs=0.04)
    assert len({node.dev_eui for node in nodes}) == 2000
    with pytest.raises(SimulatorError, match="nodes"):
        town(0)


def test_gateways_stand_on_a_grid() -> None:
    found = gateways(7, 3000.0)
    assert len({(place.x_m, place.y_m) for place in found}) == 7
    assert max(max(abs(place.x_m), abs(place.y_m)) for place in found) < 1500


def test_joins_fall_in_data_rate_and_never_repeat_a_nonce() -> None:
    mac = Mac("02" + "0" * 14, "02" + "1" * 14, "00" * 16, Chance(1))
    asked = [mac.join_request() for _ in range(8)]
    assert [dr for _, _, dr in asked] == [5, 4, 3, 2, 1, 0, 5, 4]
    assert len({phy for phy, _, _ in asked}) == 8
    assert {freq for _, freq, _ in asked} <= set(eu868.JOIN_CHANNELS_HZ)


def test_what_does_not_fit_a_frame_goes_out_later_and_once() -> None:
    """51 bytes, as at the slowest data rates: records of a noise node take as many frames as they need."""
    ids = IDS["noise"]
    records = {
        k: Record(k, 1_790_000_000 + 900 * k, TIME_NETWORK, [(i, 500 + k, OK) for i in ids[:-1]])
        for k in range(5)
    }
    box = Outbox(codec=1, batch=2)
    for k in records:
        box.add(k, k)
    sent: list[int] = []
    while (frame := box.frame(records.__getitem__, 51, None)) is not None:
        box.left(frame)
        sent += frame.refs
    while (frame := box.again_frame(records.__getitem__, 51, None)) is not None:
        box.left(frame)
        sent += frame.refs
    assert sorted(sent) == [0, 1, 2, 3, 4]
    assert sent[0] == 4  # the newest first


def test_a_wanted_record_that_is_gone_is_said_to_be() -> None:
    box = Outbox(codec=2, batch=1, next_seq=30)
    box.seqs = {k: k for k in range(20, 30)}
    box.want(15, 25)
    assert box.again == [20, 21, 22, 23, 24]
    assert box.told() == bytes.fromhex("210000000f0005")
    assert box.told() is None


class _Waits:
    """A world that only notes when a node wants to be called again."""

    def __init__(self) -> None:
        self.at_us: list[int] = []

    def again(self, node: int, at_us: int, *, closing: bool = False) -> None:
        self.at_us.append(at_us)

    def event(self, node: int, at_us: int, kind: str, text: str = "") -> None:
        """Nobody looks."""


def test_a_node_that_measures_waits_until_it_has_measured() -> None:
    """An air node begins half a minute early: meanwhile it must not ask to be called in the past."""
    world = _Waits()
    node = FleetNode(world, 0, town(1)[0], Habits(), 1)  # type: ignore[arg-type]
    node.power_on(START_US)
    end_us = START_US + 900_000_000
    for now_us in (end_us - 35_000_000, end_us - 20_000_000, end_us - 1):
        node.act(now_us, (end_us - 30_200_000, end_us))
        assert world.at_us[-1] > end_us


def test_orders_about_channels_are_obeyed_as_by_the_firmware() -> None:
    """Random NewChannelReq, DlChannelReq and LinkADRReq: the same answers, the same channels."""
    rng = np.random.default_rng(9)

    class Device:
        battery, margin_db = 255, 0

    for _ in range(40):
        ours = Mac("00" * 8, "00" * 8, "00" * 16, Chance(1))
        ours.dr = eu868.MAX_DEFAULT_DR
        theirs = Session(bytes(8), bytes(8), 0, 0, bytes(16), bytes(16))
        for _ in range(30):
            index, freq = int(rng.integers(0, 18)), int(rng.integers(8_600_000, 8_720_000))
            freq = 0 if rng.random() < 0.2 else freq
            low, high = int(rng.integers(0, 8)), int(rng.integers(0, 8))
            mask = int(rng.integers(0, 1 << 16))
            mask &= (7, 255, 65535)[int(rng.integers(0, 3))]
            order = (
                bytes([7, index]) + freq.to_bytes(3, "little") + bytes([high << 4 | low]),
                bytes([10, index]) + freq.to_bytes(3, "little"),
                bytes([3, 15 << 4 | 15]) + mask.to_bytes(2, "little") + b"\x01",
            )[int(rng.integers(0, 3))]
            answers, sticky = mac_answers.handle(theirs, order, Device())
            ours.answers = ours.sticky = b""
            ours._obey(maccommands.split(order, False), Downlink(None, b"", False, False))
            assert (ours.answers, ours.sticky) == (answers, sticky), order.hex()
            slots = {k: row for k, row in enumerate(theirs.channels.slots) if row is not None}
            assert (ours.channels, ours.mask, ours.dr) == (slots, theirs.channels.mask, theirs.dr)


@pytest.mark.parametrize("acknowledges", [True, False])
def test_what_is_heard_at_once_goes_out_as_fast_as_the_server_takes_it(
    tmp_path: Path, acknowledges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,000 datagrams in a breath, to a server whose socket holds some hundreds; or that never answers."""
    if not acknowledges:
        monkeypatch.setattr(street, "_PATIENCE_S", 0.5)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 19)
    server.bind(("127.0.0.1", 0))
    server.settimeout(1.0)
    taken = 0

    def serve() -> None:
        nonlocal taken
        while True:
            try:
                data, peer = server.recvfrom(4096)
            except TimeoutError:
                return
            if data[3] == 0:  # PUSH_DATA
                taken += 1
                time.sleep(0.0001)
                if acknowledges:
                    server.sendto(data[:3] + b"\x01", peer)

    async def live() -> float:
        fleet = FleetStreet(
            FleetConfig(tmp_path, town(1, 1, 100.0), gateways(2, 100.0), semtech_udp=server.getsockname())
        )
        async with fleet:

            def settle(_now_us: int) -> Iterator[None]:
                for n in range(4000):
                    fleet.air.forwarders[n % 2]._push({"rxpk": []})
                    if n % BURST == BURST - 1:
                        yield

            fleet.air.settle = settle  # type: ignore[method-assign]
            begin_s = time.monotonic()
            await fleet.settle(0)
            return time.monotonic() - begin_s

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        spent_s = virtual.run(live(), start_us=START_US)
    finally:
        thread.join(30)
        server.close()
    if acknowledges:
        assert taken >= 4000
    else:  # given up once, not fifteen times half a second
        assert spent_s < 4
