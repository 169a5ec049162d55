"""The rules against figures from datasheets and manuals."""

from __future__ import annotations

import re

import pytest

from gateway.commissioning import words
from gateway.commissioning.model import Check, Neighbour, Position, worst
from gateway.commissioning.rules import (
    against_neighbours,
    bin_geometry,
    distance_m,
    indoors,
    position,
    sensors,
    signal,
    spreading_factor,
    tilt,
    wifi,
)
from gateway.model import Reception, Uplink


def uplinks(*heard: dict[str, float], data_rate: str = "SF9BW125") -> list[Uplink]:
    """One uplink for each {gateway: snr_db}."""
    return [
        Uplink(
            "lns",
            "00" * 8,
            1,
            b"",
            number,
            number,
            tuple(Reception(g, -100.0, s, 868100000, data_rate) for g, s in one.items()),
        )
        for number, one in enumerate(heard)
    ]


@pytest.mark.parametrize(
    ("heard", "verdict", "reason"),
    [
        # Floor of SF9: -12.5 dB. Margins 10.5 by two gateways; 3; 7; 12 by one; 16 by one.
        (({"a": -2.0, "b": -9.0},) * 3, "green", "signal_good"),
        (({"a": -9.5, "b": -12.0},) * 3, "red", "signal_weak"),
        (({"a": -5.5, "b": -9.0},) * 3, "amber", "signal_thin"),
        (({"a": -0.5},) * 3, "amber", "signal_one_gateway"),
        (({"a": 3.5},) * 3, "green", "signal_good"),
        (({"a": 3.5},) * 2, "waiting", "signal_waiting"),
        ((), "waiting", "signal_waiting"),
        (
            ({"a": 9.0, "b": 9.0}, {"a": 9.0, "b": 8.0}, {"a": -9.0}),
            "red",
            "signal_weak",
        ),  # the weakest counts
    ],
)
def test_signal(heard: tuple[dict[str, float], ...], verdict: str, reason: str) -> None:
    found = signal(uplinks(*heard))
    assert (found.verdict, found.reason) == (verdict, reason)


def test_the_margin_is_told_by_the_spreading_factor_in_use() -> None:
    # SX1276 datasheet table 13: -7.5 dB at SF7, -20 dB at SF12. DR5 and DR0 of EU868 are the same.
    for rate, floor in (("SF7BW125", -7.5), ("DR5", -7.5), ("SF12BW125", -20.0), ("DR0", -20.0)):
        found = signal(uplinks(*({"a": floor + 6.0},) * 3, data_rate=rate))
        assert (found.verdict, found.figures["margin_db"]) == ("amber", 6.0), rate
    assert spreading_factor("DR6") is spreading_factor("FSK50") is spreading_factor(None) is None
    assert signal(uplinks(*({"a": 5.0},) * 3, data_rate="LR-FHSS")).verdict == "waiting"


def test_tilt_by_kind_and_its_error() -> None:
    found = tilt("bin", 10.0, 2700)
    assert found is not None
    assert found.verdict == "red"
    assert found.figures["error_mm"] == pytest.approx(41.7, abs=0.5)  # FloodNet: 2,700 mm at 10 degrees
    verdicts = {
        (kind, d): (tilt(kind, d) or Check("", "", "")).verdict
        for kind in ("bin", "air")
        for d in (1, 5, 15, 16)
    }
    assert verdicts == {
        ("bin", 1): "green", ("bin", 5): "amber", ("bin", 15): "red", ("bin", 16): "red",
        ("air", 1): "green", ("air", 5): "green", ("air", 15): "amber", ("air", 16): "red",
    }  # fmt: skip
    assert tilt("air", None) is None


def near(*values: float, away_m: float = 2000.0) -> list[Neighbour]:
    return [Neighbour(f"s{number}", value, away_m) for number, value in enumerate(values)]


def test_a_value_against_its_neighbours_is_the_buddy_check() -> None:
    around = near(10.0, 10.2, 9.9, 10.1, 10.0)  # spread below 1 K: MetObs' smallest deviation counts
    by = {value: against_neighbours("temperature", value, around) for value in (10.5, 13.0, 13.2, 16.3)}
    assert [check and check.verdict for check in by.values()] == ["green", "green", "amber", "red"]
    assert against_neighbours("temperature", 40.0, around[:3]) is None  # too few
    assert against_neighbours("temperature", 40.0, near(1, 2, 3, 4, away_m=10_001)) is None  # too far
    assert against_neighbours("soil_moisture", 40.0, around) is None  # soils differ


def test_a_room_is_noticed_and_a_warm_street_is_not() -> None:
    outside = {"temperature": near(5, 5, 6, 5), "relative_humidity": near(88, 90, 89, 90)}
    # Air of 5 degrees and 89 %, warmed to 20 degrees, has about 35 % (Magnus formula, Sonntag 1990).
    assert indoors({"temperature": 20.0, "relative_humidity": 35.0}, outside) is not None
    assert indoors({"temperature": 8.0, "relative_humidity": 75.0}, outside) is None
    assert indoors({"temperature": 20.0, "relative_humidity": 88.0}, outside) is None  # no room: a fault
    assert indoors({"temperature": 20.0}, outside) is None


def test_a_bin_has_a_depth() -> None:
    found = {d: bin_geometry(d, 1200, 200) for d in (1100, 1320, 1400, 80)}
    assert [check and check.verdict for check in found.values()] == ["green", "green", "red", "red"]
    assert bin_geometry(5000, None, None) is None


def test_position() -> None:
    here = (4.3517, 50.8466)  # Grote Markt, Brussels
    assert position(Position(4.3518, 50.8467, 8), *here).verdict == "green"
    assert position(Position(4.3525, 50.8466, 8), *here).verdict == "amber"  # some 56 m
    assert position(Position(4.3550, 50.8466, 8), *here).verdict == "red"
    assert position(Position(4.3517, 50.8466, 80), *here).reason == "position_vague"
    assert position(Position(0.0, 0.0, 5), *here).reason == "position_none"
    assert position(Position(0.0, 91.0, 5), *here).reason == "position_none"
    assert position(None, *here).verdict == "waiting"
    # Brussels (50.8503 N 4.3517 E) to Amsterdam (52.3676 N 4.9041 E) is 173 km.
    assert distance_m(4.3517, 50.8503, 4.9041, 52.3676) == pytest.approx(173_000, rel=0.01)


def test_sensors_and_wifi() -> None:
    assert sensors({}).verdict == "waiting"
    assert sensors({"pm2_5": "ok", "temperature": "warmup"}).verdict == "green"
    assert sensors({"pm2_5": "no_answer", "temperature": "ok"}).figures["names"] == "pm2_5"
    assert sensors({"pm2_5": "degraded"}).verdict == "amber"
    assert wifi(uplinks({}, {}, {})).verdict == "green"
    assert wifi(uplinks({})).verdict == "waiting"


def test_the_worst_counts() -> None:
    checks = [Check("a", verdict, "photo_good") for verdict in ("green", "amber", "waiting", "red")]
    assert [worst(checks[:n]) for n in range(5)] == ["waiting", "green", "amber", "waiting", "red"]


def test_every_sentence_has_the_same_places_in_every_language() -> None:
    places = re.compile(r"\{(\w+)\}")
    for reason, texts in words.REASONS.items():
        found = [sorted(places.findall(text)) for text in texts]
        assert found[0] == found[1] == found[2], reason
        assert len(set(texts)) == 3, reason
    assert words.sentence(Check("tilt", "red", "tilt_much", {"degrees": 15.5, "limit": 8.0}), "nl") == (
        "Het toestel hangt 15,5° scheef; meer dan 8° mag niet. Zet het recht met een waterpas."
    )
    assert "noise" not in words.sentence(
        Check("place", "red", "other_kind", {"kind": "noise", "site_kind": "air"}), "fr"
    )
