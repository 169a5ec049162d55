"""Updates end to end: signed by the command line, rolled out by the gateway, run by nodes in MicroPython."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.app import Gateway
from gateway.cli.main import main
from simulator.mpycache import compiled
from simulator.street import Street
from simulator.where import FIRMWARE
from tests.system.house import Outcome, run_house

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(300)]

START_S = 1_790_000_000
MINUTE_S = 60
VERSION = "0.9.9"


def _command(*words: str) -> Any:
    found = CliRunner().invoke(main, ["update", *words, "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


def _key(folder: Path) -> str:
    return _command("keygen", "--key", str(folder / "key.pem"))["update_key"]


def _sign(folder: Path, kind: str, source: Path, *more: str) -> Path:
    out = folder / "release.mnu"
    _command(
        "sign", kind, str(source), str(out), "--key", str(folder / "key.pem"), "--version", VERSION, *more
    )
    return out


def _application(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """Return the firmware, compiled, with lines of it changed: (file, old, new)."""
    source = folder / "source"
    shutil.copytree(FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__", "*.md", "*.toml", "*.csv"))
    changes = (("node/version.py", "VERSION = (", "VERSION = (0, 9, 9) or ("), *changes)
    for name, old, new in changes:
        path = source / name
        text = path.read_text()
        assert old in text, name
        path.write_text(text.replace(old, new, 1))
    built = compiled(source)
    application = folder / "application"
    for room in ("node", "wire", "radio", "drivers", "kernels", "boards"):
        shutil.copytree(built / room, application / room)
    return application


def _mqtt_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.plan._TWELVE", (("air", "mqtt"),))


def _versions(outcome: Outcome) -> list[str]:
    return [str(row["seen"]["status"]["firmware"]) for row in outcome.status["devices"]]


def test_an_application_goes_over_wifi_and_is_kept_when_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mqtt_only(monkeypatch)
    key = _key(tmp_path)
    bundle = _sign(tmp_path, "application", _application(tmp_path))
    data = str(tmp_path / "gateway")
    seen: dict[str, Any] = {}

    async def operator(gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(6 * MINUTE_S)
        found = await asyncio.to_thread(_command, "offer", str(bundle), "--data", data)
        seen["offer"] = found
        node = street.nodes[street.planned[0].site_id]
        for _ in range(60):
            await asyncio.sleep(MINUTE_S)
            state = await asyncio.to_thread(_command, "status", found["id"], "--data", data)
            if state[0]["state"] in ("kept", "reverted", "refused"):
                break
        seen["state"] = state
        seen["boots"] = node.boots
        seen["files"] = sorted(path.name for path in node.flash.iterdir())
        await asyncio.sleep(12 * MINUTE_S)

    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=90 * MINUTE_S,
        start_s=START_S,
        meanwhile=operator,
        overrides={"update_key": key, "status_s": 600},
    )
    assert seen["state"][0]["state"] == "kept", (seen, outcome.counters, outcome.status)
    assert seen["boots"] == 2
    assert "app_a" in seen["files"]
    assert "update.part" not in seen["files"]
    assert _versions(outcome) == [VERSION]
    times = sorted({o.observed_at_ms // 1000 for o in outcome.observations})
    assert max(b - a for a, b in itertools.pairwise(times)) <= 600  # at most one interval was missed
    assert not outcome.status["dead_letters"]


_MEASURE = "    def _measure(self):"
_STEP = "        self.hal.feed()\n        now_ms"
_LINK = "        self.ask_time()\n        try:"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            ("node/start.py", "import gc", "import nothing_of_that_name"), "crashed", id="does not import"
        ),
        pytest.param(
            ("node/core.py", _MEASURE, _MEASURE + "\n        raise RuntimeError('bug')"),
            "crashed",
            id="exception",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            ("node/core.py", _STEP, "        while True:\n            self.hal.sleep(1000)\n" + _STEP),
            "crashed",
            id="hangs until the watchdog bites",
            marks=pytest.mark.nightly,
        ),
        pytest.param(("node/wifi_link.py", _LINK, "        return False\n" + _LINK), "not_heard", id="deaf"),
    ],
)
def test_a_bad_application_is_back_within_two_starts_and_the_roll_out_halts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str, str], reason: str
) -> None:
    _mqtt_only(monkeypatch)
    key = _key(tmp_path)
    bundle = _sign(tmp_path, "application", _application(tmp_path, change))
    data = str(tmp_path / "gateway")
    seen: dict[str, Any] = {}

    async def operator(gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(6 * MINUTE_S)
        found = await asyncio.to_thread(_command, "offer", str(bundle), "--data", data, "--trial", "20")
        node = street.nodes[street.planned[0].site_id]
        for _ in range(70):
            await asyncio.sleep(MINUTE_S)
            state = await asyncio.to_thread(_command, "status", found["id"], "--data", data)
            if state[0]["state"] in ("kept", "reverted", "refused"):
                break
        seen["state"], seen["boots"] = state[0], node.boots
        seen["rollout"] = (await asyncio.to_thread(_command, "status", "--data", data))[0]["state"]
        await asyncio.sleep(12 * MINUTE_S)

    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=100 * MINUTE_S,
        start_s=START_S,
        meanwhile=operator,
        overrides={"update_key": key, "status_s": 600},
    )
    assert (seen["state"]["state"], seen["state"]["reason"]) == ("reverted", reason), seen
    assert seen["boots"] == 3  # the first life, the one with the update, the one that is back
    assert seen["rollout"] == "halted"
    assert VERSION not in _versions(outcome)
    assert len({o.observed_at_ms for o in outcome.observations}) >= 15


def _lora_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.plan._TWELVE", (("bin", "lorawan"),))


@pytest.mark.parametrize("kind", ["config", "files"])
def test_a_small_blob_goes_over_lorawan_in_fragments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """TS004 in Class A: the node fetches each fragment with an empty uplink, in spare air time."""
    _lora_only(monkeypatch)
    key = _key(tmp_path)
    content = bytes(range(256)) * 3
    if kind == "config":
        source = tmp_path / "values.json"
        source.write_text(json.dumps({"interval_s": 240, "confirm_every": 8}))
    else:
        source = tmp_path / "blobs"
        source.mkdir()
        (source / "microphone.bin").write_bytes(content)
        (source / "model.txt").write_text("weights")
    bundle = _sign(tmp_path, kind, source)
    data = str(tmp_path / "gateway")
    seen: dict[str, Any] = {}

    async def operator(gateway: Gateway, street: Street) -> None:
        await asyncio.sleep(20 * MINUTE_S)
        found = await asyncio.to_thread(_command, "offer", str(bundle), "--data", data)
        node = street.nodes[street.planned[0].site_id]
        for _ in range(200):
            await asyncio.sleep(MINUTE_S)
            state = await asyncio.to_thread(_command, "status", found["id"], "--data", data)
            if state[0]["state"] in ("kept", "reverted", "refused"):
                break
        seen["state"], seen["flash"] = state[0], node.flash

    outcome = run_house(
        tmp_path,
        nodes=1,
        virtual_s=260 * MINUTE_S,
        start_s=START_S,
        meanwhile=operator,
        overrides={"update_key": key},
    )
    assert seen["state"]["state"] == "kept", (seen, outcome.counters, outcome.status["devices"])
    if kind == "config":
        assert json.loads((seen["flash"] / "config.json").read_text())["interval_s"] == 240
    else:
        assert (seen["flash"] / "data" / "microphone.bin").read_bytes() == content
        assert (seen["flash"] / "data" / "model.txt").read_text() == "weights"
    assert outcome.counters["update.fragments"] >= 3
    assert not outcome.status["dead_letters"]
