"""The page that leads a technician through a calibration, in three languages."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

import httpx
import pytest

from gateway.cli.main import main
from gateway.errors import RegistryError
from gateway.noise_bench import NoiseBench
from gateway.registry import Device, Registry
from gateway.registry.model import Calibration
from tests.gateway.web.people import Town
from tests.gateway.web.test_page import Page
from wire import sound


def form_token(text: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="form_token" value="([^"]+)"', text)
    assert found is not None
    return found[1]


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
    ("field", "value", "label"),
    [
        ("device", "70b3", "device"),
        ("level", "60", "van het certificaat"),
        ("level", "94dB", "Niveau van de kalibrator in dB, van het certificaat"),
        ("instrument", "é", "Merk en nummer van de kalibrator"),
        ("instrument", "x" * 25, "Merk en nummer van de kalibrator"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    client: httpx.AsyncClient, field: str, value: str, label: str
) -> None:
    answer = await client.get("/nl/noise-calibration", params=FILLED | {field: value})
    assert answer.status_code == 400
    assert f"{label}:" in html.unescape(answer.text)


async def test_what_is_typed_is_never_markup(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nl/noise-calibration", params=FILLED | {"instrument": "<b onx=1>"})
    assert answer.status_code == 200
    assert "<b onx" not in answer.text


class Bench:
    """What a gateway does with a calibration; `refuses`: the queue takes nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, str]] = []
        self.refuses = False

    async def calibrate(self, dev_eui: str, level_db: float, instrument: str) -> None:
        if self.refuses:
            raise RegistryError("no noise node")
        self.asked.append((dev_eui, level_db, instrument))

    def calibrations(self, dev_eui: str) -> list[Calibration]:
        return [Calibration(dev_eui, 1_790_000_000_000, 7, "done", 93.95, -0.8, "B&K 4231 no 12")]


FORM = {"device": "70b3d57ed0000001", "level": "93.95", "instrument": "B&K 4231 no 12"}


async def test_a_technician_starts_it_and_sees_what_came_of_it(tmp_path: Path) -> None:
    bench = Bench()
    town = Town(tmp_path, noise=bench)
    async with town.client("technician") as client:
        shown = await client.get("/nl/noise-calibration", params=FORM)
        token = form_token(shown.text)
        answer = await client.post("/nl/noise-calibration/start", data={**FORM, "form_token": token})
        assert answer.status_code == 303
        assert bench.asked == [("70b3d57ed0000001", 93.95, "B&K 4231 no 12")]
        text = html.unescape((await client.get(answer.headers["location"])).text)
        assert "Gevraagd." in text
        assert "geijkt" in text
        assert "93,95" in text
        bench.refuses = True
        again = await client.post("/nl/noise-calibration/start", data={**FORM, "form_token": token})
        assert again.status_code == 409
    async with town.client() as client:
        text = (await client.get("/nl/noise-calibration", params=FORM)).text
        assert "noise-calibration/start" not in text
        assert "geijkt" not in text


async def test_the_bench_queues_the_command_for_noise_nodes_only(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.put_device(Device("70b3d57ed0000001", "noise", "lorawan", "70b3d57ed0000000"), app_key=bytes(16))
    registry.put_device(Device("70b3d57ed0000002", "air", "lorawan", "70b3d57ed0000000"), app_key=bytes(16))
    queued: list[tuple[str, int, bytes]] = []

    class Queue:
        async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
            queued.append((dev_eui, f_port, payload))
            return "lns:1"

    bench = NoiseBench(registry, Queue())  # type: ignore[arg-type]
    await bench.calibrate("70b3d57ed0000001", 93.95, "B&K 4231")
    assert queued[0][:2] == ("70b3d57ed0000001", 3)
    assert sound.unpack_calibrate(queued[0][2])[1:] == (9395, 5, "B&K 4231")
    for device, level, instrument in (
        ("70b3d57ed0000002", 94.0, "x"), ("70b3d57ed00000ff", 94.0, "x"), ("70b3d57ed0000001", 60.0, "x"),
    ):  # fmt: skip
        with pytest.raises(RegistryError):
            await bench.calibrate(device, level, instrument)
    registry.close()
