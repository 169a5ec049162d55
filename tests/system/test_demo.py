"""`sh tools/demo`: in a fresh copy with an empty home, on a port in use, and when it is told to stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tools.hygiene import tracked_files

pytestmark = [pytest.mark.mpy, pytest.mark.slow]


def demo(*arguments: str, **more: object) -> subprocess.Popen[str]:
    """Start the demo of this tree with the Python at hand."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.street_demo", "--json", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )


def events(lines: str) -> dict[str, dict[str, object]]:
    """Return the demo's events by name."""
    rows = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    return {row["event"]: row for row in rows}


@pytest.mark.timeout(900)
def test_one_command_in_a_fresh_copy_with_an_empty_home_ends_in_a_value_on_the_page(tmp_path: Path) -> None:
    copy, home = tmp_path / "meetnet", tmp_path / "home"
    home.mkdir()
    for source in tracked_files():
        target = copy / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    done = subprocess.run(
        ["sh", "tools/demo", "--until-value", "--json", "--port", "0"],
        cwd=copy,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = events(done.stdout)
    assert float(str(said["first_value"]["seconds"])) <= 30
    assert said["stopped"]["records"] != 0


def test_a_port_in_use_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = demo("--port", str(taken.getsockname()[1]), "--data", str(tmp_path))
        out, error = running.communicate(timeout=60)
    assert running.returncode == 3, out + error
    assert "choose another port" in error and "--port" in error
    assert "Traceback" not in error


def test_ctrl_c_stops_everything_and_leaves_no_process(tmp_path: Path) -> None:
    running = demo("--port", "0", "--nodes", "2", "--data", str(tmp_path))
    assert running.stdout is not None
    ready = json.loads(running.stdout.readline())
    assert ready["event"] == "ready"
    with urllib.request.urlopen(ready["page"] + "healthz", timeout=10) as answer:  # the page answers
        assert answer.status == 200
    children = psutil.Process(running.pid).children(recursive=True)
    assert children, "the nodes are processes of their own"
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=30)
    assert running.returncode == 0, out + error
    assert "Traceback" not in error
    assert events(out)["stopped"]["page"] == ready["page"]
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in children if child.is_running()]


def test_a_second_start_on_kept_data_goes_on(tmp_path: Path) -> None:
    for _ in range(2):
        running = demo("--virtual", "0.5", "--nodes", "1", "--data", str(tmp_path), "--port", "0")
        out, error = running.communicate(timeout=100)
        assert running.returncode == 0, out + error
        stopped = events(out)["stopped"]
        assert int(str(stopped["records"])) >= 5, stopped


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--speed", "0"], "--speed"),
        (["--virtual", "-1"], "--virtual"),
        (["--port", "70000"], "--port"),
        (["--nodes", "0"], "nodes"),
        (["--replay", "no-such-folder"], "replay"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, arguments: list[str], word: str) -> None:
    running = demo(*arguments, "--data", str(tmp_path))
    _, error = running.communicate(timeout=60)
    assert running.returncode in (2, 3)
    assert word in error
    assert "Traceback" not in error
