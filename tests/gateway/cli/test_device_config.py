"""`meetnet device config`: what it refuses, what it asks a gateway for, and what it says of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.app import Gateway
from gateway.cli.device_config import advice
from gateway.cli.main import main
from gateway.downlinks import Downlinks
from gateway.model import Uplink
from gateway.registry import Device, Registry
from tests.system.house import config

EUI = "70b3d57ed0000001"
HASH = bytes.fromhex("deadbeef")
Queued = list[tuple[int, bytes, bool]]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Queued:
    """Note what is queued on its way into the real queue."""
    found: Queued = []
    real = Downlinks.enqueue

    async def enqueue(
        self: Downlinks, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False
    ) -> str:
        answer = await real(self, dev_eui, f_port, payload, confirmed)
        found.append((f_port, payload, confirmed))
        return answer

    monkeypatch.setattr(Downlinks, "enqueue", enqueue)
    return found


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    registry = Registry(tmp_path / "gateway")
    registry.put_device(Device(EUI, "air", "lorawan", "70b3d57ed0000000"), app_key=bytes(16))
    registry.close()
    running = Gateway(config(tmp_path))
    await running.start()
    yield running
    await running.stop()


def device_config(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["device", "config", *words, "--data", str(folder / "gateway")])


async def answered(
    gateway: Gateway, folder: Path, queued: Queued, answers: Callable[[int], list[bytes]], *words: str
) -> Result:
    """Run a command and hand over the node's answers to its token, as the network server would."""
    running = asyncio.create_task(asyncio.to_thread(device_config, folder, *words))
    for _ in range(200):
        await asyncio.sleep(0.05)
        if queued:
            break
    for n, payload in enumerate(answers(queued[0][1][1])):
        await gateway.log.accept(Uplink("lns", EUI, 3, payload, 1_790_000_010_000 + n))
    return await running


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", EUI, "interval_s=5"), "interval_s is outside 10..86400: seconds from record to record"),
        (("set", EUI, "interval_s=soon"), "interval_s is no whole number"),
        (("set", EUI, "interval_s"), "'interval_s' is no KEY=VALUE"),
        (("set", EUI, "interval_s=60", "interval_s=70"), "given twice"),
        (("set", EUI, "app_key=00"), "app_key is set at the node only; over the air: interval_s,"),
        (("get", EUI, "colour"), "colour is no key of a node's configuration"),
    ],
)
def test_what_cannot_be_is_wrong_usage(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    found = device_config(tmp_path, *words)
    assert found.exit_code == 2
    assert said in found.output


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    found = device_config(tmp_path, "get", EUI)
    assert found.exit_code == 3
    assert "no gateway is running" in found.output


async def test_a_question_is_queued_and_its_answer_printed(
    tmp_path: Path, gateway: Gateway, queued: Queued
) -> None:
    def values(token: int) -> list[bytes]:
        return [bytes((2, token)) + HASH + bytes.fromhex("01 0000012c 08 ffffff9c")]

    words = ("get", EUI, "interval_s", "noise_offset_centidb", "--wait", "30")
    found = await answered(gateway, tmp_path, queued, values, *words)
    assert found.exit_code == 0, found.output
    assert found.output.splitlines()[1:] == ["interval_s=300", "noise_offset_centidb=-100"]
    ((f_port, payload, _),) = queued
    assert (f_port, payload[:1], payload[2:]) == (3, b"\x01", bytes((1, 8)))
    words = ["status", "--json", "--data", str(tmp_path / "gateway")]
    shown = await asyncio.to_thread(CliRunner().invoke, main, words)
    (device,) = json.loads(shown.output)["devices"]
    assert device["config"]["values"]["interval_s"] == {
        "value": 300, "at_ms": 1_790_000_010_000, "current": True,
    }  # fmt: skip


async def test_all_keys_are_asked_for_when_none_is_named(
    tmp_path: Path, gateway: Gateway, queued: Queued
) -> None:
    found = await asyncio.to_thread(device_config, tmp_path, "get", EUI, "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    assert told["answer"] is None
    (more,) = told["more"]  # two downlinks: an answer holds nine values
    payloads = [payload for _, payload, _ in queued]
    assert [payload[1] for payload in payloads] == [told["token"], more["token"]]
    assert sorted(b"".join(payload[2:] for payload in payloads)) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("results", "exit_code", "said"),
    [
        (("00 00", "01 00"), 0, "kept"),
        (("00 00", "02 00"), 1, "the values before are back"),
        (("04 01",), 1, "another range for interval_s"),
        (("05 00",), 1, "still trying an earlier change"),
    ],
)
async def test_a_change_is_followed_to_its_end(
    tmp_path: Path, gateway: Gateway, queued: Queued, results: tuple[str, ...], exit_code: int, said: str
) -> None:
    def told(token: int) -> list[bytes]:
        return [bytes((4, token)) + bytes.fromhex(result) + HASH for result in results]

    words = ("set", EUI, "interval_s=600", "--trial", "90", "--wait", "30")
    found = await answered(gateway, tmp_path, queued, told, *words)
    assert found.exit_code == exit_code, found.output
    assert said in found.output
    ((f_port, payload, confirmed),) = queued
    assert (f_port, payload[:1], payload[2:], confirmed) == (
        3,
        b"\x03",
        bytes.fromhex("5a 01 00000258"),
        True,
    )


async def test_a_change_that_is_still_on_trial_says_so(
    tmp_path: Path, gateway: Gateway, queued: Queued
) -> None:
    def told(token: int) -> list[bytes]:
        return [bytes((4, token, 0, 0)) + HASH]

    words = ("set", EUI, "interval_s=600", "--wait", "2")
    found = await answered(gateway, tmp_path, queued, told, *words)
    assert found.exit_code == 1
    assert "still on trial after 2 s" in found.output


def _device(uplinks: int, missed: int, **values: Any) -> dict[str, Any]:
    seen = {"uplinks": uplinks, "missed": missed}
    return {"dev_eui": EUI, "transport": "lorawan", "seen": seen, "config": None} | values


@pytest.mark.parametrize(
    ("missed", "percent"), [(0, 0), (30, 25), (100, 50), (190, 50), (290, 64), (500, 150), (990, 150)]
)
def test_parity_is_advised_by_what_gets_lost(missed: int, percent: int) -> None:
    found = advice(_device(1000 - missed, missed))
    assert found is not None
    assert found["parity_percent"] == percent
    assert found["loss"] == missed / 1000


def test_of_a_device_that_was_hardly_heard_or_has_wifi_nothing_is_said() -> None:
    assert advice(_device(20, 5)) is None
    assert advice(_device(1000, 500, transport="mqtt")) is None
    assert advice(_device(0, 0, seen=None)) is None


def test_advice_comes_with_the_command_that_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"values": {"parity_percent": {"value": 0, "at_ms": 1, "current": True}}}
    monkeypatch.setattr(
        "gateway.cli.status.ask", lambda _directory: {"devices": [_device(700, 300, config=known)]}
    )
    found = device_config(tmp_path, "advise")
    assert found.exit_code == 0, found.output
    assert found.output.splitlines()[-1] == f"meetnet device config set {EUI} parity_percent=64"
    told = json.loads(device_config(tmp_path, "advise", "--json").output)["devices"]
    assert told == [{"dev_eui": EUI, "frames": 1000, "loss": 0.3, "now": 0, "parity_percent": 64}]
