"""Recordings as the source of chip models: each value from its time stamp on, clear words for bad files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.nodeproc import SimulatorError
from simulator.replay import Recording

_CSV = """node,time,pm25,t,no2
a,1000,1.5,20,9
a,1060,,21,9
a,1120,2.5,,9
b,1000,7,,9
"""


def recording(tmp_path: Path, text: str = _CSV) -> Recording:
    (tmp_path / "train.csv").write_text(text)
    return Recording.load(tmp_path)


def test_a_value_holds_from_its_time_until_the_next_and_gaps_are_not_filled(tmp_path: Path) -> None:
    source = recording(tmp_path).source("a")
    seen = [source("pm2_5_ug_m3", s * 1_000_000) for s in (0, 1000, 1059, 1060, 1119, 1120, 9999)]
    assert seen == [1.5, 1.5, 1.5, 1.5, 1.5, 2.5, 2.5]
    assert source("temperature_c", 1_060_000_000 - 1) == 20
    assert source("temperature", 1_060_000_000) == 21


def test_it_can_be_moved_in_time_and_shown_early(tmp_path: Path) -> None:
    source = recording(tmp_path).source("a", shift_s=5000, lead_s=30)
    assert source("pm2_5", 6_089_999_999) == 1.5
    assert source("pm2_5", 6_090_000_000) == 2.5


def test_what_was_not_recorded_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        recording(tmp_path).source("b")("temperature_c", 0)


def test_it_knows_its_nodes_and_span(tmp_path: Path) -> None:
    found = recording(tmp_path)
    assert (found.nodes, found.start_s, found.end_s) == (["a", "b"], 1000, 1120)
    assert found.quantities("a") == {"pm2_5", "temperature"}
    assert found.node_with({"pm2_5"}, 1) == "b"
    assert found.node_with({"sound_level"}, 0) is None
    assert list(found.rows("a", "pm2_5")) == [(1000, 1.5), (1120, 2.5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: must begin with node,time"),
        ("time,node,pm25\n", "line 1: must begin with node,time"),
        ("node,time,ozone\na,1,2\n", "line 1: no known column"),
        ("node,time,pm25\na,1,x\n", "line 2: could not convert"),
        ("node,time,pm25\na,1\n", "line 2"),
        ("node,time,pm25\na,,3\n", "line 2"),
        ("node,time,pm25\na,2,3\na,1,3\n", "times of pm2_5 do not rise"),
        ("node,time,pm25\n", "holds no value"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SimulatorError, match=words):
        recording(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"train\.csv cannot be read"):
        Recording.load(tmp_path)


def test_a_recorded_night_is_played_row_by_row(shared: Callable[[str], Path]) -> None:
    path = shared("data/aq_sps30_nye/train.csv")
    found = Recording.load(path)
    source = found.source(found.nodes[0])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 141  # the set's README
    for row in rows:
        now_us = int(row["time"]) * 1_000_000
        assert source("pm2_5_ug_m3", now_us) == float(row["pm25"])
        assert source("relative_humidity_pct", now_us + 1_000_000) == float(row["rh"])
