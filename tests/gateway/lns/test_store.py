"""The session store: group commits, full disks, wrong files."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from gateway.errors import ConfigError, StoreError, StoreVersionError
from gateway.lns import LnsSettings, SessionStore
from gateway.lns.session import JoinState
from gateway.lns.store import save_device
from tests.gateway.lns.street import Street, run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


def test_a_database_of_a_newer_meetnet_is_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreVersionError, match="update Meetnet"):
        SessionStore(path)


def test_a_file_that_is_no_database_or_cannot_be_made_says_what_to_do(path, tmp_path):
    path.write_bytes(b"this is no database, it is a text of some length" * 100)
    with pytest.raises(StoreError, match="check the folder"):
        SessionStore(path)
    with pytest.raises(StoreError, match="check the folder"):
        SessionStore(tmp_path / "absent" / "lns.sqlite")


def test_commits_that_wait_share_a_transaction_and_are_durable_for_others(path):
    async def play(street):
        transactions = []
        street.store._connection.set_trace_callback(
            lambda sql: transactions.append(sql) if sql.startswith("COMMIT") else None
        )
        await asyncio.gather(
            *(street.store.commit(save_device(f"{n:016x}", JoinState(n, n))) for n in range(200))
        )
        assert len(transactions) <= 3
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT count(*) FROM device").fetchone() == (200,)
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()
        assert street.store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL

    run(path, play)


def test_a_full_disk_refuses_without_forgetting_and_works_again_when_there_is_room(path):
    async def play(street: Street):
        device = street.device()
        await street.join(device)
        pages = street.store._connection.execute("PRAGMA page_count").fetchone()[0]
        street.store._connection.execute(f"PRAGMA max_page_count = {pages}")
        street.sink.broken = True  # so that uplinks pile up until the pages are full
        for _ in range(60):
            phy = device.uplink(bytes(200), confirmed=True)
            street.hear(phy)
            await asyncio.sleep(4)
            if street.counters.get("lns.store"):
                break
        assert street.counters.get("lns.store") and len(street.gateways.sent) == 1
        street.store._connection.execute("PRAGMA max_page_count = 100000")
        street.sink.broken = False
        street.hear(phy)
        assert device.take((await street.downlink()).phy).ack
        await asyncio.sleep(120)
        assert street.server.status()["undelivered"] == 0

    assert run(path, play).counters.get("lns.internal_error") == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net_id", 64), ("gathering_s", 0.9), ("rx1_delay_s", 0), ("rx1_delay_s", 16), ("rx1_dr_offset", 6),
        ("rx2_dr", 7), ("rx1_power_dbm", 15), ("rx2_power_dbm", 28), ("adr_margin_db", -1), ("lead_s", 1),
        ("queue_length", 0), ("max_gathering", 0), ("extra_channels_hz", (866_000_000,) * 6),
        ("extra_channels_hz", (868_650_000,)), ("extra_channels_hz", (867_100_050,)),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_a_remedy(key, value):
    with pytest.raises(ConfigError, match=rf"^lns\.{key}: .*: (choose|remove)"):
        LnsSettings(**{key: value})
