"""`meetnet noise` in a process of its own user: what it asks a gateway for, and what it says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.app import Gateway
from gateway.cli.main import main
from gateway.cli.noise import noise
from gateway.downlinks import Downlinks
from gateway.model import Uplink
from gateway.registry import Device, Registry, Site
from gateway.registry.model import Calibration
from tests.system.house import config
from wire import ports, sound

EUI = "70b3d57ed0000001"
SITE = Site("site-1", "city", "A street", "noise", 3.72, 51.05, 50, "CC-BY-4.0")

CAPTURED: list[bytes] = []


@pytest.fixture(autouse=True)
def _queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what is queued on its way into the real queue."""
    CAPTURED.clear()
    real = Downlinks.enqueue

    async def enqueue(
        self: Downlinks, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False
    ) -> str:
        CAPTURED.append(payload)
        return await real(self, dev_eui, f_port, payload, confirmed)

    monkeypatch.setattr(Downlinks, "enqueue", enqueue)


def registered(folder: Path) -> None:
    registry = Registry(folder / "gateway")
    registry.put_device(Device(EUI, "noise", "lorawan", "70b3d57ed0000000"), app_key=bytes(16))
    registry.put_site(SITE)
    registry.deploy(EUI, SITE.id, None)
    registry.close()


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    registered(tmp_path)
    words = ["calibrate", EUI, "--instrument", "B&K 4231", "--data", str(tmp_path / "gateway")]
    found = CliRunner().invoke(noise, words)
    assert found.exit_code == 3
    assert "no gateway is running" in found.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["calibrate", EUI, "--instrument", "é"], "instrument"),
        (["calibrate", EUI, "--instrument", "x", "--level", "60"], "--level"),
        (["seconds", EUI, "--from", "2026-11-23T18:00:00Z", "--to", "2026-11-23T19:00:00Z"], "900"),
    ],
)
def test_what_cannot_be_is_wrong_usage(tmp_path: Path, words: list[str], said: str) -> None:
    registered(tmp_path)
    found = CliRunner().invoke(noise, [*words, "--data", str(tmp_path / "gateway")])
    assert found.exit_code == 2
    assert said in found.output


def test_calibrations_hold_until_the_next_that_is_done(tmp_path: Path) -> None:
    registered(tmp_path)
    registry = Registry(tmp_path / "gateway")
    for at_ms, outcome in ((1000, "done"), (2000, "not_1khz"), (3000, "done")):
        for _ in range(2):  # told twice, kept once
            registry.put_calibration(Calibration(EUI, at_ms, 1, outcome, 94.0, -0.8, "B&K 4231"))
    registry.close()
    words = ["noise", "calibrations", EUI, "--json", "--data", str(tmp_path / "gateway")]
    rows = json.loads(CliRunner().invoke(main, words).output)
    assert [(row["at_ms"], row["to_ms"], row["outcome"]) for row in rows] == [
        (1000, 3000, "done"),
        (2000, None, "not_1khz"),
        (3000, None, "done"),
    ]


async def test_the_command_reaches_the_queue_and_waits_for_the_answer(tmp_path: Path) -> None:
    """The gateway is real; the node's answer is handed over as its network server would."""
    registered(tmp_path)
    gateway = Gateway(config(tmp_path))
    await gateway.start()
    try:
        words = ["calibrate", EUI, "--level", "94", "--instrument", "B&K 4231", "--wait", "30"]
        words += ["--data", str(tmp_path / "gateway")]
        running = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, noise, words))
        token = None
        for _ in range(100):
            await asyncio.sleep(0.1)
            if CAPTURED:
                token = sound.unpack_calibrate(CAPTURED[0])[0]
                break
        assert token is not None
        payload = sound.pack_calibrated(token, sound.DONE, 9400, -80, 1_790_000_000, "B&K 4231")
        await gateway.log.accept(Uplink("lns", EUI, ports.COMMANDS, payload, 1_790_000_010_000))
        found = await running
        assert found.exit_code == 0, found.output
        assert "correction -0.80 dB from 2026-09-21" in found.output
    finally:
        await gateway.stop()
