"""The radio model against what others published and against formulas that are not its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.channel import tables
from simulator.channel.demodulators import Demodulators
from simulator.channel.duty import DutyBook
from simulator.channel.listening import Listening
from simulator.channel.loss import PathLoss
from simulator.channel.model import Outcome, RadioModel, formula_sensitivity_dbm
from simulator.channel.tables import PATH_LOSS, PathLossTable
from simulator.channel.transmissions import NOISE, Transmissions
from simulator.places import Place, Places, from_degrees, to_degrees
from tests.simulator.radio_cases import GATEWAY, SLOW, Traffic

FLAT = PathLoss(PathLossTable(1.0, 0.0, 0.0, 0.0), fading_db=0.0)  # what is sent at -100 dBm arrives so
PLAIN = RadioModel(path_loss=FLAT)


def frames(*rows: tuple[int, int, int, float], freq_hz: int = 868_100_000) -> Transmissions:
    """Return frames of (start in us, air time in us, SF, power in dBm), each of a sender of its own."""
    start, air, sf, power = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Transmissions.of(start, air, np.full(n, freq_hz), sf, power.astype(float), np.arange(n))


def outcomes(air: Transmissions, model: RadioModel = PLAIN) -> list[str]:
    """Return what one gateway made of frames, by start."""
    senders = Places.of([Place(f"n{i}") for i in range(int(air.sender.max()) + 1)])
    listening = Listening(model, GATEWAY, senders)
    listening.add(air)
    return [Outcome(code).name for code in listening.ended().outcome[:, 0].tolist()]


@pytest.mark.parametrize("nodes", [64, 200, 400])
def test_without_capture_it_is_the_aloha_formula(nodes: int) -> None:
    traffic = Traffic(nodes, 400_000, coding_rate=SLOW)
    n = nodes * 400
    expected = traffic.aloha()
    assert traffic.extracted(RadioModel.aloha()) == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / n) + 0.01
    )


def test_lorasims_published_rates_of_two_hundred_nodes() -> None:
    """Bor et al. (MSWiM 2016, corrected version), SN1, N = 200: 0.51 without and 0.64 with capture."""
    traffic = Traffic(200, 300_000, coding_rate=SLOW)
    assert traffic.air_us == pytest.approx(1_712_130, abs=5)  # the same paper: 1712.13 ms
    assert traffic.extracted(RadioModel.aloha()) == pytest.approx(0.51, abs=0.02)
    found = [replace(traffic, seed=seed).extracted(RadioModel.lorasim()) for seed in (1, 2, 3)]
    assert np.mean(found) == pytest.approx(0.64, abs=0.02)


def test_lorasims_published_sixty_four_nodes_at_nine_tenths() -> None:
    """The same, SN3 (coding rate 4/5): 64 nodes are what a rate of 0.9 supports."""
    found = [Traffic(64, 500_000, seed=seed).extracted(RadioModel.lorasim()) for seed in (1, 2, 3, 4)]
    assert np.mean(found) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("preset", "sf", "range_m"),
    [("oulu", 7, 2994), ("oulu", 12, 10880), ("ns3", 7, 2920), ("ns3", 12, 6474), ("lorasim", 12, 545)],
)
def test_ranges_at_14_dbm_are_those_of_the_sources(preset: str, sf: int, range_m: int) -> None:
    """shared reference, ranges_check: recomputed there from the sources with node sensitivities.

    LoRaSim's there is taken with log10; its code, and our preset, take the natural logarithm.
    """
    table = replace(PATH_LOSS[preset], sigma_db=0.0)
    if preset == "lorasim":
        table = replace(table, exponent=2.08)
    loss = PathLoss(table, fading_db=0.0)
    places = Places.of([Place("near", range_m * 0.99), Place("far", range_m * 1.01)])
    near, far = 14.0 - loss.links_db(places, Places.of([Place("gateway")]))[:, 0]
    limit = tables.NODE_SENSITIVITY_DBM[sf - 7] if preset != "lorasim" else tables.NODE_SENSITIVITY_DBM[5]
    assert far < limit < near


def test_sensitivity_by_the_formula() -> None:
    """brocaar/lorawan `sensitivity`: -174 + 10 log10(125000) + 6 - 20 = -137.03 dBm at SF12."""
    assert formula_sensitivity_dbm(6.0)[5] == pytest.approx(-137.03, abs=0.005)
    assert formula_sensitivity_dbm(6.0)[0] == pytest.approx(-124.53, abs=0.005)
    weak = frames((0, 50_000, 7, -128.0), (100_000, 50_000, 7, -127.0))
    assert outcomes(weak) == ["WEAK", "RECEIVED"]  # gateway: -127.53 dBm


@pytest.mark.parametrize(("matrix", "capture_db"), [(tables.GOURSAUD_DB, 6.0), (tables.CROCE_DB, 1.0)])
def test_every_pair_of_spreading_factors_by_its_matrix(matrix: np.ndarray, capture_db: float) -> None:
    assert np.all(np.diag(matrix) == capture_db)
    model = RadioModel(path_loss=FLAT, rejection_db=matrix)
    for wanted in range(7, 13):
        for other in range(7, 13):
            needed = matrix[wanted - 7, other - 7]
            for margin, expected in ((0.3, "RECEIVED"), (-0.3, "COLLIDED")):
                air = frames((0, 4_000_000, other, -90.0), (10, 2_000_000, wanted, -90.0 + needed + margin))
                assert outcomes(air, model)[1] == expected, (wanted, other, margin)


def test_powers_of_interferers_add_up() -> None:
    air = frames((0, 900_000, 9, -97.0), (1, 900_000, 9, -97.0), (2, 900_000, 9, -90.0))
    assert outcomes(air) == ["COLLIDED", "COLLIDED", "COLLIDED"]  # 7 dB above each, 4 above both
    assert outcomes(air, RadioModel(path_loss=FLAT, additive=False))[2] == "RECEIVED"


def test_the_last_five_symbols_of_the_preamble_must_be_whole() -> None:
    """Bor et al. 2016, section 4.3; SF7: a symbol is 1,024 us."""
    late = frames((0, 50_000, 7, -90.0), (50_000 - 3 * 1024 - 1, 50_000, 7, -90.0))
    early = frames((0, 50_000, 7, -90.0), (50_000 - 3 * 1024 + 1, 50_000, 7, -90.0))
    assert outcomes(late)[1] == "COLLIDED"
    assert outcomes(early)[1] == "RECEIVED"
    assert outcomes(early)[0] == "COLLIDED"  # its own end was spoiled


def test_other_channels_do_not_disturb() -> None:
    a, b = frames((0, 50_000, 7, -90.0)), frames((0, 50_000, 7, -90.0), freq_hz=868_300_000)
    b.sender[:] = 1
    assert outcomes(Transmissions.joined([a, b])) == ["RECEIVED", "RECEIVED"]


def test_a_gateway_follows_eight_frames_and_no_ninth() -> None:
    rows = [(k * 1000, 400_000, 9, -90.0) for k in range(9)]
    parts = [frames(row, freq_hz=863_100_000 + 200_000 * k) for k, row in enumerate(rows)]
    for k, part in enumerate(parts):
        part.sender[:] = k
    air = Transmissions.joined(parts)
    assert outcomes(air) == ["RECEIVED"] * 8 + ["BUSY"]
    assert outcomes(air, RadioModel(path_loss=FLAT, demodulators=16)) == ["RECEIVED"] * 9


def test_demodulators_are_the_same_whether_asked_at_once_or_one_by_one() -> None:
    rng = np.random.default_rng(5)
    lock = np.sort(rng.integers(0, 10_000_000, 3000))
    end = lock + rng.integers(20_000, 60_000, 3000)
    together = Demodulators(8).take(lock, end)
    single = Demodulators(8)
    apart = [bool(single.take(lock[k : k + 1], end[k : k + 1])[0]) for k in range(len(lock))]
    assert together.tolist() == apart
    assert 0 < (~together).sum() < 3000


def test_a_gateway_that_sends_hears_nothing() -> None:
    air = frames((0, 50_000, 7, -90.0), (100_000, 50_000, 7, -90.0), (200_000, 50_000, 7, -90.0))
    listening = Listening(PLAIN, GATEWAY, Places.of([Place(f"n{i}") for i in range(3)]))
    listening.add(air)
    listening.gateway_sends(0, 140_000, 180_000)
    assert [Outcome(c).name for c in listening.ended().outcome[:, 0]] == ["RECEIVED", "DEAF", "RECEIVED"]


def test_noise_from_outside_takes_the_margin() -> None:
    """SF7 needs -7.5 dB: -100 dBm stands noise of -93 dBm, and not of -92."""
    for noise_dbm, expected in ((-93.0, "RECEIVED"), (-92.0, "JAMMED")):
        burst = frames((0, 900_000, 7, noise_dbm))
        burst.sf[:] = NOISE
        burst.sender[:] = 1
        air = Transmissions.joined([frames((1000, 50_000, 7, -100.0)), burst])
        assert outcomes(air) == [expected]


def test_asked_every_now_and_then_it_says_the_same_as_asked_once() -> None:
    traffic = Traffic(300, 1_000, sf=9, channels=3, every_s=20.0, radius_m=3000.0)
    once = traffic.run(RadioModel(demodulators=3))
    listening = Listening(RadioModel(demodulators=3), GATEWAY, traffic.places())
    air, found = traffic.air(), []
    at = 0
    for now_us in range(0, 1_001_000_000, 250_000):
        upto = int(np.searchsorted(air.start_us, now_us + 250_000))
        listening.add(air.take(np.arange(at, upto)))
        at = upto
        found.append(listening.ended(now_us))
    found.append(listening.ended())
    order = np.argsort(np.concatenate([part.air.start_us for part in found]), kind="stable")
    assert np.array_equal(np.concatenate([part.outcome for part in found])[order], once.outcome)
    assert np.array_equal(np.concatenate([part.rssi_dbm for part in found])[order], once.rssi_dbm)
    assert set(once.outcome[:, 0].tolist()) == {
        Outcome.RECEIVED,
        Outcome.WEAK,
        Outcome.COLLIDED,
        Outcome.BUSY,
    }


def test_shadowing_stays_with_a_link_both_ways_and_has_its_spread() -> None:
    loss = PathLoss(PATH_LOSS["town"], seed=3)
    nodes = Places.of([Place(f"n{i}", 1000.0) for i in range(4000)])
    roof = Places.of([Place("roof")])
    there = loss.links_db(nodes, roof)[:, 0]
    assert np.array_equal(there, loss.links_db(roof, nodes)[0])
    assert there.std() == pytest.approx(7.5, rel=0.05)
    assert there.mean() == pytest.approx(130.6, abs=0.5)
    assert not np.array_equal(there, PathLoss(PATH_LOSS["town"], seed=4).links_db(nodes, roof)[:, 0])


def test_duty_cycle_of_any_hour_by_sub_band() -> None:
    book = DutyBook()
    for k in range(12):
        book.book(1, 868_100_000, k * 300_000_000, 3_000_000)
    assert book.worst()[1] == pytest.approx(1.0)  # 36 s in an hour of 1 %
    assert book.wait_us(1, 868_300_000, 3_000_000, 3_400_000_000) == 200_000_000
    assert book.wait_us(1, 869_525_000, 3_000_000, 3_400_000_000) == 0  # 10 % of their own
    book.book(2, 868_900_000, 0, 3_601_000)
    assert book.worst()[2] > 1.0  # 0.1 %


def test_degrees_and_metres() -> None:
    """A degree of latitude is 111.195 km on the mean sphere."""
    x_m, y_m = from_degrees(3.72, 52.05, 3.72, 51.05)
    assert (x_m, round(y_m)) == (0.0, 111_195)
    there = to_degrees(*from_degrees(3.75, 51.07, 3.72, 51.05), 3.72, 51.05)
    assert there == pytest.approx((3.75, 51.07), abs=1e-9)
