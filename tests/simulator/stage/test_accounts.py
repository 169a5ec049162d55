"""Accounts find what is lost, twice or invented; events are sorted; flash is read as it was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

from node.log import RecordLog
from simulator.ledger import Ledger
from simulator.plan import plan
from simulator.stage import events
from simulator.stage.accounts import Accounts, settle
from simulator.stage.flashlog import SECTOR, Kept, records
from simulator.stage.map import draw, places, state
from simulator.stage.region import balance
from tests.dual_scripts.nor_flash import NorFlash
from wire.record import OK, TIME_NETWORK, Record


def _ledger(*times_s: float) -> Ledger:
    ledger = Ledger(lambda _quantity, now_us: now_us / 1e6)
    for time_s in times_s:
        ledger("temperature_c", round(time_s * 1e6))
    return ledger


def test_what_is_lost_twice_or_never_measured_is_found() -> None:
    ledger = _ledger(100, 200, 300, 400)
    good = [(1, 100_000, True), (2, 200_000, True), (3, 300_000, True), (4, 401_000, True)]
    fine = settle("s", "garden", ledger, [1, 2, 3, 4], good)
    assert (fine.acquired, fine.in_flash, fine.stored) == (4, 4, 4)
    assert Accounts([fine]).balanced
    assert settle("s", "garden", ledger, [1, 2, 3, 4], good[:2] + good[3:]).lost == [3]
    assert settle("s", "garden", ledger, [1, 2, 3, 4, 5, 6], good, not_yet=2).lost == []
    # What the house knows to be missing and will ask for is not lost yet; what it waits for in vain is.
    asks = settle("s", "garden", ledger, [1, 2, 3, 4], good[:2] + good[3:], asking=[(3, 4)], may_ask=2)
    assert (asks.lost, asks.asked_for) == ([], [3])
    assert settle("s", "garden", ledger, [1, 2, 3, 4], good[:2] + good[3:], may_ask=2).lost == [3]
    assert settle("s", "garden", ledger, [1, 2, 3, 4], good[1:], asking=[(1, 2)], may_ask=2).lost == [1]
    assert settle("s", "garden", ledger, [1, 2, 3, 4], [*good, (2, 200_000, True)]).twice == [2]
    invented = settle("s", "garden", ledger, [1, 2, 3, 4], [*good, (5, 500_000, True)])
    assert invented.invented == [500_000]
    guessed = settle("s", "garden", ledger, [1, 2, 3, 4], [*good, (5, 500_000, False)])
    assert guessed.invented == []  # by the gateway's guess, which is marked as one
    told = Accounts([fine, invented]).as_dict()
    assert told["wrong"] == [{"site": "s", "lost": [], "twice": [], "invented": [500_000]}]
    assert not told["balanced"]
    assert settle("s", "garden", ledger, [], [(5, 500_000, True)], clock_true=False).invented == []


def test_a_region_that_loses_doubles_or_invents_is_told_which_record() -> None:
    measured, received = {(0, 1), (0, 2), (1, 1), (1, 2)}, {(0, 1), (0, 2), (1, 1)}
    assert balance(measured, received, [(0, 1), (0, 2), (1, 1)])["balanced"]
    assert balance(measured, received, [(0, 1), (1, 1)])["wrong"] == {"lost": [(0, 2)]}
    wrong = balance(measured, received, [(0, 1), (0, 2), (1, 1), (1, 1), (7, 7)])
    assert not wrong["balanced"]
    assert (wrong["lost"], wrong["twice"], wrong["invented"]) == (0, 1, 1)
    assert wrong["wrong"] == {"twice": [(1, 1)], "invented": [(7, 7)]}


def test_a_log_that_goes_round_is_counted_whole(tmp_path: Path) -> None:
    path, flash = tmp_path / "log.bin", NorFlash(3, SECTOR)
    log, kept = RecordLog(flash), Kept(path)
    for seq in range(2000):
        log.append(Record(seq, 1_790_000_000 + 300 * seq, TIME_NETWORK, [(5, 2000 + seq, OK)]))
        if seq % 100 == 99:
            path.write_bytes(bytes(flash.data))
            kept.look()
    assert len(records(path)) < 2000 == len(kept.look())


def test_kinds_of_events_that_nobody_wants_are_counted_and_not_written(tmp_path: Path) -> None:
    log = events.EventLog(tmp_path / "events.jsonl", ["node"])
    log.add(1, "sensor", "a", "asked", quantity="x")
    log.add(2, "node", "a", "reset")
    log.close()
    assert [row["kind"] for row in events.read(log.path)] == ["node"]
    assert log.counts == {"sensor.asked": 1, "node.reset": 1}


def test_events_are_written_in_order_whatever_order_they_come_in(tmp_path: Path) -> None:
    hashes: list[str] = []
    rows = [
        (5_000_000, "node", "b"),
        (1_000_000, "node", "a"),
        (1_000_000, "fault", "x"),
        (9_000_000, "node", "c"),
    ]
    for name, order in (("1", rows), ("2", rows[::-1])):
        log = events.EventLog(tmp_path / name)
        for t_us, kind, who in order:
            log.add(t_us, kind, who, "is", data=b"\x01")
        log.flush(4_000_000)
        log.close()
        hashes.append(log.sha256)
    assert hashes[0] == hashes[1] == hashlib.sha256((tmp_path / "1").read_bytes()).hexdigest()
    read = events.read(tmp_path / "1")
    assert [row["t_us"] for row in read] == [1_000_000, 1_000_000, 5_000_000, 9_000_000]
    assert read[0]["data"] == "01"


def test_the_flash_reader_finds_what_the_firmware_wrote(tmp_path: Path) -> None:
    flash = NorFlash(4, SECTOR)
    log = RecordLog(flash)
    for seq in [*range(50), *range(700, 900)]:
        log.append(Record(seq, 1_790_000_000 + 300 * seq, TIME_NETWORK, [(5, 2000, OK)]))
    path = tmp_path / "partition-log.bin"
    path.write_bytes(bytes(flash.data))
    assert sorted(records(path)) == [r.seq for r in log.read(0, 10_000)]
    assert records(tmp_path / "none") == []


def test_the_map_shows_each_place_in_the_colour_of_its_worst_node() -> None:
    where = places(plan(12))
    assert len(where) == 12
    assert state("running", None, 300) == "new"
    assert state("asleep", 700, 300) == "good"
    assert state("asleep", 800, 300) == "late"
    assert state("off", 1, 300) == "off"
    text = draw(where, dict.fromkeys(where, "good") | {next(iter(where)): "off"})
    assert "good 11" in text.plain
    assert "off 1" in text.plain
    assert any(span.style == "red" for span in text.spans)
