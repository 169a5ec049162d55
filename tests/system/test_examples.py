"""The examples for other people's CI: each command in them runs here, as it is written."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXAMPLES = ROOT / "simulator" / "examples"
CHECKOUT = "meetnet/"  # where they put Meetnet, beside whatever is tested


def commands(path: Path) -> list[str]:
    """Return the lines that a CI's file has run, without the keys of its format."""
    found = re.findall(
        r"^\s*- (?:run: )?((?:pip|meetnet|pytest) .*)$", path.read_text(encoding="utf-8"), re.M
    )
    assert found
    return found


def test_both_files_run_the_same_and_name_what_there_is() -> None:
    github, gitlab = commands(EXAMPLES / "github.yml"), commands(EXAMPLES / "gitlab-ci.yml")
    assert github == gitlab
    # No registry has this name: whoever registered it there would run in everybody's CI.
    assert [line for line in github if line.startswith("pip")] == [
        "pip install './meetnet[simulator]' pytest"
    ]
    for line in github:
        for word in shlex.split(line):
            if word.endswith(".py"):
                assert (ROOT / word.removeprefix(CHECKOUT)).is_file(), word
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert project["entry-points"]["pytest11"] == {"meetnet": "simulator.pytest_plugin"}
    assert "simulator" in project["optional-dependencies"]


@pytest.mark.mpy
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_command_runs(tmp_path: Path) -> None:
    loaded = {point.value for point in importlib.metadata.entry_points(group="pytest11")}
    plugin = [] if "simulator.pytest_plugin" in loaded else ["-p", "simulator.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
    for line in commands(EXAMPLES / "github.yml"):
        program, *rest = shlex.split(line)
        if program == "pip":
            continue  # it is installed
        start = {
            "meetnet": ["-c", "from gateway.cli import main; main()"],
            "pytest": ["-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider", *plugin],
        }[program]
        words = [str(ROOT / word.removeprefix(CHECKOUT)) if word.endswith(".py") else word for word in rest]
        done = subprocess.run(
            [sys.executable, *start, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        if program == "meetnet":
            assert json.loads(done.stdout)["accounts"]["balanced"]
