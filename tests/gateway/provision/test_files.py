"""Device lists for other network servers."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.provision import Moving
from gateway.provision.files import chirpstack_csv, tts_csv, write_file

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
EUI = "70b3d57ed0000001"


def meetnet(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def street(path: Path) -> Path:
    def site(number: int, **more: object) -> dict:
        return {"id": f"site-{number}", "name": f"Plein {number}", "longitude": 4.9, "latitude": 52.4,
                "precision_m": 100, "licence": "CC0-1.0"} | more  # fmt: skip

    devices = [
        {"dev_eui": EUI, "join_eui": "70b3d57ed0000000", "app_key": KEY, "kind": "air",
         "transport": "lorawan", "site": site(1, name='Plein 1; "hoek"')},
        {"dev_eui": "70b3d57ed0000002", "kind": "bin", "transport": "mqtt", "mqtt_password": "long enough",
         "site": site(2, bin={"empty_mm": 1500, "full_mm": 300})},
        {"dev_eui": "70b3d57ed0000003", "join_eui": "70b3d57ed0000000", "app_key": "0" * 32, "kind": "garden",
         "transport": "lorawan", "site": site(3)},
    ]  # fmt: skip
    (path / "street.json").write_text(json.dumps({"devices": devices}))
    assert meetnet("device", "add", "--data", path / "data", "--from", path / "street.json").exit_code == 0
    return path / "data"


def test_the_things_stack_reads_its_own_columns(tmp_path):
    """The header and values of its "CSV File Reference", example "All columns for a LoRaWAN 1.0.4 device"."""
    out = tmp_path / "devices.csv"
    result = meetnet("device", "export", "--data", street(tmp_path), "--format", "tts-csv", "-o", out)
    assert result.exit_code == 0 and KEY not in result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(out.read_text().splitlines(), delimiter=";"))
    assert [row["dev_eui"] for row in rows] == [EUI, "70b3d57ed0000003"]
    assert rows[0] == {
        "id": f"eui-{EUI}", "dev_eui": EUI, "join_eui": "70b3d57ed0000000", "name": 'Plein 1; "hoek"',
        "frequency_plan_id": "EU_863_870_TTN", "lorawan_version": "MAC_V1_0_4",
        "lorawan_phy_version": "RP002_V1_0_3", "app_key": KEY,
    }  # fmt: skip


def test_a_list_for_chirpstack_has_the_key_where_its_api_wants_it(tmp_path):
    out = tmp_path / "devices.csv"
    data = street(tmp_path)
    words = ("device", "export", "--data", data, "--format", "chirpstack-csv", "-o", out, "--dev-eui", EUI)
    assert json.loads(meetnet(*words, "--json").output)["devices"] == 1
    (row,) = csv.DictReader(out.read_text().splitlines())
    assert (row["dev_eui"], row["nwk_key"]) == (EUI, KEY)


def test_keys_go_to_the_terminal_only_when_asked(tmp_path):
    data = street(tmp_path)
    refused = meetnet("device", "export", "--data", data, "--format", "tts-csv")
    assert refused.exit_code == 2 and "--to-terminal" in refused.output and KEY not in refused.output
    assert KEY in meetnet("device", "export", "--data", data, "--format", "tts-csv", "--to-terminal").output


def test_a_device_that_is_none_is_named(tmp_path):
    words = ("device", "export", "--data", street(tmp_path), "--format", "tts-csv", "-o", tmp_path / "x")
    result = meetnet(*words, "--dev-eui", "70b3d57ed0000002")
    assert result.exit_code == 1 and "70b3d57ed0000002" in result.output and not (tmp_path / "x").exists()


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("old")
    path.chmod(0o644)
    write_file(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600
    from gateway.errors import RegistryError

    with pytest.raises(RegistryError, match="another path"):
        write_file(tmp_path / "absent" / "x.csv", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["list.csv"]


def test_no_repr_shows_a_key():
    device = Moving(EUI, "0" * 16, "Plein", "air", bytes.fromhex(KEY))
    assert KEY not in repr(device) and "2b" not in repr(device)
    assert KEY in tts_csv([device]) and KEY in chirpstack_csv([device])


@pytest.mark.parametrize(
    ("server", "more", "tls"),
    [
        ("127.0.0.1:8080", (), False),
        ("localhost:8080", (), False),
        ("chirpstack.example:8080", (), True),
        ("chirpstack.example:8080", ("--insecure",), False),
        ("localhost.example:8080", (), True),
    ],
)
def test_keys_leave_this_machine_in_clear_only_when_asked(tmp_path, monkeypatch, server, more, tls):
    targets = []

    class Recorder:
        def __init__(self, target, token):
            targets.append((target.server, target.tls, token))

        def put_all(self, devices):
            return []

        def close(self):
            pass

    monkeypatch.setattr("gateway.provision.chirpstack.ChirpStackDevices", Recorder)
    (tmp_path / "token").write_text("t\n")
    words = [
        "device",
        "export",
        "--data",
        street(tmp_path),
        "--format",
        "chirpstack-grpc",
        "--server",
        server,
    ]
    words += ["--token-file", tmp_path / "token", "--application", "a", "--device-profile", "p", *more]
    assert meetnet(*words).exit_code == 0
    assert targets == [(server, tls, "t")]


def test_without_the_api_the_remedy_is_told(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "grpc", None)
    (tmp_path / "token").write_text("t\n")
    words = [
        "device",
        "export",
        "--data",
        street(tmp_path),
        "--format",
        "chirpstack-grpc",
        "--server",
        "[::1]:1",
    ]
    result = meetnet(
        *words, "--token-file", tmp_path / "token", "--application", "a", "--device-profile", "p"
    )
    assert result.exit_code == 1 and "meetnet[chirpstack]" in result.output
