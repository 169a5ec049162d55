"""The command that renews the picture in the README."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Served

pytestmark = pytest.mark.browser


def test_a_picture_of_the_page_is_taken_or_one_sentence_says_why_not(
    browser: Any, serve: Callable[..., Served], tmp_path: Path
) -> None:
    def run(url: str, name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.screenshot", url, str(tmp_path / name), "--width", "800"]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    done = run(serve(refresh_s=600).url, "page.png")
    assert done.returncode == 0, done.stderr
    header = (tmp_path / "page.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(header[16:20], "big") == 800
    failed = run("http://127.0.0.1:9/", "nothing.png")
    assert failed.returncode == 1
    assert failed.stderr.startswith("screenshot: ")
    assert len(failed.stderr.splitlines()) == 1
