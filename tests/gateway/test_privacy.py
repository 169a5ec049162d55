"""A site is erased from every place, on both engines: afterwards no file holds it. And handed out whole."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.app import Gateway
from gateway.backfill import GapBook
from gateway.cli import main
from gateway.config import Config
from gateway.decode import WindowBook
from gateway.errors import StoreError
from gateway.model import Assessment
from gateway.places import locked_house
from gateway.privacy import PLACES, PLACES_OF_GONE, erase_site, export_site, holding
from gateway.publish import FileSideList
from gateway.publish.base import Rejection
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.rounds import Rounds
from gateway.store import SegmentLog, SqlitePublicReader
from gateway.store.assessments import Assessments
from gateway.store.backup import backup
from gateway.store.checking import check
from gateway.store.history.rolling import roll_all

from .house import AIR, BIN, T0_MS, a_house, a_record, an_uplink, fill_registry
from .store.test_history import seal

SITE, OTHER = "plein-1", "bak-7"
DAY_MS, MINUTE_MS = 86_400_000, 60_000
LONGITUDE, LATITUDE = 4.712345, 51.987654
# A value of the site that nothing else has, as the store and the log would hold it.
VALUE = 37.13
N = 60


async def a_full_directory(path: Path) -> None:
    """Records, sealed and not, frames, flags, incidents, visits, people: of the site and of another."""
    async with a_house(path) as house:
        fill_registry(house.registry)
        site = next(one for one in house.registry.sites() if one.id == SITE)
        house.registry.put_site(
            type(site)(**{f: getattr(site, f) for f in site.__dataclass_fields__}
                       | {"name": "Tuin van Els", "longitude": LONGITUDE, "latitude": LATITUDE})
        )  # fmt: skip
        for n in range(N):
            at_ms = T0_MS + n * 3_600_000
            await house.log.accept(
                an_uplink(a_record(n, at_ms, temperature=VALUE, pm2_5=5.0), received_at_ms=at_ms, f_cnt=n)
            )
            await house.log.accept(
                an_uplink(a_record(n, at_ms, distance=900.0), dev_eui=BIN, received_at_ms=at_ms, f_cnt=n)
            )
        broken = an_uplink(a_record(N, T0_MS, temperature=1.0))
        await house.log.accept(type(broken)(**{
            **{f: getattr(broken, f) for f in broken.__struct_fields__},
            "payload": b"\xfe\xed\xfa\xce", "f_port": 9,
        }))  # fmt: skip
        await house.pipeline.drained()
        row = next(
            row
            for row in SqlitePublicReader(house.store, house.registry.sites).latest()
            if row.site_id == SITE
        )
        FileSideList(path / "side").add("one", [Rejection(row, "not wanted")])
    beside(path)


def beside(path: Path) -> None:
    assessments = Assessments(path / "review.db")
    assessments.replace(
        "temperature", T0_MS, T0_MS + DAY_MS, [("drift", 1)],
        [Assessment(site, "temperature", T0_MS, T0_MS + DAY_MS, "drift", 1, "x") for site in (SITE, OTHER)],
    )  # fmt: skip
    assessments.close()
    accounts = Accounts(path)
    els = accounts.add("els@example.org", T0_MS, "Els")
    accounts.host(els.id, SITE, T0_MS)
    accounts.note(els.id, "paused", SITE, T0_MS, "because")
    accounts.close()
    rounds = Rounds(path)
    rounds.report(SITE, "emptied", T0_MS, None)
    rounds.close()
    windows = WindowBook(path / "windows.db")
    windows.add(AIR, T0_MS, b"window-of-els")
    windows.close()
    GapBook(path / "gaps.db").close()
    with sqlite3.connect(path / "health.db") as db:
        db.execute(
            "CREATE TABLE incidents(id INTEGER PRIMARY KEY, key TEXT, cause TEXT, subject TEXT, "
            "devices TEXT, figures TEXT, since_ms INT, opened_ms INT, "
            "closed_ms INT, told_ms INT, told_end INT)"
        )
        db.execute(
            "INSERT INTO incidents VALUES (1, ?, 'silent', ?, ?, '{}', 1, 1, NULL, NULL, 0)",
            (f"silent:{SITE}", SITE, json.dumps([AIR])),
        )
    db.close()
    (path / "photos").mkdir(exist_ok=True)
    (path / "photos" / "abc.jpg").write_bytes(b"photo of the garden of els")
    with sqlite3.connect(path / "commissioning.db") as db:
        db.execute(
            "CREATE TABLE reports(key TEXT, dev_eui TEXT, site_id TEXT, note TEXT, photo TEXT, at_ms INT)"
        )
        db.execute("INSERT INTO reports VALUES ('k', ?, ?, 'behind the shed', 'abc', 1)", (AIR, SITE))
    db.close()


# What would give the site away: its id, name, place, what was measured there, and its frames.
NEEDLES = {
    "id": SITE.encode(),
    "name": b"Tuin van Els",
    "longitude": struct.pack(">d", LONGITUDE),
    "latitude": struct.pack(">d", LATITUDE),
    "value": struct.pack("<d", VALUE),
    "window": b"window-of-els",
    "dead letter": b"\xfe\xed\xfa\xce",
    "photo": b"garden of els",
    "note": b"behind the shed",
    "because": b"because",
}


def kept_in(path: Path) -> dict[str, list[str]]:
    found = {
        name: [str(one.relative_to(path)) for one in holding(path, [needle])]
        for name, needle in NEEDLES.items()
    }
    return {name: files for name, files in found.items() if files}


def frames_of(path: Path, dev_eui: str) -> int:
    needle = bytes.fromhex(dev_eui)
    return sum(file.read_bytes().count(needle) for file in (path / "segments").glob("*.seg"))


@pytest.fixture
async def place(tmp_path: Path) -> Path:
    await a_full_directory(tmp_path / "data")
    return tmp_path / "data"


def configured(path: Path, postgres: str = "") -> Config:
    return Config({"data.directory": str(path), "data.postgres": postgres})


async def test_after_an_erasure_no_file_holds_the_site_and_others_are_whole(place: Path) -> None:
    before = kept_in(place)
    assert set(before) >= set(NEEDLES) - {"value"}  # or this test would see nothing
    assert frames_of(place, AIR) > N
    others = frames_of(place, BIN)
    with locked_house(configured(place)) as house:
        roll_all(house.store)
        seal(house.store, T0_MS + 2 * DAY_MS)
        assert house.store.database.query("SELECT COUNT(*) FROM chunks")[0][0] > 1
        found = erase_site(house, SITE, T0_MS + 9 * DAY_MS)
        assert found.records == N
        assert found.frames == N + 1
        assert found.left_in == []
        assert check(house.store) == []
        assert house.store.latest([SITE]) == []
        rest = house.store.between(0, 2**60, 10**6)
        assert {row.site_id for row in rest} == {OTHER}
        assert len({row.observed_at_ms for row in rest}) == N
    assert kept_in(place) == {}
    assert frames_of(place, AIR) == 0
    assert frames_of(place, BIN) == others
    with sqlite3.connect(place / "review.db") as db:
        assert [row[0] for row in db.execute("SELECT site_id FROM assessments")] == [OTHER]
    db.close()
    accounts = Accounts(place)
    (entry,) = [one for one in accounts.audit() if one.action == "paused"]
    assert entry.subject.startswith("erased-")
    accounts.close()
    # The log goes on where it was, and a gateway starts on it.
    async with a_house(place) as house:
        await house.log.accept(an_uplink(a_record(1000, T0_MS + 5 * DAY_MS, distance=800.0), dev_eui=BIN))
        await house.pipeline.drained()
        assert house.store.seqs(BIN, 1000, 1001) == [1000]


def test_an_export_holds_all_that_is_kept_of_the_site_and_nothing_of_others(
    place: Path, tmp_path: Path
) -> None:
    with locked_house(configured(place)) as house:
        counts = export_site(house, SITE, tmp_path / "els.zip")
    assert counts["observations.csv"] == 2 * N
    assert counts["raw_frames.json"] == N + 1
    with zipfile.ZipFile(tmp_path / "els.zip") as archive:
        content = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    assert "37.13" in content["observations.csv"]
    assert json.loads(content["site.json"])[0]["name"] == "Tuin van Els"
    for name in (
        "review-assessments.json",
        "health-incidents.json",
        "access-hosts.json",
        "waste-reports.json",
    ):
        assert SITE in content[name]
    assert "photos/abc.jpg" in content
    assert not any(OTHER in text or BIN in text for text in content.values())


def test_a_backup_from_before_is_named_and_brings_nothing_back(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "backups" / "one.tar.gz"
    file.parent.mkdir()
    backup(place, file)
    run = CliRunner().invoke
    assert "say --yes" in run(main, ["privacy", "erase", SITE, "--data", str(place)]).output
    told = run(main, ["privacy", "erase", SITE, "--yes", "--json", "--data", str(place)])
    assert json.loads(told.output)["backups"][0]["file"] == str(file)
    assert SITE.encode() not in (file.parent / "meetnet-erasures.json").read_bytes()
    told = run(main, ["store", "restore", str(file), "--json", "--data", str(tmp_path / "back")])
    assert json.loads(told.output)["erased_again"] == [SITE]
    assert kept_in(tmp_path / "back") == {}
    with locked_house(configured(tmp_path / "back")) as house:
        assert {row.site_id for row in house.store.latest()} == {OTHER}


def test_a_device_that_stands_elsewhere_now_keeps_what_it_measures_there(place: Path) -> None:
    registry = Registry(place)
    registry.undeploy(AIR, T0_MS + 10 * 3_600_000)
    registry.deploy(AIR, OTHER, T0_MS + 40 * 3_600_000)
    registry.close()
    with locked_house(configured(place)) as house:
        found = erase_site(house, SITE, T0_MS + 9 * DAY_MS)
        assert house.store.devices_seen(AIR)
    assert found.frames == 10 + 24 + 1  # those of its time there, and of a day after it
    assert frames_of(place, AIR) == N + 1 - found.frames


@pytest.fixture
def postgres(new_database: Callable[[], str]) -> str:
    return new_database()


def test_in_postgresql_no_table_holds_it_either(place: Path, postgres: str) -> None:
    import psycopg

    told = CliRunner().invoke(main, ["store", "copy", postgres, "--data", str(place)])
    assert told.exit_code == 0, told.output
    (place / "store.db").unlink()
    for leftover in place.glob("store.db-*"):
        leftover.unlink()
    with locked_house(configured(place, postgres)) as house:
        roll_all(house.store)
        seal(house.store, T0_MS + 2 * DAY_MS)
        found = erase_site(house, SITE, T0_MS + 9 * DAY_MS)
        assert found.records == N
        assert check(house.store) == []
    with psycopg.connect(postgres) as db:
        tables = [row[0] for row in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        text = "".join(str(row) for table in tables for row in db.execute(f"SELECT t::text FROM {table} t"))
    assert SITE not in text
    assert AIR not in text
    assert OTHER in text


def test_an_erasure_that_fails_is_a_clear_error_and_can_be_done_again(place: Path) -> None:
    (place / "review.db").write_bytes(b"this is no database at all, is it" * 40)
    with locked_house(configured(place)) as house, pytest.raises(StoreError, match=r"review\.db.*try again"):
        erase_site(house, SITE, T0_MS)
    (place / "review.db").unlink()
    with locked_house(configured(place)) as house:
        erase_site(house, SITE, T0_MS)
    assert kept_in(place) == {}


def test_a_frame_that_is_erased_keeps_its_number_and_the_log_its_order(tmp_path: Path) -> None:
    from gateway.store.frames import decode_uplink, encode_uplink
    from gateway.store.segment_erase import erase_frames

    log = SegmentLog(tmp_path, 1 << 16)
    uplinks = [
        an_uplink(a_record(n, T0_MS, temperature=1.0), dev_eui=(AIR, BIN)[n % 2], f_cnt=n) for n in range(600)
    ]
    sequences = log.append([encode_uplink(uplink) for uplink in uplinks])
    assert len(list(tmp_path.glob("*.seg"))) > 1
    assert erase_frames(log, lambda uplink: uplink.dev_eui == AIR) == 300
    assert erase_frames(log, lambda uplink: uplink.dev_eui == AIR) == 0
    log.close()
    again = SegmentLog(tmp_path, 1 << 16)
    found: list[Any] = []
    while more := again.read(found[-1][0] if found else 0):
        found += more
    assert [sequence for sequence, _ in found] == sequences
    assert [decode_uplink(body) for _, body in found][1::2] == uplinks[1::2]
    assert again.damaged == 0
    again.close()


def test_every_table_that_names_a_site_or_a_device_is_a_place_that_is_known(tmp_path: Path) -> None:
    """A new table beside the store stands in PLACES, or here with the reason why it need not."""
    known = {(place.file, place.table) for place in (*PLACES, *PLACES_OF_GONE)} | {
        ("registry.db", name) for name in ("sites", "devices", "deployments", "consents", "foreign_devices")
    }  # the register erases sites by itself; devices stay in stock
    known |= {("registry.db", name) for name in ("node_values", "node_orders")}  # settings of the device
    # Keys and passwords are the device's, until it is revoked.
    known |= {("secrets.db", name) for name in ("app_keys", "passwords", "broker_hashes")}
    known |= {("claims.db", name) for name in ("tags", "tokens", "claims")}  # who owns a device, by number
    known |= {("lns.db", name) for name in ("device", "session", "undelivered", "downlink", "used_nonces")}
    known |= {("updates.db", name) for name in ("targets", "refusals")}  # firmware of the device
    found: set[tuple[str, str]] = set()
    gateway = Gateway(Config({"data.directory": str(tmp_path)} | FREE), publishers=())
    asyncio.run(start_and_stop(gateway))
    for path in tmp_path.glob("*.db"):
        if path.name == "store.db":
            continue
        with sqlite3.connect(path) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
                columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
                if columns & {"site_id", "site", "sites", "dev_eui", "devices", "subject"}:
                    found.add((path.name, table))
        db.close()
    assert len(found) > 12
    assert found <= known


FREE = {
    "semtech_udp.port": 0, "broker.port": 0, "web.port": 0, "web.host": "127.0.0.1", "alerts.enabled": True,
}  # fmt: skip


async def start_and_stop(gateway: Gateway) -> None:
    await gateway.start()
    await gateway.stop()
