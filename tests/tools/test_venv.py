"""The set-up script: every failure is one sentence with the remedy, and a second run does nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the script reads."""
    for name in ("tools/venv", "tools/locks/demo.txt", "tools/locks/test.txt", "pyproject.toml"):
        target = tmp_path / "meetnet" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return tmp_path / "meetnet"


def fake_python(folder: Path, *, refuses: str) -> str:
    """A Python that is the running one, except that it fails when its code holds `refuses`."""
    script = folder / "python-without"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *"{refuses}"*) echo "No module named it" >&2; exit 1;; esac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def run(tree: Path, python: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(tree / "tools/venv"), "demo"],
        env={**os.environ, "MEETNET_PYTHON": python, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_no_python_says_what_to_install(tree: Path) -> None:
    done = run(tree, "python-that-is-not-there")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "apt install python3" in done.stderr


def test_a_python_without_venv_says_which_package_brings_it(tree: Path, tmp_path: Path) -> None:
    done = run(tree, fake_python(tmp_path, refuses="import venv"))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "apt install python3-venv" in done.stderr


@pytest.mark.slow
def test_no_network_says_to_check_the_network(tree: Path) -> None:
    done = run(
        tree,
        sys.executable,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_FIND_LINKS="",
        PIP_NO_CACHE_DIR="1",
        PIP_RETRIES="0",
    )
    assert done.returncode == 3
    assert "check the network" in done.stderr
    assert not (tree / ".venv/.meetnet-demo").exists()


def test_a_second_run_does_nothing(tree: Path) -> None:
    done = run(tree, fake_python(tree, refuses="import venv"))  # no stamp: it must look for venv
    assert done.returncode == 3
    inputs = (tree / "tools/locks/demo.txt").read_bytes() + (tree / "pyproject.toml").read_bytes()
    want = hashlib.sha256(inputs)
    (tree / ".venv").mkdir()
    (tree / ".venv/.meetnet-demo").write_text(want.hexdigest())
    before = sorted(p for p in tree.rglob("*"))
    assert run(tree, sys.executable).returncode == 0
    assert sorted(p for p in tree.rglob("*")) == before
