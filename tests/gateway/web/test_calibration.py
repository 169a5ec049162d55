"""The page that leads a technician through a calibration, in three languages."""

from __future__ import annotations

import html
import shlex

import httpx
import pytest

from gateway.cli.main import main
from tests.gateway.web.test_page import Page

FILLED = {"device": "70B3D57ED0000001", "level": "93,95", "instrument": "B&K 4231 'lab' 12"}
COMMAND = (
    "meetnet noise calibrate 70b3d57ed0000001 --level 93.95 "
    """--instrument 'B&K 4231 '"'"'lab'"'"' 12'"""
)


@pytest.mark.parametrize(
    ("language", "heading"),
    [
        ("nl", "Een geluidsmeter ijken"),
        ("fr", "Étalonner un nœud de bruit"),
        ("en", "Calibrate a noise node"),
    ],
)
async def test_the_steps_and_the_very_command_are_shown(
    client: httpx.AsyncClient, language: str, heading: str
) -> None:
    empty = await client.get(f"/{language}/noise-calibration")
    assert empty.status_code == 200
    assert f"<h1>{heading}</h1>" in empty.text
    assert "meetnet noise calibrate" not in empty.text
    filled = await client.get(f"/{language}/noise-calibration", params=FILLED)
    page = Page(filled.text)
    assert page.inline == []
    assert COMMAND in html.unescape(filled.text)


def test_the_command_of_the_page_is_one_that_exists() -> None:
    """Its words parse: what fails is that no gateway runs, not the usage (exit code 2)."""
    words = shlex.split(COMMAND)
    assert words[0] == "meetnet"
    with pytest.raises(SystemExit) as ended:
        main.main([*words[1:], "--help"], prog_name="meetnet")
    assert ended.value.code == 0
    context = main.make_context("meetnet", words[1:], resilient_parsing=True)
    assert "noise" in main.list_commands(context)


@pytest.mark.parametrize(
    ("field", "value"),
    [("device", "70b3"), ("level", "60"), ("level", "94dB"), ("instrument", "é"), ("instrument", "x" * 25)],
)
async def test_what_cannot_be_is_refused_with_its_field(
    client: httpx.AsyncClient, field: str, value: str
) -> None:
    answer = await client.get("/nl/noise-calibration", params=FILLED | {field: value})
    assert answer.status_code == 400
    assert f"{field}:" in html.unescape(answer.text)


async def test_what_is_typed_is_never_markup(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/noise-calibration", params=FILLED | {"instrument": "<b onx=1>"})
    assert answer.status_code == 200
    assert "<b onx" not in answer.text
