from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.registry import Registry

from ..house import AIR, T0_MS, a_house, a_record, an_uplink, fill_registry

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
STREET = {
    "devices": [
        {
            "dev_eui": AIR, "join_eui": "70b3d57ed0000000", "app_key": KEY, "kind": "air",
            "transport": "lorawan",
            "site": {"id": "plein-1", "name": "Plein 1", "longitude": 4.899431, "latitude": 52.379189,
                     "precision_m": 250, "licence": "CC0-1.0"},
        },
        {
            "dev_eui": "70b3d57ed0000002", "kind": "bin", "transport": "mqtt", "mqtt_password": "long enough",
            "site": {"id": "bak-7", "name": "Bak 7", "longitude": 4.9, "latitude": 52.38, "precision_m": 100,
                     "licence": "CC0-1.0", "bin": {"empty_mm": 1500, "full_mm": 300}},
        },
    ]
}  # fmt: skip


def meetnet(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.json"
    path.write_text(json.dumps(STREET))
    return path


async def fill_store(path: Path) -> None:
    async with a_house(path) as house:
        fill_registry(house.registry)
        for n in range(10):
            await house.log.accept(an_uplink(a_record(n, T0_MS + n * 60_000, temperature=20 + n / 10)))
        await house.pipeline.drained()


def commands(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, (*words, name))
        else:
            found.append(((*words, name), command))
    return found


@pytest.mark.parametrize("words", [words for words, _ in commands(main)], ids=" ".join)
def test_every_command_has_help_with_an_example_and_a_json_form(words: tuple[str, ...]) -> None:
    result = meetnet(*words, "--help")
    assert result.exit_code == 0
    assert f"meetnet {' '.join(words)}" in result.output.split("Example:")[1]
    assert "--json" in result.output


def test_all_commands_are_listed() -> None:
    output = meetnet("--help").output
    for name in ("gateway", "simulate", "device", "export", "status", "config"):
        assert f"  {name} " in output


def test_a_street_is_added_and_listed_without_its_keys(tmp_path: Path, street: Path) -> None:
    data = tmp_path / "data"
    assert meetnet("device", "add", "--data", data, "--from", street).output == "2 added\n"
    assert meetnet("device", "add", "--data", data, "--from", street).output == "2 unchanged\n"
    listed = meetnet("device", "list", "--data", data, "--json")
    assert [(row["dev_eui"], row["site"]["id"]) for row in json.loads(listed.output)] == [
        (AIR, "plein-1"), ("70b3d57ed0000002", "bak-7"),
    ]  # fmt: skip
    shown = listed.output + meetnet("device", "list", "--data", data).output
    shown += meetnet("device", "list", "--data", data, "--csv").output
    assert KEY not in shown
    assert "long enough" not in shown


def test_refused_rows_are_told_on_stderr_and_by_exit_code_4(tmp_path: Path, street: Path) -> None:
    content = json.loads(street.read_text())
    content["devices"][0]["app_key"] = "nonsense"
    street.write_text(json.dumps(content))
    result = meetnet("device", "add", "--data", tmp_path / "data", "--from", street)
    assert result.exit_code == 4
    assert result.stdout == "1 added, 1 refused\n"
    assert f"row 1 {AIR}: refused: app_key: not a 128-bit key" in result.stderr
    assert "nonsense" not in result.output
    as_json = json.loads(
        meetnet("device", "add", "--data", tmp_path / "data", "--from", street, "--json").stdout
    )
    assert [row["outcome"] for row in as_json] == ["refused", "unchanged"]


def test_one_device_is_added_by_options_with_its_key_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    words = [
        "device", "add", "--data", tmp_path / "data",
        "--dev-eui", "70:B3:D5:7E:D0:00:00:01", "--join-eui", "00" * 8,
        "--app-key-file", tmp_path / "key", "--kind", "air", "--site", "plein-1", "--longitude", "4.9",
        "--latitude", "52.37", "--precision", "500",
    ]  # fmt: skip
    assert meetnet(*words).output == "1 added\n"
    registry = Registry(tmp_path / "data")
    assert registry.device_keys(AIR).app_key.hex() == KEY
    assert registry.site("plein-1").precision_m == 500
    registry.close()
    assert meetnet(*words, "--since", "2026-01-01").output == "1 unchanged\n"


def test_missing_options_are_wrong_usage_and_name_what_is_missing(tmp_path: Path) -> None:
    result = meetnet("device", "add", "--data", tmp_path / "data", "--dev-eui", AIR)
    assert result.exit_code == 2
    assert "--kind, --longitude, --latitude, --site" in result.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("device", "add", "--from", "absent.json"), "give the path of a provisioning file"),
        (("export",), "run the gateway first"),
        (("config", "check", "-c", "absent.toml"), "give another path"),
        (("device", "list", "-c", "absent.toml"), "give another path"),
    ],
)
def test_what_fails_is_one_sentence_on_stderr_and_exit_code_1(
    tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    data = () if "-c" in words else ("--data", tmp_path / "data")
    result = meetnet(*words, *data)
    assert result.exit_code == 1
    assert text in result.stderr
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("device", "add", "--from", "absent.csv"), 1, "give the path of a CSV file"),
        (("device", "add", "--dev-eui", AIR), 2, "--kind, --longitude"),
        (("device", "lsit"), 2, "No such command"),
        (("device", "list", "--no-such"), 2, "No such option"),
        (("status",), 3, "no gateway is running"),
        (("device", "config", "set", AIR, "interval_s=5"), 2, "interval_s is outside 10..86400"),
        (("update", "keygen", "--key", "absent/key.pem"), 1, "absent/key.pem"),
        (("energy", "t3s3_gardn"), 1, "no such board"),
    ],
)
def test_with_json_a_failure_is_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = meetnet(*words, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["exit_code"]) == (code, code)
    assert text in found["error"] and text in result.stderr
    assert meetnet(*words).stdout == ""  # for people it is on stderr alone


def test_a_full_disk_is_a_sentence(tmp_path: Path, street: Path) -> None:
    """/dev/full (full(4)) fails each write with ENOSPC."""
    meetnet("device", "add", "--data", tmp_path / "data", "--from", street)
    words = ["device", "export", "--data", tmp_path / "data", "--format", "tts-csv", "--to-terminal"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, words)],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device; see to the path, its rights and free space" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_without_a_gateway_is_exit_code_3(tmp_path: Path) -> None:
    result = meetnet("status", "--data", tmp_path)
    assert (result.exit_code, "no gateway is running" in result.stderr) == (3, True)
    (tmp_path / "control.json").write_text('{"port": 1, "token": "left over"}')
    assert meetnet("status", "--data", tmp_path).exit_code == 3


def test_config_check_says_what_holds_and_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "meetnet.toml"
    file.write_text("[web]\nport = 8081\n")
    right = meetnet("config", "check", "-c", file)
    assert right.exit_code == 0
    assert "web.port = 8081" in right.output.splitlines()
    assert json.loads(meetnet("config", "check", "-c", file, "--json").output)["settings"]["web.port"] == 8081
    file.write_text("[web]\nport = 80810\n")
    wrong = meetnet("config", "check", "-c", file)
    assert wrong.exit_code == 1
    assert (
        "web.port: 80810 is not allowed: give a whole number, 0 to 65535; left out it is 8080" in wrong.stderr
    )
    found = json.loads(meetnet("config", "check", "-c", file, "--json").stdout)
    assert (found["ok"], found["key"]) == (False, "web.port")
    file.write_text('[publish.stad]\nurl = "http://localhost"\n')
    assert "publish.stad.type" in meetnet("config", "check", "-c", file).stderr


def test_export_writes_csv_and_geojson_without_exact_positions(tmp_path: Path) -> None:
    asyncio.run(fill_store(tmp_path))
    result = meetnet("export", "--data", tmp_path)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["value"] for row in rows if row["quantity"] == "temperature"] == [
        str(20 + n / 10) for n in range(10)
    ]
    assert {row["site_id"] for row in rows} == {"plein-1"}
    file = tmp_path / "out.geojson"
    assert meetnet("export", "--data", tmp_path, "-o", file).exit_code == 0
    assert json.loads(file.read_text())["type"] == "FeatureCollection"
    latest = json.loads(meetnet("export", "--data", tmp_path, "--latest").stdout)
    everything = result.stdout + file.read_text() + json.dumps(latest)
    for secret in (AIR, "4.899431", "52.379189"):
        assert secret not in everything
    none = meetnet("export", "--data", tmp_path, "--to", "2020-01-01")
    assert len(none.stdout.splitlines()) == 1
    assert meetnet("export", "--data", tmp_path, "-o", tmp_path / "no" / "where.csv").exit_code == 1


def test_the_simulator_is_only_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys; sys.argv = ['meetnet', 'config', 'check']\n"
        "from gateway.cli import main\n"
        "main(standalone_mode=False)\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'simulator']\n"
        "assert 'amqtt' not in sys.modules and 'uvicorn' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[3]
    )


def read_ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    text = ""
    assert process.stdout is not None
    for line in process.stdout:
        text += line
        if line == "}\n":
            return json.loads(text)
    raise AssertionError(f"the gateway ended: {text}")


def test_the_service_runs_answers_and_stops_as_a_process(tmp_path: Path, street: Path) -> None:
    command = [sys.executable, "-m", "gateway"]
    root = Path(__file__).parents[3]
    environment = {"PYTHONPATH": f"{root}:{root / 'firmware'}", "PATH": "/usr/bin:/bin"}
    data = ["--data", str(tmp_path / "data")]
    subprocess.run(
        [*command, "device", "add", *data, "--from", str(street)],
        check=True,
        capture_output=True,
        env=environment,
    )
    file = tmp_path / "meetnet.toml"
    file.write_text("[web]\nport = 0\n[broker]\nport = 0\n[semtech_udp]\nport = 0\n[data]\nsegment_mib = 1\n")
    process = subprocess.Popen(
        [*command, "gateway", "run", "--json", "-c", str(file), *data],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    watchdog = threading.Timer(100, process.kill)
    watchdog.start()
    try:
        ports = read_ready(process)["ports"]
        assert set(ports) == {"web", "broker", "semtech_udp"}
        status = subprocess.run(
            [*command, "status", "--json", *data], check=True, capture_output=True, text=True, env=environment
        )
        assert [device["site"] for device in json.loads(status.stdout)["devices"]] == ["plein-1", "bak-7"]
        again = subprocess.run(
            [*command, "gateway", "run", *data], capture_output=True, text=True, env=environment, check=False
        )
        assert (again.returncode, "in use by a running gateway" in again.stderr) == (1, True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
