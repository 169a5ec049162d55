from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreVersionError
from gateway.model import Decoded, Observation, Reading, Uplink, judged
from gateway.store import DeadLetter, Outcome, SqliteStore

from ..house import AIR, T0_MS, a_directory_for_all, full_disk, read_only_directory


def outcome(
    sequence: int, seq: int, at_ms: int, value: float | None = 20.0, site: str = "plein-1", dev_eui: str = AIR
) -> Outcome:
    reading = Reading("temperature", "Cel", value, "ok" if value is not None else "no_answer")
    decoded = Decoded(dev_eui, seq, at_ms, "network", at_ms + 500, (reading,))
    observation = Observation(
        site, dev_eui, seq, "temperature", "Cel", value, value, reading.state, (), "none", 0, at_ms,
        at_ms + 500, "network",
    )  # fmt: skip
    uplink = Uplink("lorawan", dev_eui, 1, b"\1", at_ms + 500, f_cnt=sequence)
    return Outcome(sequence, uplink, records=[(decoded, site, judged([observation]))])


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    found = SqliteStore(tmp_path / "store.db")
    yield found
    found.close()


def test_rows_and_the_pipelines_position_appear_together(store: SqliteStore) -> None:
    store.commit([outcome(7, 1, T0_MS), outcome(9, 2, T0_MS + 1000)])
    assert store.position() == 9
    assert [row.value for row in store.series("plein-1", "temperature", 0, 2**60, 10)] == [20.0, 20.0]


def test_a_record_that_is_there_already_is_left_alone(store: SqliteStore) -> None:
    store.commit([outcome(1, 1, T0_MS, 20.0)])
    before = store.newest_position()
    store.commit([outcome(2, 1, T0_MS, 21.0)])
    assert [row.value for row in store.latest()] == [20.0]
    assert store.newest_position() == before
    assert store.count() == 1


def test_the_fingerprint_tells_a_copy_from_another_record(store: SqliteStore) -> None:
    first = outcome(1, 5, T0_MS)
    store.commit([first])
    other = outcome(2, 5, T0_MS, 3.0)
    assert store.known(AIR, 5) == first.records[0][0].readings.fingerprint()
    assert store.known(AIR, 5) != other.records[0][0].readings.fingerprint()
    assert store.known(AIR, 6) is None


def test_the_newest_by_observed_time_is_the_latest_whatever_comes_last(store: SqliteStore) -> None:
    store.commit([outcome(1, 2, T0_MS + 5000, 5.0), outcome(2, 1, T0_MS, 1.0)])
    assert [row.value for row in store.latest()] == [5.0]


def test_an_error_has_no_number_and_comes_back_without_one(store: SqliteStore) -> None:
    store.commit([outcome(1, 1, T0_MS, None)])
    (row,) = store.latest()
    assert (row.raw, row.value, row.form.state) == (None, None, "no_answer")


def test_positions_rise_with_commits_and_following_them_finds_everything_once(store: SqliteStore) -> None:
    for number in range(25):
        store.commit([outcome(number + 1, number, T0_MS - number * 1000)])
    found, position = [], 0
    while rows := store.after(position, 4):
        assert all(row.position > position for row in rows)
        position = rows[-1].position
        found += [row.observed_at_ms for row in rows]
    assert found == [T0_MS - number * 1000 for number in range(25)]
    assert position <= store.newest_position()
    assert store.after(store.newest_position(), 10) == []


def test_a_series_is_in_the_order_of_time_and_keeps_the_newest(store: SqliteStore) -> None:
    store.commit([outcome(n, n, T0_MS + ((n * 7) % 10) * 1000, float(n)) for n in range(1, 11)])
    rows = store.series("plein-1", "temperature", T0_MS, T0_MS + 10_000, 4)
    assert [row.observed_at_ms for row in rows] == [T0_MS + n * 1000 for n in (6, 7, 8, 9)]
    assert store.series("plein-1", "temperature", T0_MS, T0_MS + 1, 10)[0].observed_at_ms == T0_MS
    assert store.series("plein-1", "humidity", 0, 2**60, 10) == []


def test_between_is_half_open_and_knows_its_sites(store: SqliteStore) -> None:
    store.commit([outcome(1, 1, T0_MS), outcome(2, 2, T0_MS + 10, site="bak-7"), outcome(3, 3, T0_MS + 20)])
    assert [row.observed_at_ms - T0_MS for row in store.between(T0_MS, T0_MS + 20, 10)] == [0, 10]
    assert [row.site_id for row in store.between(T0_MS, T0_MS + 99, 10, {"bak-7"})] == ["bak-7"]
    assert len(store.between(T0_MS, T0_MS + 99, 10, {"bak-7", "plein-1"})) == 3


def test_publishers_keep_their_positions_apart(store: SqliteStore) -> None:
    assert store.load("ngsi") == 0
    store.save("ngsi", 12)
    store.save("other", 5)
    store.save("ngsi", 13)
    assert (store.load("ngsi"), store.load("other"), store.position()) == (13, 5, 0)
    assert store.publisher_positions() == {"ngsi": 13, "other": 5}


def test_dead_letters_keep_cause_and_payload_and_do_not_double(store: SqliteStore) -> None:
    uplink = Uplink("lorawan", AIR, 7, b"\xde\xad", T0_MS)
    dead = Outcome(3, uplink, dead=[DeadLetter("decode.port_unknown", "port 7")])
    store.commit([dead])
    store.commit([dead])
    (letter,) = store.dead_letters()
    assert (letter["cause"], letter["payload"], letter["f_port"]) == ("decode.port_unknown", "dead", 7)


def test_gaps_in_the_frame_counter_are_counted_and_a_new_session_is_none(store: SqliteStore) -> None:
    for f_cnt in (4, 5, 8, 0, 1):  # 6 and 7 are missing; then the device joined again
        store.commit([outcome(f_cnt, 100 + f_cnt, T0_MS + f_cnt)])
    (seen,) = store.devices_seen()
    assert (seen.uplinks, seen.missed, seen.f_cnt) == (5, 2, 1)


def test_many_threads_may_read_while_one_writes(store: SqliteStore) -> None:
    faults: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(50):
                store.latest()
                store.after(0, 100)
        except Exception as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(50):
        store.commit([outcome(number + 1, number, T0_MS + number)])
        store.save("page", number)
    for reader in readers:
        reader.join()
    assert not faults
    assert store.count() == 50


def test_a_database_of_a_newer_meetnet_is_refused_with_the_remedy(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db").close()
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreVersionError, match=r"schema 99.*install the newer Meetnet"):
        SqliteStore(tmp_path / "store.db")


@pytest.mark.parametrize(
    "content", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(range(256)) * 40]
)
def test_a_corrupt_database_is_a_store_error_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StoreError, match="move it away: it is computed again"):
        SqliteStore(tmp_path / "store.db")


def test_a_commit_that_the_disk_refuses_stores_nothing_and_the_next_succeeds(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.commit([outcome(1, 1, T0_MS)])
    with full_disk(1024), pytest.raises(StoreError):
        store.commit([outcome(n, n, T0_MS + n, float(n)) for n in range(2, 400)])
    assert (store.count(), store.position()) == (1, 1)
    store.commit([outcome(2, 2, T0_MS + 2)])
    assert (store.count(), store.position()) == (2, 2)
    store.close()


def test_a_read_only_directory_is_a_store_error() -> None:
    with (
        a_directory_for_all() as path,
        read_only_directory(path),
        pytest.raises(StoreError, match="owner, mode"),
    ):
        SqliteStore(path / "store.db")


def test_a_database_of_version_1_is_moved_whole(tmp_path: Path) -> None:
    """Made by the tables and the row format of version 1: observations in msgpack, forms of their own."""
    import msgspec

    path = tmp_path / "store.db"
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    forms = [
        ["distance", "mm", "ok", ["range"], "none", 0],
        ["filling_level", "%", "ok", [], "bin_geometry", 1],
        ["pm2_5", "ug/m3", "ok", [], "kappa_koehler", 1],
    ]
    for form in forms:
        db.execute("INSERT INTO forms(form) VALUES (?)", (json.dumps(form),))
    bodies = [[(1, 900.0, True), (2, None, 50.0)], [(1, None, None)], [(3, 9.0, 7.25)]]
    for n, body in enumerate(bodies, 1):
        db.execute(
            "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                n,
                AIR,
                100 + n,
                "bak-7",
                T0_MS + n,
                T0_MS + n + 5,
                "network",
                n,
                0,
                msgspec.msgpack.encode(body),
            ),
        )
    for quantity, position in (("distance", 128), ("filling_level", 65), ("pm2_5", 192)):
        db.execute("INSERT INTO last VALUES ('bak-7', ?, ?, ?, 0, 1, 0, 0)", (quantity, T0_MS, position))
    db.execute("INSERT INTO positions VALUES ('pipeline', 3), ('publisher:x', 129)")
    db.execute("INSERT INTO devices_seen VALUES (?, 'lorawan', 7, 5, 9, 2, -90.5, 6.0, NULL)", (AIR,))
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    store = SqliteStore(path)
    rows = store.after(0, 100)
    assert [(row.position, row.form.quantity, row.raw, row.value) for row in rows] == [
        (64, "distance", 900.0, 900.0), (65, "filling_level", None, 50.0), (128, "distance", None, None),
        (192, "pm2_5", 9.0, 7.25),
    ]  # fmt: skip
    assert rows[0].form.flags == ("range",) and rows[3].form.method == "kappa_koehler"
    assert [row.position for row in store.latest()] == [128, 65, 192]
    assert (store.position(), store.load("x"), store.newest_position()) == (3, 129, 4 * 64 - 1)
    assert store.devices_seen()[0].missed == 2
    store.commit([outcome(4, 103, T0_MS, dev_eui=AIR), outcome(5, 104, T0_MS + 9, site="bak-7")])
    assert [row.position for row in store.after(255, 9)] == [256]  # 103 was there already
    store.close()


VERSION_1 = """
CREATE TABLE records(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dev_eui TEXT NOT NULL, seq INTEGER NOT NULL, site_id TEXT NOT NULL,
    observed_at_ms INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, time_quality TEXT NOT NULL,
    log_sequence INTEGER NOT NULL, fingerprint INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE(dev_eui, seq));
CREATE INDEX records_by_site ON records(site_id, observed_at_ms);
CREATE INDEX records_by_time ON records(observed_at_ms);
CREATE TABLE forms(id INTEGER PRIMARY KEY, form TEXT NOT NULL UNIQUE);
CREATE TABLE last(
    site_id TEXT NOT NULL, quantity TEXT NOT NULL, observed_at_ms INTEGER NOT NULL, position INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL, form INTEGER NOT NULL, raw REAL, value REAL,
    PRIMARY KEY(site_id, quantity)) WITHOUT ROWID;
CREATE TABLE positions(name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters(
    log_sequence INTEGER NOT NULL, item INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
    source TEXT NOT NULL, dev_eui TEXT NOT NULL, f_port INTEGER NOT NULL, cause TEXT NOT NULL,
    detail TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY(log_sequence, item)) WITHOUT ROWID;
CREATE TABLE devices_seen(
    dev_eui TEXT PRIMARY KEY, source TEXT NOT NULL, uplinks INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
    f_cnt INTEGER, missed INTEGER NOT NULL, rssi_dbm REAL, snr_db REAL, status TEXT) WITHOUT ROWID;
"""
