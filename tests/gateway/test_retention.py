"""Each class is kept as long as its rule says, on the day that it says, and nothing else goes."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from gateway import retention
from gateway.cli import main
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.outlets import Surroundings, served
from gateway.registry.accounts import Accounts
from gateway.shapes import Judged, shape
from gateway.store import SqliteStore
from gateway.store.checking import check
from gateway.store.history.rolling import roll_all
from gateway.store.store import Store

from .publish.a_store import AStore
from .store.test_history import DAY_MS, END_MS, HOUR_MS, START_MS, copy_of, seal, some_records
from .store.test_sqlite import outcome


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def test_a_rule_changes_on_its_day() -> None:
    rule = retention.parse("retention.audit", "0, 2027-01-01: 365, 2028-07-01: 30")
    assert [rule.days(ms(day)) for day in ("2026-12-31T23:59", "2027-01-01", "2028-06-30", "2028-07-01")] == [
        0, 365, 365, 30,
    ]  # fmt: skip
    assert rule.before_ms(ms("2026-01-01")) is None
    assert rule.before_ms(ms("2028-07-31")) == ms("2028-07-01")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-1",
        "40000",
        "365, 30",
        "365, 2027-13-01: 3",
        "5, 2028-01-01: 3, 2027-01-01: 4",
        "2027-01-01: 5",
    ],
)
def test_a_rule_that_is_none_is_told_with_key_and_remedy(text: str) -> None:
    with pytest.raises(ConfigError, match=r"retention\.visits.*0: for ever.*2028-01-01: 1825"):
        retention.parse("retention.visits", text)


def test_the_check_of_a_configuration_finds_it(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[retention]\nobservations = "ten years"\n')
    found = CliRunner().invoke(main, ["config", "check", "-c", str(tmp_path / "m.toml")])
    assert found.exit_code == 1
    assert "retention.observations" in found.output


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / "store.db")
    store.commit(copy_of(some_records(4, 350)))
    second = [outcome(2000 + n, 5000 + n, START_MS + n * 1000, 50.0, "noise") for n in range(600)]
    for one in second:
        decoded, site, judged = one.records[0]
        form = judged.shape.forms[0]
        seconds = shape("network", (replace(form, quantity="laeq_1s", unit="dB(A)"),), 1)
        new = Judged(seconds, judged.raws, judged.values)
        one.records[0] = decoded, site, new
    store.commit(second)
    roll_all(store)
    seal(store, START_MS + 8 * DAY_MS)
    store.close()
    accounts = Accounts(tmp_path)
    for name, at_ms in (("old", START_MS), ("new", END_MS)):
        person = accounts.add(f"{name}@example.org", at_ms, name)
        accounts.note(person.id, "did", name, at_ms)
    accounts.close()
    return tmp_path


def carried_out(directory: Path, store: Store, now_ms: int, **rules: str) -> dict[str, int]:
    defaults = dict.fromkeys(retention.CLASSES, "0")
    config = Config({f"retention.{name}": days for name, days in {**defaults, **rules}.items()})
    due = {one.name: one.n for one in retention.due(config, directory, store, now_ms) if one.n}
    gone: dict[str, int] = {}
    for _ in retention.carry_out(
        config, directory, store, now_ms, lambda name, n: gone.update({name: gone.get(name, 0) + n})
    ):
        pass
    assert gone == due
    return gone


def test_seconds_go_and_their_minutes_hours_and_days_stay(directory: Path) -> None:
    store = SqliteStore(directory / "store.db")
    before = store.count()
    minutes = store.buckets("noise", "laeq_1s", START_MS, END_MS, 60_000, 0)
    hours = store.buckets("noise", "laeq_1s", START_MS, END_MS, HOUR_MS, 0)
    assert (len(minutes), hours[0].n) == (10, 600)
    assert carried_out(directory, store, START_MS + 10 * DAY_MS, noise_seconds="5") == {"noise_seconds": 600}
    assert store.count() == before - 600
    assert store.series("noise", "laeq_1s", START_MS, END_MS, 9) == []
    assert store.buckets("noise", "laeq_1s", START_MS, END_MS, 60_000, 0) == minutes
    assert store.buckets("noise", "laeq_1s", START_MS, END_MS, HOUR_MS, 0) == hours
    assert check(store) == []
    assert followed(store) == store.count()
    store.close()


def test_observations_go_by_whole_days_and_what_they_amount_to_stays(directory: Path) -> None:
    store = SqliteStore(directory / "store.db")
    rows = store.between(0, END_MS * 2, 10**6)
    days = store.buckets("s1", "pm2_5", START_MS, END_MS, DAY_MS, 0)
    cut_ms = START_MS + 10 * DAY_MS
    gone = carried_out(directory, store, cut_ms + 3 * DAY_MS + HOUR_MS, observations="3")
    left = store.between(0, END_MS * 2, 10**6)
    assert left == [row for row in rows if row.observed_at_ms >= cut_ms]
    assert gone["observations"] == len({row.position // 64 for row in rows if row.observed_at_ms < cut_ms})
    assert store.buckets("s1", "pm2_5", START_MS, END_MS, DAY_MS, 0) == days
    assert check(store) == []
    assert followed(store) == store.count()
    gone = carried_out(directory, store, END_MS + 100 * DAY_MS, observations="3", rollups="30")
    assert gone["rollups"] > 10
    assert store.count() == 0
    store.close()


def followed(store: Store) -> int:
    """Who follows the store reads on over what is gone."""
    position, seen = 0, []
    while records := store.records_after(position, 50):
        seen += [record.id for record in records]
        position = (records[-1].id + 1) * 64 - 1
    assert seen == sorted(set(seen))
    return len(seen)


def test_rows_beside_the_store_go_by_age(directory: Path) -> None:
    store = SqliteStore(directory / "store.db")
    gone = carried_out(directory, store, END_MS + DAY_MS, audit="5", accounts="5", sign_in="5")
    assert gone == {"audit": 1, "accounts": 1}
    accounts = Accounts(directory)
    assert [entry.subject for entry in accounts.audit()] == ["new"]
    assert {person.name for person in accounts.people()} == {"new"}
    accounts.close()
    store.close()


def test_a_dry_run_tells_and_deletes_nothing(directory: Path) -> None:
    (directory / "m.toml").write_text('[retention]\nnoise_seconds = "1"\n')
    words = ["store", "retention", "-c", str(directory / "m.toml"), "--data", str(directory), "--json"]
    told = json.loads(CliRunner().invoke(main, [*words, "--dry-run"]).output)
    assert {"class": "noise_seconds", "days": 1, "due": 600, "deleted": 0} in told["classes"]
    with sqlite3.connect(directory / "store.db") as db:
        before = db.execute("SELECT SUM(n) FROM chunks").fetchone()
    db.close()
    told = json.loads(CliRunner().invoke(main, words).output)
    assert {"class": "noise_seconds", "days": 1, "due": 600, "deleted": 600} in told["classes"]
    with sqlite3.connect(directory / "store.db") as db:
        assert db.execute("SELECT SUM(n) FROM chunks").fetchone()[0] == before[0] - 600
    db.close()


async def test_what_is_declared_is_what_is_done(tmp_path: Path) -> None:
    publish = {
        "ldes": {"base_url": "https://meet.example.org"},
        "catalog": {"base_url": "https://meet.example.org"},
    }
    config = Config({"retention.observations": "1825"}, publish)
    kept = retention.declared(config, ms("2026-12-01"))
    assert kept["observations"] == 1825
    assert kept["raw_frames"] == 30
    assert "metingen: 1825 dagen" in retention.in_dutch(kept)
    assert "gemiddelden per uur en dag: zolang" in retention.in_dutch(kept)
    place = AStore(tmp_path)
    place.fill(3)
    around = Surroundings(Counters(), tmp_path, kept=lambda: kept)
    apps = served(config, lambda _recipient: place.reader, around)
    for path, text in (("/ldes", "P1825D"), ("/register.json", "metingen: 1825 dagen")):
        app = next(one for prefix, one in apps.items() if path.startswith(prefix))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="https://meet.example.org"
        ) as client:
            assert text in (await client.get(path)).text
