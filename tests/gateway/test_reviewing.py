"""The second look over a real store: what it finds stands among the flags of every reader, once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.model import Assessment, Decoded, Reading, judged
from gateway.quality import Judge
from gateway.quality.review import MONTH_MS
from gateway.registry import Device, Registry
from gateway.reviewing import DAY_MS, Review
from gateway.store import SqlitePublicReader, SqliteStore
from gateway.store.assessments import Assessments
from gateway.store.history import rolling, sealing

from .house import SetClock, a_site

HOUR_MS = 3_600_000
T0_MS = 1_795_000_000_000 // DAY_MS * DAY_MS
SITES = [f"tuin-{number}" for number in range(6)]


class Garden:
    """Six gardens within a kilometre, one thermometer each, a value an hour."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.registry = Registry(path)
        for number, name in enumerate(SITES):
            self.registry.put_site(a_site(name, "garden", longitude=4.40 + number / 1000, latitude=51.2))
            self.registry.put_device(Device(f"{number:016x}", "garden", "lorawan", "0" * 16), bytes(16))
            self.registry.consent(name)
        self.store = SqliteStore(path / "store.db")
        self.assessments = Assessments(path / "review.db")
        self.counters = Counters()
        self.review = Review(self.store, self.registry.places, self.assessments, SetClock(), self.counters)
        self.reader = SqlitePublicReader(
            self.store,
            lambda: self.registry.consenting_sites("public", T0_MS),
            assessed=self.assessments.flags,
        )
        self._judge = Judge(lambda _: ())

    def hour(self, hour: int, *temperatures: float | None) -> None:
        records = []
        for number, value in enumerate(temperatures):
            if value is None:
                continue
            at_ms = T0_MS + hour * HOUR_MS + 60_000
            one = Decoded(
                f"{number:016x}",
                hour + 1,
                at_ms,
                "network",
                at_ms,
                (Reading("temperature", "Cel", value, "ok"),),
            )
            seen = self._judge.observations(one, a_site(SITES[number], "garden"))
            records.append((one, SITES[number], judged(seen)))
        self.store.put_imported(records)

    def flags(self) -> dict[tuple[str, int], tuple[str, ...]]:
        rows = self.reader.observations(0, 2**53)
        return {(r.site_id, (r.observed_at_ms - T0_MS) // HOUR_MS): r.flags for r in rows if r.flags}

    def close(self) -> None:
        self.assessments.close()
        self.store.close()
        self.registry.close()


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Garden]:
    place = Garden(tmp_path / "data")
    yield place
    place.close()


def test_what_does_not_fit_its_neighbours_is_flagged_from_the_next_look_on(garden: Garden) -> None:
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 10.2, 17.0)
    garden.hour(1, 10.0, 10.4, 9.8, 10.1, 10.2, 10.3)
    assert garden.flags() == {}
    garden.review.catch_up(T0_MS + 2 * HOUR_MS + 11 * 60_000)
    assert garden.flags() == {("tuin-5", 0): ("neighbours",)}
    assert garden.counters.get("review.neighbours") == 1
    (kept,) = garden.assessments.between(0, 2**53)
    assert kept.detail == "17.0 where 5 have 10.1"
    assert (kept.from_ms, kept.to_ms) == (T0_MS, T0_MS + HOUR_MS)


def test_an_hour_is_looked_at_when_late_records_had_their_time_and_not_again_for_nothing(
    garden: Garden,
) -> None:
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 10.2, 17.0)
    garden.review.catch_up(T0_MS + HOUR_MS + 9 * 60_000)
    assert garden.flags() == {}
    garden.review.catch_up(T0_MS + HOUR_MS + 10 * 60_000)
    assert garden.flags() == {("tuin-5", 0): ("neighbours",)}
    assert garden.assessments.reviewed_until("hours") == T0_MS + HOUR_MS


def test_a_late_record_can_take_a_flag_away(garden: Garden) -> None:
    """Four see 10 degrees, one 17: out. Then it turns out that the other side of town has 17 as well."""
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 17.0)
    garden.review.catch_up(T0_MS + HOUR_MS + 11 * 60_000)
    assert garden.flags() == {("tuin-4", 0): ("neighbours",)}
    garden.store.put_imported([])
    garden.hour(0, None, None, None, None, None, 17.2)
    garden.review.catch_up(T0_MS + 2 * HOUR_MS + 11 * 60_000)
    assert ("tuin-4", 0) not in garden.flags()


def test_values_that_were_flagged_already_judge_nobody(garden: Garden) -> None:
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 90.0, 90.0)  # 90 degrees is out of range
    garden.review.catch_up(T0_MS + HOUR_MS + 11 * 60_000)
    assert garden.flags() == {("tuin-4", 0): ("range",), ("tuin-5", 0): ("range",)}


def test_a_month_says_who_hangs_indoors(garden: Garden) -> None:
    for hour in range(11 * 24):
        outside = 10 + 5 * ((hour % 24) / 12 if hour % 24 < 12 else 2 - (hour % 24) / 12)
        garden.hour(hour, outside, outside + 0.4, outside - 0.2, outside, outside + 0.1, 20.0 + hour % 2 / 10)
    look = garden.review.month(T0_MS + 11 * DAY_MS)
    assert [(one.site_id, one.flag) for one in look.found["temperature"]] == [("tuin-5", "unlike")]
    assert (look.start_ms, look.end_ms) == (T0_MS + 10 * DAY_MS, T0_MS + 11 * DAY_MS)


def test_a_month_out_of_rollups_is_a_month_out_of_the_values(garden: Garden) -> None:
    """Every site and hour, whether rolled up or not yet, packed or not."""
    dice = random.Random(8)
    for hour in range(5 * 24):
        garden.hour(hour, *[dice.choice((None, 90.0, round(dice.gauss(10, 3), 2))) for _ in SITES])
    end_ms = T0_MS + 5 * DAY_MS
    plain, seen = garden.review._hourly_means(SITES, end_ms - MONTH_MS, end_ms)
    for step in ("not rolled up", "in part", "all", "packed"):
        if step == "in part":
            rolling.roll(garden.store, 100)
        elif step == "all":
            rolling.roll_all(garden.store)
        elif step == "packed":
            assert sum(sealing.seal(garden.store, end_ms, 1000)) > 100
        assert garden.store.has_any(T0_MS, end_ms) and not garden.store.has_any(end_ms, end_ms + MONTH_MS)
        rolled, n = garden.review._rolled_means(SITES, end_ms - MONTH_MS, end_ms, len(SITES))
        assert n == seen
        for quantity, expected in plain.items():
            np.testing.assert_allclose(rolled[quantity], expected, rtol=1e-12, err_msg=f"{step} {quantity}")


def test_a_large_network_is_looked_at_by_district_and_finds_the_same(garden: Garden) -> None:
    """What takes memory is bounded, and a stop between two districts keeps nothing of half a look."""
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 10.2, 17.0)
    garden.hour(1, 10.0, 10.4, 9.8, 10.1, 10.2, 10.3)
    now_ms = T0_MS + 2 * HOUR_MS + 11 * 60_000
    review = Review(
        garden.store, garden.registry.places, garden.assessments, SetClock(), Counters(), most_sites=4
    )
    steps = review.steps(now_ms)
    assert [next(steps) for _ in range(4)] == [True] * 4  # six sites, one or two in each district
    assert garden.flags() == {} and garden.assessments.reviewed_until("hours") == 0
    assert list(steps) == []  # of the month before there is nothing
    assert garden.flags() == {("tuin-5", 0): ("neighbours",)}
    whole = garden.review.hours(T0_MS, T0_MS + 2 * HOUR_MS)
    parts = review.hours(T0_MS, T0_MS + 2 * HOUR_MS)
    assert whole.seen == parts.seen == 12  # each is a neighbour of all others, and counts where it is judged
    assert parts.found == whole.found


def test_where_nothing_was_observed_the_register_is_not_read(garden: Garden) -> None:
    def places() -> list[tuple[str, float, float]]:
        raise AssertionError("read")

    review = Review(garden.store, places, garden.assessments, SetClock(), Counters())
    review.catch_up(T0_MS + HOUR_MS + 11 * 60_000)
    assert garden.assessments.reviewed_until("hours") == T0_MS + HOUR_MS
    garden.hour(0, 10.0)
    review.catch_up(T0_MS + HOUR_MS + 11 * 60_000)
    with pytest.raises(AssertionError, match="read"):
        review.catch_up(T0_MS + 2 * HOUR_MS + 11 * 60_000)


def test_the_highest_version_speaks_and_the_older_ones_stay_on_record(tmp_path: Path) -> None:
    book = Assessments(tmp_path / "review.db")
    old = Assessment("a", "temperature", 0, 100, "neighbours", 1, "old")
    new = Assessment("a", "temperature", 0, 100, "neighbours", 2, "new")
    book.replace("temperature", 0, 100, [("neighbours", 1)], [old])
    book.replace("temperature", 0, 100, [("neighbours", 2)], [new])
    assert book.flags("a", "temperature", 99) == ("neighbours",)
    assert book.flags("a", "temperature", 100) == book.flags("b", "temperature", 0) == ()
    assert book.between(0, 1) == [old, new]
    book.replace("temperature", 0, 100, [("neighbours", 2)], [])
    assert book.between(0, 1) == [old]
    book.close()


def test_another_process_is_heard(tmp_path: Path) -> None:
    one, other = Assessments(tmp_path / "review.db"), Assessments(tmp_path / "review.db")
    assert other.flags("a", "temperature", 5) == ()
    one.replace("temperature", 0, 9, [], [Assessment("a", "temperature", 0, 9, "drift", 1, "")])
    assert other.flags("a", "temperature", 5) == ("drift",)
    one.close()
    other.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "review.db").write_bytes(b"not a database at all, but long enough to be looked at as one")
    with pytest.raises(StoreError, match=r"review.db .* move it away"):
        Assessments(tmp_path / "review.db")


def test_the_command_says_first_and_keeps_then(garden: Garden, tmp_path: Path) -> None:
    garden.hour(0, 10.0, 10.4, 9.8, 10.1, 10.2, 17.0)
    words = ["quality", "review", "--data", str(tmp_path / "data"), "--json"]
    words += ["--from", "2026-11-18", "--to", "2026-11-19"]
    for extra, kept in (["--dry-run"], False), ([], True), ([], True):
        done = CliRunner().invoke(main, [*words, *extra])
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert (told["seen"], len(told["found"]), told["kept"], told["gone"]) == (6, 1, kept, 0)
        assert bool(garden.flags()) == kept
    assert told["new"] == 0  # the third time there is nothing new


def test_a_time_without_a_whole_hour_is_refused(garden: Garden, tmp_path: Path) -> None:
    words = ["--from", "2026-11-18T10:10:00", "--to", "2026-11-18T10:50:00"]
    done = CliRunner().invoke(main, ["quality", "review", "--data", str(tmp_path / "data"), *words])
    assert done.exit_code == 1
    assert "there is no whole hour between them" in done.output
