"""A fleet is what the firmware is: same bytes from same inputs, same traffic; none lost, none twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.app import Gateway
from gateway.errors import IngestError
from gateway.model import Uplink
from simulator.channel.loss import PathLoss
from simulator.channel.model import RadioModel
from simulator.channel.tables import PATH_LOSS
from simulator.city import Town
from simulator.fleet import FleetConfig, town
from simulator.fleet.node import Habits
from simulator.fleet.outbox import Outbox
from simulator.fleet.plan import gateways
from simulator.fleet.telling import status_payload
from simulator.interfaces import Observer
from simulator.places import Place
from simulator.plan import PlannedNode, plan
from simulator.street import Street
from tests.system.fleet_house import Run, run_fleet
from tests.system.house import run_house
from wire import codec, ports
from wire.record import TIME_NETWORK, Record
from wire.status import decode_status

START_S = 1_789_999_200  # a whole hour
SEED = 5
ROOF = Place("gateway", 0.0, 0.0, 25.0)
INTERVAL_S = 300
NODES, VIRTUAL_S = 4, 5400
# fields of a status that follow from the moment, and those that do not
MOMENT = ("boots", "battery_mv", "uptime_s", "waiting", "failures", "last_failure", "time_age_h")
LASTING = (
    "firmware", "reset_cause", "boots", "flags", "config_hash", "dropped", "crashes", "sensors", "blocks"
)  # fmt: skip


def fleet_of(
    folder: Path,
    planned: Sequence[PlannedNode],
    virtual_s: float,
    habits: Habits,
    observer: Observer | None = None,
) -> Run:
    def make(there: Path, server: tuple[str, int]) -> FleetConfig:
        return FleetConfig(
            there,
            planned,
            (ROOF,),
            seed=SEED,
            semtech_udp=server,
            city=Town(SEED),
            habits=habits,
            power_on_s=2.0,
        )

    return run_fleet(folder, make, virtual_s, START_S, on_event=observer)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[Uplink]:
    """Real firmware in the fleet's town and air: what the network server handed on."""
    uplinks: list[Uplink] = []

    async def listen(gateway: Gateway, street: Street) -> None:
        accept_all = gateway.log.accept_all

        async def spy(rows: Sequence[Uplink]) -> Sequence[IngestError]:
            uplinks.extend(rows)
            return await accept_all(rows)

        gateway.log.accept_all = spy  # type: ignore[method-assign]
        await asyncio.sleep(0)

    run_house(
        tmp_path_factory.mktemp("real"),
        nodes=NODES,
        virtual_s=VIRTUAL_S,
        start_s=START_S,
        interval_s=INTERVAL_S,
        seed=SEED,
        meanwhile=listen,
        city=Town(SEED),
        radio=RadioModel(),
    )
    lorawan = {node.dev_eui for node in plan(NODES, SEED) if node.transport == "lorawan"}
    return [uplink for uplink in uplinks if uplink.dev_eui in lorawan]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, str, str]]:
    """The same nodes in the same hour as a fleet: its events."""
    events: list[tuple[int, str, str, str]] = []
    planned = [node for node in plan(NODES, SEED) if node.transport == "lorawan"]
    fleet_of(
        tmp_path_factory.mktemp("fleet"),
        planned,
        VIRTUAL_S,
        Habits(INTERVAL_S, batch=1),
        lambda *event: events.append(event),
    )
    return events


def payloads(fleet: list[tuple[int, str, str, str]], port: int) -> dict[str, list[tuple[int, bytes]]]:
    """Return (time in us, payload) of each uplink of a fleet on a port, by node."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for at_us, node, kind, text in fleet:
        words = text.split(" ")
        if kind == "uplink" and words[1] == str(port):
            found.setdefault(node, []).append((at_us, bytes.fromhex(words[4])))
    return found


def received(real: list[Uplink], port: int) -> dict[str, list[tuple[int, bytes]]]:
    """Return (time in us, payload) of each uplink of real firmware on a port, by node; each payload once."""
    name = {node.dev_eui: node.name for node in plan(NODES, SEED)}
    found: dict[str, dict[bytes, int]] = {}
    for uplink in real:
        if uplink.f_port == port:
            found.setdefault(name[uplink.dev_eui], {}).setdefault(
                uplink.payload, uplink.received_at_ms * 1000
            )
    return {node: [(at, payload) for payload, at in rows.items()] for node, rows in found.items()}


@pytest.mark.mpy
@pytest.mark.slow
def test_given_the_same_records_a_fleet_sends_the_same_bytes(real: list[Uplink]) -> None:
    """Each payload of real firmware, opened, goes through the fleet's outbox and comes out byte for byte."""
    compared = 0
    for node, rows in received(real, ports.RECORDS).items():
        for at_us, payload in rows:
            now_s = at_us // 1_000_000
            records: list[Record] = codec.decode(payload, now_s)
            box = Outbox(codec=2, batch=1)
            for record in records:
                box.add(record.seq, record.seq)
            by_seq = {record.seq: record for record in records}
            frame = box.frame(by_seq.__getitem__, 222, now_s)
            assert frame is not None
            assert frame.payload == payload, (node, records)
            compared += 1
    assert compared > 60


@pytest.mark.mpy
@pytest.mark.slow
def test_given_the_same_state_a_fleet_tells_its_status_in_the_same_bytes(
    real: list[Uplink], fleet: list[tuple[int, str, str, str]]
) -> None:
    """Each status of real firmware, with its blocks: the fleet's of the same moment is equal to the bit."""
    planned = {node.name: node for node in plan(NODES, SEED)}
    firmware, ours = received(real, ports.STATUS), payloads(fleet, ports.STATUS)
    assert {planned[name].kind for name in firmware} == {"air", "noise", "bin", "garden"}
    for name, rows in firmware.items():
        (_, mine), *_ = ours[name]
        for _, payload in rows:
            told = decode_status(payload)
            moment = {key: getattr(told, key) for key in MOMENT}
            assert status_payload(planned[name], {"interval_s": INTERVAL_S}, 222, **moment) == payload
        first, of_fleet = decode_status(rows[0][1]), decode_status(mine)
        assert [getattr(of_fleet, key) for key in LASTING] == [getattr(first, key) for key in LASTING], name
        assert of_fleet.battery_mv == pytest.approx(first.battery_mv, abs=1)


@pytest.mark.mpy
@pytest.mark.slow
def test_given_the_same_town_a_fleet_measures_the_same(
    real: list[Uplink], fleet: list[tuple[int, str, str, str]]
) -> None:
    """Records of both, by node and time: within what an earlier or repeated reading may differ."""
    tolerance = {
        5: 3,
        6: 3,
        15: 4,
        16: 0,
        17: 1,
        50: 6,
    }  # of temperature, humidity, distance, tips, battery, dew point

    def records(rows: dict[str, list[tuple[int, bytes]]]) -> dict[tuple[str, int], Record]:
        found: dict[tuple[str, int], Record] = {}
        for node, sent in rows.items():
            for at_us, payload in sent:
                for record in codec.decode(payload, at_us // 1_000_000):
                    found[node, record.time_s] = record
        return found

    ours, theirs = records(payloads(fleet, ports.RECORDS)), records(received(real, ports.RECORDS))
    on_the_rhythm = [key for key in ours if key in theirs and key[1] % INTERVAL_S == 0]
    assert len(on_the_rhythm) > 55
    identical = 0
    for key in on_the_rhythm:
        mine, real_one = ours[key], theirs[key]
        assert mine.seq == real_one.seq and mine.time_quality == real_one.time_quality, key
        assert [row[0] for row in mine.readings] == [row[0] for row in real_one.readings], key
        for (measurement, value, state), (_, expected, expected_state) in zip(
            mine.readings, real_one.readings, strict=True
        ):
            assert state == expected_state, key
            if measurement in tolerance:
                assert abs(value - expected) <= tolerance[measurement], (key, measurement)
            elif measurement <= 4:  # particulate matter: the mean of some seconds
                assert value == pytest.approx(expected, rel=0.1, abs=5), (key, measurement)
            elif measurement == 7:  # LAeq: a second of audio lies across two of the town's seconds
                assert abs(value - expected) <= 50, key
        identical += mine == real_one
    assert identical >= 10  # gardens and bins, for the most part


@pytest.mark.mpy
@pytest.mark.slow
def test_a_fleet_talks_like_real_firmware(real: list[Uplink], fleet: list[tuple[int, str, str, str]]) -> None:
    """How many frames, how long, when after the measurement: medians and means."""
    ours, theirs = payloads(fleet, ports.RECORDS), received(real, ports.RECORDS)
    assert set(ours) == set(theirs)

    def flat(rows: dict[str, list[tuple[int, bytes]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = np.array([len(sent) for _, sent in sorted(rows.items())])
        sizes = np.array([np.mean([len(p) for _, p in sent]) for _, sent in sorted(rows.items())])
        after = np.array([at_us / 1e6 % INTERVAL_S for sent in rows.values() for at_us, _ in sent[2:]])
        return counts, sizes, after

    (n, size, after), (real_n, real_size, real_after) = flat(ours), flat(theirs)
    assert np.abs(n - real_n).max() <= 2
    assert np.abs(size - real_size).max() <= 1.5
    # spread over a tenth of the interval, both
    for offsets in (after, real_after):
        assert np.quantile(offsets, 0.95) < INTERVAL_S / 10 + 12
        assert np.median(offsets) == pytest.approx(INTERVAL_S / 20, abs=6)
    assert len(payloads(fleet, ports.STATUS)) == len(received(real, ports.STATUS)) == len(ours)


def counted(run: Run) -> None:
    """Check the three sides against each other."""
    stored = set(run.stored)
    assert len(stored) == len(run.stored), "twice"
    assert not run.received - stored, "lost"
    assert not stored - run.received, "out of nowhere"
    assert not stored - run.measured
    assert run.duty_worst <= 1.0


def a_town(folder: Path, nodes: int, seed: int, virtual_s: float, settle_ms: int = 250) -> Run:
    planned = town(nodes, seed, 4000.0)

    def make(there: Path, server: tuple[str, int]) -> FleetConfig:
        return FleetConfig(
            there,
            planned,
            gateways(4, 4000.0),
            seed=seed,
            semtech_udp=server,
            power_on_s=600,
            habits=Habits(interval_s=900, batch=2),
            settle_ms=settle_ms,
        )

    return run_fleet(folder, make, virtual_s, START_S, lns__rx1_delay_s=5 if settle_ms > 250 else 1)


@pytest.mark.slow
def test_three_hundred_nodes_for_an_hour_lose_nothing_that_was_received(tmp_path: Path) -> None:
    run = a_town(tmp_path, 300, 1, 3600, settle_ms=3000)
    counted(run)
    assert len(run.measured) >= 300 * 4
    assert len(run.stored) > 700
    assert run.outcomes["collided"] > 0 and run.outcomes["weak"] > 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_events(tmp_path: Path) -> None:
    """Also where answers crowd at the one gateway: which thread of the server was faster is not to show."""

    def crowd(name: str, seed: int) -> Run:
        def make(there: Path, server: tuple[str, int]) -> FleetConfig:
            roof, habits = gateways(1, 300.0), Habits(interval_s=900, batch=1)
            planned = town(100, seed, 300.0)
            return FleetConfig(
                there, planned, roof, seed=seed, semtech_udp=server, habits=habits, power_on_s=40
            )

        return run_fleet(tmp_path / name, make, 240, START_S)

    first, second, other = crowd("a", 3), crowd("b", 3), crowd("c", 4)
    assert first.digest == second.digest != other.digest
    counted(first)


@pytest.mark.slow
def test_a_street_that_is_switched_on_together_at_one_gateway_is_served(tmp_path: Path) -> None:
    """59 nodes in two seconds: the gateway is hardly asked for what it refuses, and everybody gets in."""
    planned = town(59, 1, 2000.0)

    def make(there: Path, server: tuple[str, int]) -> FleetConfig:
        roof = gateways(1, 2000.0)
        habits = Habits(interval_s=300, batch=1)
        return FleetConfig(
            there, planned, roof, semtech_udp=server, habits=habits, power_on_s=2, settle_ms=100
        )

    joined: set[str] = set()
    timed: set[str] = set()

    def note(_at_us: int, node: str, kind: str, text: str) -> None:
        if kind == "joined":
            joined.add(node)
        elif kind == "uplink" and text.startswith("port 1 "):
            record = codec.decode(bytes.fromhex(text.split(" ")[4]), _at_us // 1_000_000)[-1]
            if record.time_quality == TIME_NETWORK:
                timed.add(node)

    run = run_fleet(tmp_path, make, 1800, START_S, on_event=note)
    counted(run)
    assert len(joined) == len(timed) == 59
    # before the network server looked at what its gateway does: 173 refused, 223 joins
    assert run.counters.get("ingest.udp_tx_refused", 0) <= 25
    assert run.tally["joins"] <= 200


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_twenty_thousand_nodes_for_a_day(tmp_path: Path) -> None:
    planned = town(20_000, 1, 16_000.0)

    def make(there: Path, server: tuple[str, int]) -> FleetConfig:
        habits = Habits(interval_s=3600, batch=4)
        return FleetConfig(
            there,
            planned,
            gateways(40, 16_000.0),
            semtech_udp=server,
            habits=habits,
            power_on_s=4 * 3600,
            settle_ms=3000,
        )

    run = run_fleet(tmp_path, make, 86_400, START_S, lns__rx1_delay_s=5)
    counted(run)
    assert len(run.measured) > 20_000 * 20
    assert len(run.stored) > 0.6 * len(run.measured)


@pytest.mark.nightly
@pytest.mark.mpy
@pytest.mark.timeout(900)
def test_a_fleet_loses_as_much_as_real_firmware_on_the_same_bad_air(tmp_path: Path) -> None:
    """Twelve hours, 30 dB weaker, fading of 6 dB: the share of each node's frames lost, by their counters."""
    town_table = PATH_LOSS["town"]
    weaker = replace(town_table, antenna_gain_db=town_table.antenna_gain_db - 30.0)
    radio = RadioModel(path_loss=PathLoss(weaker, fading_db=6.0))
    planned = [node for node in plan(8, SEED) if node.transport == "lorawan"]

    def make(there: Path, server: tuple[str, int]) -> FleetConfig:
        return FleetConfig(
            there, planned, (ROOF,), seed=SEED, semtech_udp=server, city=Town(SEED), radio=radio,
            habits=Habits(180, batch=1), power_on_s=2.0,
        )  # fmt: skip

    run_fleet(tmp_path / "fleet", make, 12 * 3600, START_S)
    run_house(
        tmp_path / "real", nodes=8, virtual_s=12 * 3600, start_s=START_S, interval_s=180, seed=SEED,
        city=Town(SEED), radio=radio,
    )  # fmt: skip

    def lost(folder: Path) -> np.ndarray:
        with closing(sqlite3.connect(folder / "gateway" / "store.db")) as db:
            query = (
                "SELECT 1.0 * missed / (missed + uplinks) FROM devices WHERE source = 'lns' ORDER BY dev_eui"
            )
            return np.array([share for (share,) in db.execute(query)])

    fleet_lost, real_lost = lost(tmp_path / "fleet"), lost(tmp_path / "real")
    assert len(fleet_lost) == len(real_lost) == len(planned)
    assert real_lost.max() > 0.4 and real_lost.min() < 0.2  # near and far
    # Some 270 frames of each: a share of a half is known to within 0.06, twice; and which data rate a node
    # has for hours, and whether it joins again, is chance: of four hours 0.27 was seen.
    assert np.abs(fleet_lost - real_lost).max() < 0.25
    assert fleet_lost.mean() == pytest.approx(real_lost.mean(), abs=0.07)
    assert np.corrcoef(fleet_lost, real_lost)[0, 1] > 0.7
