"""Installed from its wheel, with no checkout in sight, Meetnet does what it does in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as site-packages has it after `pip install`."""
    work = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-c", f"from hatchling.build import build_wheel; build_wheel({str(work)!r})"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "the page's libraries" in made.stderr:
        pytest.skip(made.stderr.strip().splitlines()[-1])
    assert made.returncode == 0, made.stderr
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "site")
    return work / "site"


def run(site: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # The folder stands before everything, also before the checkout that this environment knows.
    environment = os.environ | {"PYTHONPATH": str(site), "HOME": str(home)}
    return subprocess.run(
        [sys.executable, *words], cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def meetnet(site: Path, home: Path, *words: str) -> str:
    done = run(site, home, "-c", "from gateway.cli import main; main()", *words)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_nothing_comes_from_a_checkout(installed: Path, tmp_path: Path) -> None:
    names = "gateway simulator wire tools.flash simulator.where".split()
    files = ", ".join(f"{name}.__file__" for name in names)
    text = f"import {', '.join(names)}; print(simulator.where.FIRMWARE, simulator.where.HARDWARE, {files})"
    done = run(installed, tmp_path, "-c", text)
    assert done.returncode == 0, done.stderr
    assert all(one.startswith(str(installed)) for one in done.stdout.split()), done.stdout


def test_the_pages_and_their_words_are_in_it(installed: Path) -> None:
    web = installed / "gateway" / "web"
    assert list(web.glob("templates/*.html"))
    assert {file.stem for file in web.glob("locale/*.po")} == {"fr", "nl"}
    assert {file.name for file in (web / "static" / "vendor").glob("*.js")} >= {"leaflet.js", "uplot.js"}
    assert not list(installed.rglob("pictures"))


@pytest.mark.mpy
def test_a_street_of_real_firmware_runs_from_it(installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = meetnet(installed, tmp_path, "simulate", "first", "--until", "20m", "--out", str(out), "--json")
    accounts = json.loads(told)["accounts"]
    assert accounts["balanced"] and accounts["stored"] > 0, told


def test_boards_and_kits_are_in_it(installed: Path, tmp_path: Path) -> None:
    told = json.loads(meetnet(installed, tmp_path, "energy", "t3s3_garden", "--json"))
    assert told["node"] == "t3s3_garden"
