"""Scenario files: what comes along can be played, and what is wrong is told by field, with the remedy."""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from simulator.cli import simulate
from simulator.nodeproc import SimulatorError
from simulator.plan import plan_groups
from simulator.stage import faults, replaying
from simulator.stage.houses import house_class
from simulator.stage.scenario import SCENARIOS, ScenarioError, find, load, names, parse, schema
from simulator.stage.units import duration_us

GOOD: dict[str, object] = {"title": "x", "until": "2h", "nodes": [{"kind": "air"}]}


@pytest.mark.parametrize("name", names())
def test_what_comes_along_can_be_played(name: str) -> None:
    scenario = load(find(name))
    named = {n.site_id for n in plan_groups(scenario.nodes, 1)}
    assert len(named) + (scenario.fleet.count if scenario.fleet else 0) == scenario.count > 0
    with (SCENARIOS / f"{name}.toml").open("rb") as file:
        document = json.loads(json.dumps(tomllib.load(file), default=str))
    jsonschema.Draft202012Validator(schema()).validate(document)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": ""}, r"title: .*one line"),
        ({"titel": "x"}, r"titel: there is no such field; known here are title, nodes"),
        ({"until": "soon"}, r"until: 'soon' is no duration; write 90s"),
        ({"settle": "3h"}, r"settle: 3h is not shorter than until, 2h"),
        ({"seed": -1}, r"seed: expected `int` >= 0: 0 or above"),
        ({"start": "yesterday"}, r"start: .*2026-06-01T06:00:00Z"),
        ({"nodes": []}, r"nodes: .*at least one group"),
        ({"fleet": {"count": 5}}, r"nodes: .*and not both"),
        ({"nodes": [], "fleet": {"count": 5}, "faults": [{"do": "reset"}]}, r"fleet: takes no faults"),
        ({"nodes": [], "fleet": {"count": 5, "power_on": "soon"}}, r"fleet.power_on: 'soon' is no duration"),
        ({"nodes": [], "fleet": {"count": 0}}, r"fleet.count: .*1 to 200000"),
        ({"nodes": [], "fleet": {}}, r"fleet.count: is missing: give how many nodes"),
        ({"slack": "long"}, r"slack: 'long' is no duration"),
        ({"events": ["gossip"]}, r"events\[0\]: .*kinds of events"),
        ({"nodes": [{}]}, r"nodes\[0\].kind: is missing: give kind of node: air, noise"),
        ({"nodes": [{"kind": "tree"}]}, r"nodes\[0\].kind: invalid .*'tree': kind of node"),
        ({"nodes": [{"kind": "air"}, {"kind": "bin", "count": 0}]}, r"nodes\[1\].count: .*1 to 5000"),
        ({"nodes": [{"kind": "air", "name": "Groot Plein"}]}, r"nodes\[0\].name: .*small letters"),
        ({"nodes": [{"kind": "air", "intervall_s": 9}]}, r"nodes\[0\].intervall_s: there is no such field"),
        ({"radio": {"loss_percent": 100}}, r"radio.loss_percent: .*below 100 percent"),
        ({"gateway": {"house": "nothing"}}, r"gateway.house: .*module:class"),
        ({"faults": [{"at": "1h"}]}, r"faults\[0\].do: is missing; known are power_cut"),
        ({"faults": [{"do": "rain_of_frogs"}]}, r"faults\[0\].do: there is no 'rain_of_frogs'; known are"),
        ({"faults": [{"do": "reset", "for": "1m"}]}, r"faults\[0\].for: reset is over at once"),
        ({"faults": [{"do": "power_cut", "at": "3h"}]}, r"faults\[0\].at: 3h is too late"),
        ({"faults": [{"do": "power_cut", "for": "3h"}]}, r"faults\[0\].for: longer than the scenario"),
        ({"faults": [{"do": "power_cut", "every": "5s"}]}, r"faults\[0\].every: 5s is not longer"),
        ({"faults": [{"do": "reset"}, {"do": "flood", "per_s": 0}]}, r"faults\[1\].per_s: .*1 to 5000"),
        ({"faults": [{"do": "weather", "value": 1.0}]}, r"faults\[0\].quantity: is missing: give as chip"),
        ({"faults": [{"do": "sensor_fault", "chip": "sht9x", "for": "1m"}]}, r"chip: there is no sht9x"),
        (
            {"faults": [{"do": "sensor_fault", "chip": "sht4x", "fault": "sulks", "for": "1m"}]},
            r"fault: sht4x has no sulks; known are nak",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(change: dict[str, object], words: str) -> None:
    with pytest.raises(ScenarioError, match=words) as told:
        parse(GOOD | change, "city.toml")
    assert str(told.value).startswith("city.toml: ")


def test_text_that_is_no_toml_and_files_that_are_not_there(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("title = \n")
    for arguments, words in (
        ([str(broken)], r"is not TOML: .*line 1"),
        ([str(tmp_path / "none.toml")], "cannot be read"),
        (["atlantis"], "no such file or scenario; those that come along are"),
    ):
        done = CliRunner().invoke(simulate, arguments)
        assert done.exit_code == 1
        assert re.search(words, done.output), done.output


def test_the_command_lists_checks_and_refuses() -> None:
    listed = json.loads(CliRunner().invoke(simulate, ["--list", "--json"]).output)
    assert set(listed["scenarios"]) == set(names())
    assert set(listed["faults"]) == set(faults.KINDS)
    assert all(listed["faults"].values())
    checked = CliRunner().invoke(simulate, ["first", "--check", "--json"])
    assert json.loads(checked.output)["nodes"] == 4
    refused = CliRunner().invoke(simulate, ["first", "--nodes", "3"])
    assert refused.exit_code == 2
    assert "--nodes is for a street" in refused.output
    assert json.loads(CliRunner().invoke(simulate, ["--schema"]).output) == schema()


def test_times_of_faults_follow_from_the_seed_and_lie_within_the_scenario() -> None:
    hour_us = 3_600_000_000
    row = faults.read({"do": "power_cut", "every": "2h", "for": "10m"})
    first = row.occurrences(random.Random("a"), 24 * hour_us)
    assert first == row.occurrences(random.Random("a"), 24 * hour_us)
    assert first != row.occurrences(random.Random("b"), 24 * hour_us)
    assert len(first) == 12
    assert all(end - begin == 600_000_000 and end <= 24 * hour_us for begin, end in first)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(first))
    fixed = faults.read({"do": "reset", "at": "90m", "every": "6h", "times": 2})
    begins = [begin // 1_000_000 for begin, _ in fixed.occurrences(random.Random(0), 24 * hour_us)]
    assert begins == [5400, 27000]


@pytest.mark.parametrize(
    ("text", "us"), [("90s", 90_000_000), ("1.5h", 5_400_000_000), ("2w", 14 * 86_400_000_000)]
)
def test_durations(text: str, us: int) -> None:
    assert duration_us(text) == us
    for wrong in ("", "h", "-1h", "1 h", "1y", "0s"):
        with pytest.raises(SimulatorError):
            duration_us(wrong)


@pytest.mark.parametrize(
    ("house", "why"),
    [
        ("nosuch:Thing", "no module 'nosuch'"), ("json.nosuch:Thing", "no module 'json.nosuch'"),
        ("json:Thing", "Thing"), ("json", "json"), (":Thing", "write"),
    ],
)  # fmt: skip
def test_a_house_that_is_not_there_is_one_sentence(house: str, why: str) -> None:
    with pytest.raises(SimulatorError, match=f"gateway.house.*{why}.*module:class"):
        house_class(house)


def test_a_house_may_lie_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_house.py").write_text("class Mine:\n    pass\n")
    (tmp_path / "my_broken_house.py").write_text("import nothing_of_this_name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in ("", str(tmp_path))])
    assert house_class("my_own_house:Mine").__name__ == "Mine"
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):  # the author's own traceback
        house_class("my_broken_house:Mine")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is not there"), ("", "holds no uplink"), ('{"kind": 1}\nnope\n', "line 2"),
        ('{"kind":"gateway","what":"uplink"}\n', "event 1 is none"), ("[]\n", "event 1 is none"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_one_sentence(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "events.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SimulatorError, match=f"--replay: .*{why}"):
        replaying.read(path)
