"""Keys, bundles, the command line, and serving: what is refused says why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.cli.main import main
from gateway.errors import UpdateError
from gateway.registry import Registry
from gateway.registry.model import Device
from gateway.update import bundles_app, generate, load_private, read
from gateway.update.bundle import Release, build_application, build_config, build_files, parse_version
from gateway.update.events import something_on
from gateway.update.keys import public_bytes

KEY = ec.derive_private_key(11, ec.SECP256R1())
RELEASE = Release((1, 0, 0), 3)


class _Client:
    def __init__(self, app: Any) -> None:
        self._app = app

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


def _command(*words: str, code: int = 0) -> str:
    found = CliRunner().invoke(main, ["update", *words])
    assert found.exit_code == code, found.output
    return found.output


def test_a_key_is_made_once_readable_by_its_owner_alone_and_may_have_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = generate(path, b"zin met woorden")
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_bytes(load_private(path, b"zin met woorden")) == public_bytes(key)
    with pytest.raises(UpdateError, match="there already"):
        generate(path)
    with pytest.raises(UpdateError):
        load_private(path)
    with pytest.raises(UpdateError, match="keygen"):
        load_private(tmp_path / "none.pem")


def test_a_bundle_that_is_damaged_or_of_another_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(1000))
    bundle = build_files(tmp_path, RELEASE, KEY)
    assert read(bundle.data, public_bytes(KEY)).id == bundle.id
    other = public_bytes(ec.derive_private_key(12, ec.SECP256R1()))
    with pytest.raises(UpdateError, match="not signed"):
        read(bundle.data, other)
    for broken in (b"", bundle.data[:-1], bundle.data + b"x", b"x" + bundle.data):
        with pytest.raises(UpdateError):
            read(broken)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"interval_s": 1}, "interval_s is outside"),
        ({"wifi": {"password": "x"}}, "wifi.password cannot be set from afar"),
        ({"update_key": "00" * 64}, "update_key cannot"),
        ({"no": 1}, "no cannot"),
        ({}, "nothing to set"),
    ],
)
def test_a_configuration_that_no_node_would_take_is_not_signed(values: dict[str, Any], why: str) -> None:
    with pytest.raises(UpdateError, match=why):
        build_config(values, RELEASE, KEY)


def test_only_an_application_of_one_architecture_is_one(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="node/start is missing"):
        build_application(tmp_path, RELEASE, KEY)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "start.mpy").write_bytes(b"M\x06\x00\x1f")
    assert build_application(tmp_path, RELEASE, KEY).head.architecture == 0
    (tmp_path / "node" / "a.mpy").write_bytes(b"M\x06" + bytes([10 << 2]) + b"\x1f")  # xtensawin
    assert build_application(tmp_path, RELEASE, KEY).head.architecture == 1
    (tmp_path / "node" / "b.mpy").write_bytes(b"M\x06" + bytes([11 << 2]) + b"\x1f")  # rv32imc
    with pytest.raises(UpdateError, match="several architectures"):
        build_application(tmp_path, RELEASE, KEY)
    with pytest.raises(UpdateError, match="three numbers"):
        parse_version("1.2")


def test_an_application_of_changed_files_only_is_small(tmp_path: Path) -> None:
    for name, text in (("old", "x = 1\n" * 9000), ("new", "x = 1\n" * 9000)):
        (tmp_path / name / "node").mkdir(parents=True)
        (tmp_path / name / "node" / "start.py").write_text(text)
        (tmp_path / name / "node" / "version.py").write_text(f"VERSION = {name!r}")
    whole = build_application(tmp_path / "new", RELEASE, KEY)
    changed = build_application(tmp_path / "new", RELEASE, KEY, tmp_path / "old")
    assert changed.head.unpacked < whole.head.unpacked // 100


def test_the_command_line_offers_shows_halts_and_respects_owners(tmp_path: Path) -> None:
    data, key = str(tmp_path / "data"), str(tmp_path / "key.pem")
    registry = Registry(tmp_path / "data")
    for n in range(30):
        registry.put_device(Device(f"{n:016x}", "air", "mqtt"))
    registry.close()
    assert len(_command("keygen", "--key", key).strip()) == len("update_key=") + 128
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "a.bin").write_bytes(b"x" * 100)
    out = str(tmp_path / "a.mnu")
    _command("sign", "files", str(blobs), out, "--key", key, "--version", "1.0.0")
    _command("refuse", f"{3:016x}", "--data", data)
    found = json.loads(_command("offer", out, "--data", data, "--json"))
    assert (found["devices"], found["stages"], found["owners_refused"]) == (29, [1, 7, 29], [f"{3:016x}"])
    assert "running" in _command("status", "--data", data)
    _command("halt", found["id"], "--data", data)
    assert "by hand" in _command("status", "--data", data)
    _command("resume", found["id"], "--data", data)
    assert len(json.loads(_command("status", found["id"], "--data", data, "--json"))) == 29
    _command("allow", f"{3:016x}", "--data", data)
    _command("halt", "00000000", "--data", data, code=1)
    _command("offer", out, f"{99:016x}", "--data", data, code=2)


def test_bundles_are_served_in_ranges_and_only_those_that_are_offered(tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.write_bytes(bytes(range(256)) * 10)
    client = _Client(bundles_app(lambda bundle_id: path if bundle_id == "01020304" else None))
    found = client.get("/update/01020304", headers={"Range": "bytes=100-199"})
    # RFC 9110, 14.4 and 15.3.7
    assert (found.status_code, found.headers["content-range"]) == (206, "bytes 100-199/2560")
    assert found.content == path.read_bytes()[100:200]
    assert (
        client.get("/update/01020304", headers={"Range": "bytes=2500-9999"}).content
        == path.read_bytes()[2500:]
    )
    assert client.get("/update/01020304").status_code == 416
    assert client.get("/update/01020304", headers={"Range": "bytes=2560-"}).status_code == 416
    for other in ("05060708", "..%2fsecrets", "0102030405"):
        assert client.get(f"/update/{other}", headers={"Range": "bytes=0-9"}).status_code == 404


@dataclass
class _Row:
    form: Any
    observed_at_ms: int
    raw: float | None
    value: float | None = None


@pytest.mark.parametrize(
    ("rows", "on"),
    [
        ([], False),
        ([("precipitation", 10, 0.2)], True),
        ([("precipitation", 90, 0.2)], False),
        ([("precipitation", 10, 0.0)], False),
        ([("laeq", 600, 50.0), ("laeq", 300, 52.0), ("laeq", 5, 63.0)], True),
        ([("laeq", 600, 50.0), ("laeq", 300, 52.0), ("laeq", 5, 60.0)], False),
    ],
)
def test_rain_of_the_last_hour_and_noise_of_the_last_half_hour_hold_an_update_back(
    rows: list[tuple[str, int, float]], on: bool
) -> None:
    now_ms = 1_790_000_000_000
    history = [_Row(SimpleNamespace(quantity=q), now_ms - minutes * 60_000, raw) for q, minutes, raw in rows]
    store = SimpleNamespace(history=lambda _site, _since: history)
    sites = SimpleNamespace(site_of=lambda _dev, _at: SimpleNamespace(id="s"))
    assert something_on(store, sites, lambda: now_ms, "d") is on
