"""The page on adding a sensor shows what is really in the files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "firmware" / "drivers" / "README.md").read_text(encoding="utf-8")
DIFF = re.findall(r"^```diff\n(.*?)^```", PAGE, re.S | re.M)[0]
FILES = dict(re.findall(r"^--- (\S+)\n((?:\+.*\n)+)", DIFF, re.M))


def test_the_page_shows_the_five_places() -> None:
    assert len(FILES) == 5


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_line_of_the_diff_is_a_line_of_its_file(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    for line in FILES[name].splitlines():
        assert line[1:] in lines, line


def test_every_file_of_the_table_is_there() -> None:
    table = PAGE[PAGE.index("## Adding a sensor") :].split("```diff")[0]
    for name in re.findall(r"`((?:firmware|simulator|tests|hardware)/[^`]+)`", table):
        assert (ROOT / name).exists(), name


def test_the_table_of_drivers_names_every_driver_and_model() -> None:
    rows = re.findall(r"^\| `([./a-z0-9_]+)` \| .* \| (?:`([a-z0-9_]+)`|–) \|$", PAGE, re.M)
    shared = {
        "errors",
        "readings",
        "i2c",
        "sensirion",
        "continuous",
        "registers",
        "frames",
        "talker",
        "ranging",
    }
    shared |= {"shdlc", "angles", "tally", "i2s_line", "__init__"}
    drivers = {path.stem for path in (ROOT / "firmware" / "drivers").glob("*.py")} - shared
    assert {name for name, _ in rows if "/" not in name} == drivers
    for _, model in rows:
        assert not model or (ROOT / "simulator" / "chips" / f"{model}.py").exists(), model
