"""The page of a living street: real firmware, real radio frames, a real browser that waits for a value."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.mpy, pytest.mark.slow, pytest.mark.nightly]
RESULTS = ROOT / "test-results"


@pytest.fixture
def page_address(tmp_path: Path) -> Iterator[str]:
    """The demo at ten times real time, on a free port."""
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "tools.street_demo", "--json", "--port", "0"),
            *("--speed", "10", "--data", str(tmp_path)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        yield str(json.loads(running.stdout.readline())["page"])
    finally:
        running.terminate()
        running.communicate(timeout=20)


def test_a_value_of_every_kind_of_node_comes_to_the_open_page(browser: Any, page_address: str) -> None:
    context = browser.new_context(
        locale="nl-BE", timezone_id="Europe/Brussels", viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_address)
    for unit in ("µg/m³", "dB(A)", "%", "°C"):  # air, noise, bin, garden
        page.wait_for_function(
            """unit => [...document.querySelectorAll('#sites [data-value]')].some(
                cell => /\\d/.test(cell.textContent) && cell.closest('td').textContent.includes(unit))""",
            arg=unit,
            timeout=60_000,
        )
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=str(RESULTS / "living-street.png"))
    assert errors == []
    context.close()
