from __future__ import annotations

import json
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import RegistryError, StoreError, StoreVersionError
from gateway.registry import Device, Registry, import_devices
from gateway.registry.tables import export_csv, import_csv

from ..house import AIR, BIN, T0_MS, a_directory_for_all, a_site, fill_registry, read_only_directory

KEY = "2b7e151628aed2a6abf7158809cf4f3c"
PASSWORD = "correct horse battery"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path)
    yield found
    found.close()


def lorawan(**changes: Any) -> dict[str, Any]:
    site = {"id": "plein-1", "name": "Plein 1", "longitude": 4.89, "latitude": 52.37, "precision_m": 100}
    return {
        "dev_eui": AIR, "join_eui": "70b3d57ed0000000", "app_key": KEY, "kind": "air", "transport": "lorawan",
        "site": site | {"licence": "CC0-1.0"},
    } | changes  # fmt: skip


def wifi(**changes: Any) -> dict[str, Any]:
    site = {"id": "bak-7", "longitude": 4.9, "latitude": 52.4, "bin": {"empty_mm": 1500, "full_mm": 300}}
    return {
        "dev_eui": BIN,
        "kind": "bin",
        "transport": "mqtt",
        "mqtt_password": PASSWORD,
        "site": site,
    } | changes


def imported(registry: Registry, path: Path, *rows: Any) -> list[tuple[str, str]]:
    file = path / "street.json"
    file.write_text(json.dumps({"devices": rows}))
    return [(report.outcome, report.message) for report in import_devices(registry, file)]


def test_a_street_is_imported_once_however_often(registry: Registry, tmp_path: Path) -> None:
    assert [outcome for outcome, _ in imported(registry, tmp_path, lorawan(), wifi())] == ["added", "added"]
    assert [outcome for outcome, _ in imported(registry, tmp_path, lorawan(), wifi())] == [
        "unchanged",
        "unchanged",
    ]
    keys = registry.device_keys(AIR)
    assert keys is not None
    assert (keys.app_key, keys.join_eui) == (bytes.fromhex(KEY), "70b3d57ed0000000")
    site = registry.site_of(BIN, T0_MS)
    assert site is not None
    assert (site.id, site.kind, site.empty_mm, site.full_mm) == ("bak-7", "bin", 1500, 300)
    assert registry.check_password(BIN, PASSWORD)
    assert [found.id for found in registry.consenting_sites("public", T0_MS)] == ["bak-7", "plein-1"]


def test_a_changed_row_updates(registry: Registry, tmp_path: Path) -> None:
    imported(registry, tmp_path, lorawan())
    other = lorawan(app_key="00" * 16)
    other["site"]["name"] = "Het Plein"
    assert imported(registry, tmp_path, other) == [("updated", "")]
    assert registry.device_keys(AIR).app_key == bytes(16)
    assert registry.site("plein-1").name == "Het Plein"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lorawan(dev_eui="12"), "dev_eui: '12' is not an EUI; give 16 hex digits"),
        (lorawan(app_key="secret"), "app_key: not a 128-bit key; give 32 hex digits"),
        (lorawan(join_eui=None), "join_eui: missing"),
        (lorawan(kind="tree"), "allowed: air, noise, bin, garden"),
        (lorawan(transport="pigeon"), "allowed: lorawan, mqtt"),
        (lorawan(site=None), "site: missing"),
        (lorawan(site={"id": "x", "longitude": "east", "latitude": 1}), "longitude: 'east' is not a number"),
        (
            lorawan(site={"id": "x", "longitude": 1, "latitude": 91}),
            "site.latitude of x: 91; allowed: -90 to 90",
        ),
        (lorawan(site={"id": "a b", "longitude": 1, "latitude": 1}), "site.id: 'a b'; give"),
        (lorawan(site={"id": f"s-{AIR}", "longitude": 1, "latitude": 1}), "contains the DevEUI"),
        (wifi(mqtt_password="short"), "mqtt_password: shorter than 8"),
        (
            wifi(site={"id": "b", "longitude": 1, "latitude": 1, "bin": {"empty_mm": 1, "full_mm": 5}}),
            "must be below",
        ),
        ("text", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_go_in(
    registry: Registry, tmp_path: Path, row: Any, message: str
) -> None:
    good = wifi(dev_eui="70b3d57ed00000aa", site={"id": "other", "longitude": 1, "latitude": 1})
    reports = imported(registry, tmp_path, row, good)
    assert [outcome for outcome, _ in reports] == ["refused", "added"]
    assert message in reports[0][1]
    assert "secret" not in reports[0][1]
    assert "short'" not in reports[0][1]
    assert [device.dev_eui for device in registry.devices()] == ["70b3d57ed00000aa"]
    assert [site.id for site in registry.sites()] == ["other"]


@pytest.mark.parametrize("content", ["", "[]", '{"devices": 3}', "{", '"x"', "nonsense"])
def test_a_file_that_is_no_provisioning_file_is_told(
    registry: Registry, tmp_path: Path, content: str
) -> None:
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(RegistryError, match=r"file\.json"):
        import_devices(registry, tmp_path / "file.json")
    with pytest.raises(RegistryError, match="give the path"):
        import_devices(registry, tmp_path / "absent.json")


def test_secrets_are_for_the_owner_only_and_never_shown(registry: Registry, tmp_path: Path) -> None:
    imported(registry, tmp_path, lorawan(), wifi())
    for path in tmp_path.glob("secrets.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = repr([registry.device_keys(AIR), registry.devices(), registry.sites()]) + export_csv(registry)
    assert KEY not in shown
    assert repr(bytes.fromhex(KEY)) not in shown
    assert PASSWORD not in shown
    for path in tmp_path.glob("*.db*"):
        assert PASSWORD.encode() not in path.read_bytes()
        if not path.name.startswith("secrets"):
            assert bytes.fromhex(KEY) not in path.read_bytes()


def test_passwords_are_checked(registry: Registry, tmp_path: Path) -> None:
    imported(registry, tmp_path, wifi(), lorawan())
    assert not registry.check_password(BIN, "wrong")
    assert not registry.check_password(BIN, "")
    assert not registry.check_password(AIR, "")
    assert not registry.check_password("nobody", PASSWORD)


def test_a_device_is_where_it_was_deployed_at_that_time(registry: Registry) -> None:
    fill_registry(registry)
    registry.deploy(AIR, "tuin-3", 1000)
    registry.deploy(AIR, "plein-1", 2000)
    where = [registry.site_of(AIR, at_ms).id for at_ms in (0, 999, 1000, 1999, 2000, 2**60)]
    assert where == ["plein-1", "plein-1", "tuin-3", "tuin-3", "plein-1", "plein-1"]
    assert not registry.deploy(AIR, "plein-1", None)
    with pytest.raises(RegistryError, match="give a later time"):
        registry.deploy(AIR, "tuin-3", 1500)
    assert registry.site_of("00000000000000ff", 0) is None


def test_a_replaced_device_continues_the_series_of_its_site(registry: Registry) -> None:
    fill_registry(registry)
    registry.put_device(Device("70b3d57ed00000bb", "air", "lorawan", "0" * 16))
    registry.deploy("70b3d57ed00000bb", "plein-1", 5000)
    assert registry.site_of("70b3d57ed00000bb", 6000).id == "plein-1"


def test_a_site_of_an_unknown_organisation_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="'other' is not registered"):
        registry.put_site(a_site("x", "air", organisation="other"))
    registry.put_organisation("other", "Other")
    assert registry.put_site(a_site("x", "air", organisation="other"))


def test_csv_goes_out_and_comes_back_the_same_and_keys_stay(registry: Registry, tmp_path: Path) -> None:
    imported(registry, tmp_path, lorawan(), wifi())
    registry.withdraw("bak-7", "public", 0)
    text = export_csv(registry)
    (tmp_path / "out.csv").write_text(text)
    assert [report.outcome for report in import_csv(registry, tmp_path / "out.csv")] == ["unchanged"] * 2
    assert registry.device_keys(AIR).app_key == bytes.fromhex(KEY)
    changed = text.replace("Plein 1", "Nieuw Plein")
    (tmp_path / "out.csv").write_text(changed)
    assert [report.outcome for report in import_csv(registry, tmp_path / "out.csv")] == [
        "updated",
        "unchanged",
    ]
    assert registry.site("plein-1").name == "Nieuw Plein"


def test_csv_rows_that_cannot_be_are_refused_one_by_one(registry: Registry, tmp_path: Path) -> None:
    head = "dev_eui,join_eui,app_key,kind,transport,site_id,longitude,latitude\n"
    rows = [
        f"{AIR},70b3d57ed0000000,{KEY},air,lorawan,plein-1,4.9,52.3",
        f"{BIN},70b3d57ed0000000,,bin,lorawan,bak-7,4.9,52.3",
        "70b3d57ed00000cc,70b3d57ed0000000," + KEY[::-1] + ",air,lorawan,x,4.9 E,52.3",
        "short,row",
    ]
    (tmp_path / "in.csv").write_text(head + "\n".join(rows) + "\n")
    reports = import_csv(registry, tmp_path / "in.csv")
    assert [report.outcome for report in reports] == ["added", "refused", "refused", "refused"]
    assert "app_key: missing" in reports[1].message
    assert "longitude: '4.9 E' is not a number; write it like 4.35" in reports[2].message
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RegistryError, match="column dev_eui"):
        import_csv(registry, tmp_path / "in.csv")


def test_another_process_is_seen_at_once(registry: Registry, tmp_path: Path) -> None:
    assert registry.device(AIR) is None
    beside = Registry(tmp_path)
    fill_registry(beside)
    assert registry.device(AIR) is not None
    assert registry.site_of(AIR, 0).name == "Plein-1"
    beside.put_site(a_site("plein-1", "air", name="Anders"))
    assert registry.site_of(AIR, 0).name == "Anders"
    beside.close()


def test_a_registry_of_a_newer_meetnet_is_refused(tmp_path: Path) -> None:
    Registry(tmp_path).close()
    db = sqlite3.connect(tmp_path / "registry.db")
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreVersionError, match="schema 9"):
        Registry(tmp_path)


def test_a_corrupt_or_read_only_registry_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_bytes(b"no database" * 200)
    with pytest.raises(StoreError, match="restore a backup"):
        Registry(tmp_path)
    with (
        a_directory_for_all() as path,
        read_only_directory(path),
        pytest.raises(StoreError, match="owner, mode"),
    ):
        Registry(path)


def test_a_row_that_fails_late_leaves_nothing_of_itself(registry: Registry, tmp_path: Path) -> None:
    imported(registry, tmp_path, lorawan())
    moved = lorawan(app_key="00" * 16, site={"id": "elders", "longitude": 5.0, "latitude": 52.0})
    ((outcome, message),) = imported(registry, tmp_path, moved)  # it is still deployed at plein-1
    assert (outcome, "give a later time" in message) == ("refused", True)
    assert registry.site("elders") is None
    assert registry.device_keys(AIR).app_key == bytes.fromhex(KEY)


def test_two_thousand_devices_are_added_in_seconds(registry: Registry, tmp_path: Path) -> None:
    rows = [
        lorawan(dev_eui=f"{n:016x}", site={"id": f"s{n}", "longitude": 4.9, "latitude": 52.0})
        for n in range(2000)
    ]
    start = time.perf_counter()
    assert {outcome for outcome, _ in imported(registry, tmp_path, *rows)} == {"added"}
    assert time.perf_counter() - start < 10
