"""Compiled firmware: made once, anew when a source changes; a fault is left for MicroPython to tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator import mpycache


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if mpycache.CPU.get(os.uname().machine) != "x64":
        pytest.skip("compiled only for x64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "firmware"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "a.py").write_text("x = 1\n")
    return folder


def test_every_file_is_compiled_once(source: Path) -> None:
    target = mpycache.compiled(source)
    compiled = target / "package" / "a.mpy"
    assert compiled.read_bytes()[:1] == b"M"  # the mark of an .mpy file
    made = compiled.stat().st_mtime_ns
    assert mpycache.compiled(source) == target
    assert compiled.stat().st_mtime_ns == made


def test_a_change_gives_another_folder(source: Path) -> None:
    before = mpycache.compiled(source)
    (source / "package" / "a.py").write_text("x = 12\n")
    assert mpycache.compiled(source) != before


def test_a_file_that_does_not_compile_is_left_as_source(source: Path) -> None:
    (source / "broken.py").write_text("def\n")
    assert (mpycache.compiled(source) / "broken.py").read_text() == "def\n"
