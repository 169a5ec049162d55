"""Backup while it runs, restore, check, and copies that keep every number."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.errors import StoreError
from gateway.registry import Registry
from gateway.store import SqliteStore
from gateway.store.backup import backup, restore
from gateway.store.checking import check
from gateway.store.copying import copy

from ..house import AIR, BIN, T0_MS, a_house, a_record, an_uplink, fill_registry
from .test_sqlite import outcome

MINUTE_MS = 60_000


def meetnet(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, list(words))
    return found.exit_code, found.output


async def some(house: object, first: int, count: int) -> None:
    for n in range(first, first + count):
        await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, temperature=n / 10, pm2_5=5.0)))
        await house.log.accept(an_uplink(a_record(n, T0_MS + n * MINUTE_MS, distance=900.0), dev_eui=BIN))
    await house.pipeline.drained()


async def test_a_backup_of_a_running_house_restores_to_all_that_was_acknowledged_by_then(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path / "data") as house:
        fill_registry(house.registry)
        await some(house, 0, 30)
        backup(tmp_path / "data", tmp_path / "one.tar.gz")
        await some(house, 30, 10)
        expected = [row for row in house.store.after(0, 1000) if row.observed_at_ms < T0_MS + 30 * MINUTE_MS]
    assert (tmp_path / "one.tar.gz").stat().st_mode & 0o077 == 0
    restore(tmp_path / "one.tar.gz", tmp_path / "back")
    async with a_house(tmp_path / "back") as house:
        house.pipeline.wake((await house.log.call(lambda log: log)).last_sequence)
        await house.pipeline.drained()
        assert house.store.after(0, 1000) == expected
        assert house.registry.site_of(AIR, T0_MS).id == "plein-1"
        await some(house, 30, 1)  # and goes on
        assert check(house.store) == []


def test_what_is_no_backup_or_no_empty_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no archive")
    with pytest.raises(StoreError, match="restore from"):
        restore(tmp_path / "x", tmp_path / "new")
    with pytest.raises(StoreError, match="not empty"):
        restore(tmp_path / "x", tmp_path)
    with pytest.raises(StoreError, match="no data directory"):
        backup(tmp_path, tmp_path / "y")


def a_store(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    store.commit(
        [outcome(n, n, T0_MS + n * 1000, n / 10, f"s{n % 7}", f"{n % 5:016x}") for n in range(1, 200)]
    )
    store.save("ngsi_ld", 640)
    return store


def everything(store: SqliteStore) -> list[object]:
    return [
        store.after(0, 10_000), store.latest(), store.devices_seen(), store.publisher_positions(),
        store.position(), store.newest_position(), store.dead_letters(),
    ]  # fmt: skip


def test_a_copy_has_every_number_and_goes_on_from_there(tmp_path: Path) -> None:
    source, target = a_store(tmp_path / "a.db"), SqliteStore(tmp_path / "b.db")
    assert copy(source, target) == 199
    assert everything(target) == everything(source)
    assert check(target) == []
    for store in (source, target):
        store.commit([outcome(200, 200, T0_MS + 10**6, 5.0, "s1", f"{1:016x}")])
    assert everything(target) == everything(source)
    with pytest.raises(StoreError, match="not empty"):
        copy(source, target)
    source.close()
    target.close()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("DELETE FROM shapes", "its shape"),
        ("UPDATE records SET body = x'00' WHERE id = 5", "record 5"),
        ("UPDATE positions SET position = 3 WHERE name = 'records'", "would be given out next"),
        ("UPDATE sites SET observed_at_ms = 1", "its newest record"),
        ("UPDATE sites SET last = x'c1'", "cannot be read"),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, damage: str, text: str) -> None:
    a_store(tmp_path / "store.db").close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute(damage)
    db.close()
    code, told = meetnet("store", "check", "--json", "--data", str(tmp_path))
    assert code == 1
    assert any(text in fault for fault in json.loads(told)["faults"])


def test_the_commands_do_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    a_store(data / "store.db").close()
    (data / "registry.db").touch()
    assert meetnet("store", "check", "--data", str(data))[0] == 0
    code, told = meetnet("store", "backup", str(tmp_path / "b.tar.gz"), "--json", "--data", str(data))
    assert (code, json.loads(told)["files"]) == (0, 2)
    code, told = meetnet("store", "restore", str(tmp_path / "b.tar.gz"), "--data", str(tmp_path / "new"))
    assert (code, f"meetnet store check --data {tmp_path / 'new'}" in told) == (
        0,
        True,
    )  # not that of the settings
    code, told = meetnet("store", "copy", str(tmp_path / "c.db"), "--json", "--data", str(tmp_path / "new"))
    assert (code, json.loads(told)) == (0, {"records": 199})
    assert meetnet("store", "backup", str(tmp_path / "d"), "--data", str(tmp_path / "none"))[0] == 1


def test_a_backup_says_when_the_observations_are_elsewhere(tmp_path: Path) -> None:
    Registry(tmp_path / "data").close()
    file = tmp_path / "meetnet.toml"
    file.write_text('[data]\ndirectory = "data"\npostgres = "postgresql://meetnet@db/meetnet"\n')
    target = str(tmp_path / "b.tar.gz")
    code, told = meetnet("store", "backup", target, "-c", str(file))
    assert code == 0
    assert "pg_dump" in told
    assert (
        json.loads(meetnet("store", "backup", target, "--json", "-c", str(file))[1])["observations"] is False
    )
    file.write_text('[data]\ndirectory = "data"\n')
    assert "pg_dump" not in meetnet("store", "backup", target, "-c", str(file))[1]


def test_a_backup_is_the_owners_alone_and_so_is_what_comes_back(tmp_path: Path) -> None:
    Registry(tmp_path / "data").close()
    target, bystander = tmp_path / "one.tar.gz", tmp_path / "bystander"
    bystander.write_text("theirs")
    (tmp_path / "one.tar.gz.new").symlink_to(bystander)  # a folder that others may write to, as /tmp
    backup(tmp_path / "data", target)
    assert bystander.read_text() == "theirs"
    assert target.stat().st_mode & 0o777 == 0o600
    place = tmp_path / "back"
    place.mkdir(mode=0o755)
    restore(target, place)
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.iterdir() if path.is_file()}
    assert modes
    assert set(modes.values()) == {0o600}
