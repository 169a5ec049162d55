"""The codec's workshop: it trains on what the chip computes, reproducibly, and measures honestly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.codec_lab import baselines, first, train
from gateway.codec_lab.features import Plan, see, series_of, states
from gateway.codec_lab.profile import Profile
from gateway.codec_lab.recordings import Column
from wire.codec import v2_channel, v2_model, v2_tables

COLUMNS = [Column("pm1", 0.1, 0, 1000), Column("pm25", 0.1, 0, 1000), Column("t", 0.1, -40, 85)]
OPTION = "pm1:0.1:0:1000,pm25:0.1:0:1000,t:0.1:-40:85"


def _values(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pm1 = np.abs(np.cumsum(rng.integers(-6, 7, n))) + 40
    pm25 = pm1 + 20 + rng.integers(-2, 3, n)
    t = 150 + np.cumsum(rng.integers(-1, 2, n))
    return np.stack([pm1, pm25, t], axis=1)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rows = ["node,time,pm1,pm25,t"]
    rows += [
        f"a,{1_700_000_100 // 300 * 300 + 300 * i},{a / 10},{b / 10},{c / 10}"
        for i, (a, b, c) in enumerate(_values(900).tolist())
    ]
    path = tmp_path / "street.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["codec", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_training_sees_exactly_what_the_chip_will_see() -> None:
    plans = [
        Plan(0, 10000, 3.0, crosses=(1, 2)),
        Plan(0, 10000, 2.0, 0, (0, 2)),
        Plan(-400, 850, 0.6, crosses=(0, 1)),
    ]
    values = _values(30)
    values[12] = [3000, 2500, -200]
    series = series_of(values[None], plans)
    seen = [see(c, plans, [states(series[..., k], p) for k, p in enumerate(plans)]) for c in range(3)]
    channels = []
    for plan in plans:
        channel = v2_channel.Channel()
        channel.inverse_q8, channel.scale_q4 = plan.inverse_q8, plan.scale_q4
        channel.log_scale = v2_channel.log2_q4(plan.scale_q4 + 1)
        channel.zero = v2_channel.BASE_ZERO if plan.has_base else 0
        channel.high = 65535 if plan.has_base else plan.raw_max - plan.raw_min
        channel.crosses = plan.crosses
        channels.append(channel)
    held = [[0] * v2_channel.STATE_WORDS for _ in plans]
    for state, channel in zip(held, channels, strict=True):
        v2_model.clear(state, channel)
    out = [0] * 64
    for i, row in enumerate(series[0].tolist()):
        for c, value in enumerate(row):
            if i:
                n = v2_model.features(c, channels, held, out)
                assert [x / 16 for x in out[:n]] == seen[c].features[i - 1].tolist()
                n = v2_model.place_terms(c, channels, held, out)
                assert [x / 16 for x in out[:n]] == seen[c].terms[i - 1].tolist()
                v2_model.advance(held[c], value)
            else:
                v2_model.begin(held[c], value)


def test_the_gradient_is_that_of_the_code_length() -> None:
    rng = np.random.default_rng(3)
    plans = [Plan(0, 10000, 4.0, crosses=(1,)), Plan(0, 10000, 3.0)]
    series = series_of(_values(40)[None, :, :2], plans)
    seen = see(0, plans, [states(series[..., k], p) for k, p in enumerate(plans)])
    weights = train.start(seen, rng)
    for name in weights:
        weights[name] = weights[name] + rng.normal(size=weights[name].shape) * 0.02
    rows = len(seen.differences)
    data = (
        seen.features.astype(float),
        seen.terms.astype(float),
        seen.position,
        seen.differences.astype(float),
        np.full(rows, seen.scale_log),
    )
    gradient = train.bits(weights, *data)[1]
    for name, found in gradient.items():
        for at in rng.integers(0, found.size, 4):
            shifted = {k: v.copy() for k, v in weights.items()}
            shifted[name].reshape(-1)[at] += 1e-5
            more = train.bits(shifted, *data)[0].mean()
            shifted[name].reshape(-1)[at] -= 2e-5
            less = train.bits(shifted, *data)[0].mean()
            assert found.reshape(-1)[at] == pytest.approx((more - less) / 2e-5, rel=2e-3, abs=2e-5), name


def test_training_is_reproducible_and_what_it_makes_beats_rice(recording: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for out in (one, two):
        _run("train", recording, "--out", out, "--columns", OPTION, "--until", 0.7, "--steps", 300)
    assert Profile.load(one).table == Profile.load(two).table
    report = json.loads(_run("measure", recording, "--profile", one, "--from", 0.7, "--json"))
    records = report["records_per_frame"]
    assert records["meetnet v2"] > records["rice"] > records["packed"] > records["lpp"]
    assert report["bytes_12_records"] < 51
    assert report["profile_table_bytes"] == len(Profile.load(one).table) < 4096


def test_profiles_are_compared_where_they_were_not_trained(recording: Path, tmp_path: Path) -> None:
    rows = ["node,time,coarse,pm1,t"]
    start = 1_700_000_100 // 300 * 300
    rows += [
        f"{node},{start + 300 * i},{b / 10},{a / 10},{c / 10}"
        for seed, node in ((5, "b"), (6, "c"))
        for i, (a, b, c) in enumerate(_values(500, seed).tolist())
    ]
    other = tmp_path / "other" / "train.csv"
    other.parent.mkdir()
    other.write_text("\n".join(rows) + "\n")
    option = OPTION.replace("pm25:", "pm25|coarse:")
    few = ("--columns", option, "--steps", 150, "--frames", 12, "--json")
    report = json.loads(_run("transfer", recording, other, *few))
    places = {row["place"]: row for row in report["places"]}
    assert len(places) == 2
    for row in places.values():
        assert set(row["by_profile"]) == {*places, "all"}
        assert all(records > 5 for records in row["by_profile"].values())
    nodes = json.loads(_run("transfer", other, *few))["places"]
    assert [row["place"] for row in nodes] == ["b", "c"]


def test_a_recording_is_measured_without_a_profile_beside_what_is_known_of_the_baselines(
    recording: Path,
) -> None:
    records = json.loads(_run("measure", recording, "--columns", OPTION, "--json"))["records_per_frame"]
    # Cayenne LPP: 3 channels of 4 bytes; packed: 14 + 14 + 11 bits after two bytes
    assert records["lpp"] == 4
    assert records["packed"] == 49 * 8 // (14 + 14 + 11)
    assert "meetnet v2" not in records


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("measure", "{file}"), "--columns"),
        (("measure", "{file}", "--columns", "co2:1:0:5000"), "no column co2"),
        (("measure", "{file}", "--columns", "t:0.1:0"), "name:resolution:least:most"),
        (("measure", "{file}", "--columns", "t:0.1:85:-40"), "65535 steps"),
        (("measure", "{file}", "--profile", "nowhere"), "toco5"),
        (("measure", "{file}.gone", "--columns", OPTION), "cannot be read"),
        (("transfer", "{file}", "--columns", OPTION), "a single node"),
    ],
)
def test_what_cannot_be_measured_is_said(recording: Path, arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, ["codec", *(a.replace("{file}", str(recording)) for a in arguments)])
    assert result.exit_code == 1
    assert said in result.output


def test_lec_and_gorilla_take_the_bits_of_their_descriptions() -> None:
    # LEC (Marcelloni, Vecchio 2009, table 1): differences 0, 1, -3 cost 2, 3 + 1, 3 + 2 bits
    column = [Column("x", 1, 0, 20)]
    values = np.array([[10], [11], [8]])
    assert baselines.lec(column, values, 2 + 1) == 2  # 2 + 4 bits fit a byte, 5 more do not
    assert baselines.lec(column, values, 2 + 2) == 3
    # Gorilla: the first value whole, an equal one a single bit
    assert baselines.gorilla(column, np.full((9, 1), 5), 2 + 4) == 1
    assert baselines.gorilla(column, np.full((9, 1), 5), 2 + 5) == 9


def test_first_values_cost_what_their_bins_say() -> None:
    values = np.concatenate([np.full(500, 999), np.arange(500)])
    prior = first.fit(0, values[:, None], 1000)
    assert sum(prior.masses) == v2_tables.MASSES
    assert first.cost(np.array([999]), prior, 1000) < 1.5  # half of all
    assert first.cost(np.array([250]), prior, 1000) < 10.5  # a thousandth of all: 9.97 bits
    assert first.cost(np.array([5000]), prior, 1000) > 13


def test_the_shipped_profile_reaches_on_recordings_what_was_promised(shared: object) -> None:
    path = shared("data/aq_toco/train.csv")  # type: ignore[operator]
    report = json.loads(
        _run("measure", path, "--profile", "toco5", "--mean", 300, "--from", 0.8, "--frames", 30, "--json")
    )
    records = report["records_per_frame"]
    # On later recordings per-frame Rice holds 20.6 and 25.0 are asked for (reference payload-codec.md): 1.21
    assert records["meetnet v2"] / records["rice"] > 1.21
