"""History judged and decoded again: shown first, then both results are kept and followers hear of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Config
from gateway.places import locked_house
from gateway.registry import Registry
from gateway.registry.model import Correction
from gateway.store.checking import check
from gateway.store.history.rolling import roll_all
from gateway.store.store import Store

from .house import AIR, T0_MS, a_house, a_record, an_uplink, fill_registry
from .store.test_history import same, seal

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = T0_MS - T0_MS % DAY_MS
N = 96
SITE = "plein-1"
LINEAR = Correction(AIR, "pm2_5", "linear", 1, {"slope": 0.5, "intercept": 2.0}, 0, None, "co-location")


@pytest.fixture(params=["newest", "half"])
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Four days of a site, hourly; two of them packed, or none."""
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        for n in range(N):
            at_ms = START_MS + n * HOUR_MS
            record = a_record(n, at_ms, temperature=10 + n % 24 / 2, pm2_5=40.0 + n % 7)
            await house.log.accept(an_uplink(record, received_at_ms=at_ms + 700, f_cnt=n))
        await house.pipeline.drained()
        if request.param != "newest":
            roll_all(house.store)
            seal(house.store, START_MS + 2 * DAY_MS)
    return tmp_path


def meetnet(place: Path, *words: str) -> dict[str, object]:
    span = ("--from", "2026-01-01", "--to", "2027-01-01")
    found = CliRunner().invoke(main, ["store", "rerun", *span, "--data", str(place), "--json", *words])
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


def values_of(store: Store) -> list[float | None]:
    return [row.value for row in store.series(SITE, "pm2_5", 0, 2**60, 1000)]


def test_without_a_change_nothing_changes(place: Path) -> None:
    found = meetnet(place)
    assert (found["seen"], found["changed"]) == (N, 0)
    assert meetnet(place, "--decode")["changed"] == 0


def test_a_dry_run_shows_counts_largest_differences_and_examples_and_changes_nothing(place: Path) -> None:
    before = kept(place)
    correct(place)
    found = meetnet(place, "--dry-run")
    assert (found["seen"], found["changed"], found["values"]) == (N, N, {"pm2_5": N})
    # 46 becomes 0.5 * 46 + 2 = 25
    assert found["largest"] == {"pm2_5": 21.0}
    assert found["methods"] == {"none 0 -> linear 1": N}
    example = found["examples"][0]
    assert (example["before"], example["after"], example["site_id"]) == (46.0, 25.0, SITE)
    assert kept(place) == before


def test_new_results_stand_in_every_answer_and_the_old_ones_are_kept(place: Path) -> None:
    correct(place)
    with locked_house(Config({"data.directory": str(place)})) as house:
        top = house.store.newest_position()
        old = {row.position: row for row in house.store.after(0, 10**6)}
        raws = [row.raw for row in house.store.series(SITE, "pm2_5", 0, 2**60, 1000)]
    meetnet(place)
    with locked_house(Config({"data.directory": str(place)})) as house:
        store = house.store
        assert values_of(store) == [round(0.5 * raw + 2, 2) for raw in raws if raw is not None]
        assert [row.raw for row in store.series(SITE, "pm2_5", 0, 2**60, 1000)] == raws
        assert {row.form.method for row in store.latest([SITE]) if row.form.quantity == "pm2_5"} == {"linear"}
        # Who follows hears of each record again, once, as something new.
        news = store.after(top, 10**6)
        assert len({row.position for row in news}) == len(news) == 2 * N
        assert {row.form.method for row in news if row.form.quantity == "pm2_5"} == {"linear"}
        assert store.count() == N
        # What was told before is still found where it was.
        for position, row in list(old.items())[::17]:
            assert store.at(position) == row
        assert store.stretch(0, top + 1, [SITE]) == list(old.values())
        days = store.buckets(SITE, "pm2_5", START_MS, START_MS + 4 * DAY_MS, DAY_MS, 0)
        assert [day.n for day in days] == [24] * 4
        assert days[0].mean == pytest.approx(sum(values_of(store)[:24]) / 24, abs=0.006)  # type: ignore[arg-type]
        roll_all(store)
        same(store.buckets(SITE, "pm2_5", START_MS, START_MS + 4 * DAY_MS, DAY_MS, 0), days)
        temperatures = store.buckets(SITE, "temperature", START_MS, START_MS + 4 * DAY_MS, DAY_MS, 0)
        assert [day.n for day in temperatures] == [24] * 4
        seal(store, START_MS + 4 * DAY_MS)
        assert store.buckets(SITE, "pm2_5", START_MS, START_MS + 4 * DAY_MS, HOUR_MS, 0)[5].n == 1
        assert store.stretch(0, top + 1, [SITE]) == list(old.values())
        assert check(store) == []
    assert meetnet(place)["changed"] == 0


async def test_a_record_that_comes_again_after_a_rerun_is_known(place: Path) -> None:
    correct(place)
    meetnet(place)
    async with a_house(place) as house:
        at_ms = START_MS + 5 * HOUR_MS
        await house.log.accept(an_uplink(a_record(5, at_ms, temperature=12.5, pm2_5=45.0), f_cnt=500))
        await house.pipeline.drained()
        assert house.counters.get("pipeline.duplicate") == 1
        assert house.store.count() == N


def test_frames_decoded_again_bring_back_what_was_decoded_wrongly_or_not_at_all(place: Path) -> None:
    """The store as an older codec would have left it: one value wrong, one record refused."""
    with locked_house(Config({"data.directory": str(place)})) as house:
        store = house.store
        rows = store.database.query("SELECT id, body FROM records ORDER BY id DESC LIMIT 2")
        if rows:
            with store.database.write() as transaction:
                transaction.execute(
                    "UPDATE records SET body = ? WHERE id = ?", (b"\0" * len(rows[0][1]), rows[0][0])
                )
                transaction.execute("DELETE FROM records WHERE id = ?", (rows[1][0],))
        missing = len(rows) // 2
    found = meetnet(place, "--decode", "--dry-run")
    assert (found["changed"], found["added"]) == (missing, missing)
    meetnet(place, "--decode")
    with locked_house(Config({"data.directory": str(place)})) as house:
        assert len(values_of(house.store)) == N
        assert house.store.latest([SITE])[0].value is not None
        assert values_of(house.store)[-1] == 40.0 + (N - 1) % 7


def correct(place: Path) -> None:
    registry = Registry(place)
    registry.put_correction(LINEAR)
    registry.close()


def kept(place: Path) -> list[object]:
    with sqlite3.connect(place / "store.db") as db:
        found = [
            db.execute(f"SELECT COUNT(*), SUM(LENGTH(body)) FROM {table}").fetchone()
            for table in ("records", "chunks", "rollups")
        ] + db.execute("SELECT * FROM positions ORDER BY name").fetchall()
    db.close()
    return found
