"""What only one of several workers may do: by one at a time, taken over when it is gone, and fenced."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alerting import Alerting, AlertSettings
from gateway.app import Gateway
from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.health import Facts, IncidentBook, NetworkFacts
from gateway.leases import KEEPER, Leases
from gateway.publish import FileSideList, Follower
from gateway.store.checking import check
from gateway.store.history import rolling
from gateway.store.postgres import PostgresStore

from .health.test_book import NOON, Post, seen
from .health.test_causes import HOUR_MS, MINUTE_MS
from .house import SetClock
from .publish.test_follower import Recorder, stocked
from .store.test_history import DAY_MS, END_MS, copy_of, some_records

VICTIM = Path(__file__).with_name("keeper_victim.py")
TERM_S = 2.0


@pytest.fixture
def address(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def stores(address: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    found = PostgresStore(address), PostgresStore(address)
    yield found
    for store in found:
        store.close()


def test_a_lease_is_one_workers_until_it_ends(stores: tuple[PostgresStore, PostgresStore]) -> None:
    one, other = (store.database.leases(name, 0.4) for store, name in zip(stores, "ab", strict=True))
    assert one.claim(["x", "y"]) == {"x", "y"}
    assert other.claim(["x", "z"]) == {"z"}
    assert one.claim(["x"]) == {"x"}  # renewed
    assert one.holders() == {"x": "a", "y": "a", "z": "b"}
    time.sleep(0.5)
    assert other.claim(["x"]) == {"x"}
    assert one.claim(["x"]) == set()
    other.release()
    assert one.claim(["x"]) == {"x"}  # at once


def test_who_lost_it_writes_nothing(stores: tuple[PostgresStore, PostgresStore]) -> None:
    first, second = stores
    one, other = first.database.leases("a", 0.3), second.database.leases("b", 30.0)
    first.commit(copy_of(some_records(7, 60)))
    assert one.claim([KEEPER]) == {KEEPER}
    time.sleep(0.4)  # as when a process is stopped: nobody asked it
    assert other.claim([KEEPER]) == {KEEPER}
    with one.fence(KEEPER), pytest.raises(StoreError, match="went to another"):
        rolling.roll(first)
    assert first.position(rolling.ROLLED) == 0
    with other.fence(KEEPER):
        assert rolling.roll(second) > 60
    first.save("x", 7)  # what is not fenced goes on
    assert check(second) == []


def test_nobody_takes_it_in_the_middle_of_a_step(stores: tuple[PostgresStore, PostgresStore]) -> None:
    first, second = stores
    one, other = first.database.leases("a", 0.3), second.database.leases("b", 30.0)
    one.claim([KEEPER])
    with ThreadPoolExecutor(1) as executor:
        with one.fence(KEEPER), first.database.write():
            time.sleep(0.4)  # the lease ends meanwhile
            taking = executor.submit(other.claim, [KEEPER])
            with pytest.raises(TimeoutError):
                taking.result(0.3)
        assert taking.result(10) == {KEEPER}


def test_a_worker_that_hangs_within_a_transaction_holds_up_nobody_for_ever(
    stores: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.IDLE_MS", 300)
    first, second = stores
    with pytest.raises(StoreError, match="idle-in-transaction"), first.database.write() as transaction:
        transaction.execute("UPDATE positions SET position = 5 WHERE name = ?", ("schema",))
        second.save("x", 3)  # waits until the server has ended the session of the first
        transaction.query("SELECT 1")
    assert second.load("x") == 3
    first.save("x", 4)  # on a new connection
    assert second.load("x") == 4


def start_victim(address: str, name: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, str(VICTIM), address, name, str(TERM_S)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_another_keeps_house_when_the_holder_is_gone(
    address: str, stores: tuple[PostgresStore, PostgresStore], how: signal.Signals
) -> None:
    store = stores[0]
    leases = store.database.leases("test")
    outcomes = copy_of(some_records(7, 400))
    whole = sum(1 for outcome in outcomes for record in outcome.records if record[2].raws)
    store.commit(outcomes[:100])
    victims = {name: start_victim(address, name) for name in ("a", "b")}

    def wait(until: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not until():
            assert time.monotonic() < end
            time.sleep(0.05)

    try:
        wait(lambda: store.position(rolling.ROLLED) > 50 and KEEPER in leases.holders())
        holder = leases.holders()[KEEPER]
        victims[holder].send_signal(how)
        store.commit(outcomes[100:])
        wait(lambda: leases.holders().get(KEEPER, holder) != holder)
        wait(lambda: store.position(rolling.ROLLED) > whole - 10)
        victims[holder].send_signal(signal.SIGCONT)
        time.sleep(2 * TERM_S)
        assert leases.holders().get(KEEPER) != holder  # who wakes up again does not take it back
        old = "SELECT 1 FROM records WHERE observed_at_ms < ? LIMIT 1"
        wait(lambda: not store.database.query(old, (END_MS - 4 * DAY_MS,)))
    finally:
        for process in victims.values():
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    assert check(store) == []  # each record is in its hour and its chunk once
    assert store.count() == whole


async def test_publishers_go_on_at_another_worker(
    stores: tuple[PostgresStore, PostgresStore], tmp_path: Path
) -> None:
    """One sends; when it is gone, the other goes on from its position and sends nothing again."""
    reader = stocked(30)
    held: list[Leases] = []
    tasks: list[asyncio.Task[None]] = []
    sent = [Recorder(), Recorder()]
    for number, store in enumerate(stores):
        leases = Leases(store.database.leases(f"w{number}", TERM_S), Counters())
        follower = Follower(
            sent[number], reader, store, FileSideList(tmp_path / str(number)), Counters(),
            idle_s=0.05, turn=leases.turn("publisher:recorder"), save_s=0.0,
        )  # fmt: skip
        held.append(leases)
        tasks += [asyncio.create_task(leases.run()), asyncio.create_task(follower.run())]
    try:
        async with asyncio.timeout(30):
            while stores[0].load("recorder") < 30:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            first = 0 if sent[0].sent else 1
            assert not sent[1 - first].sent
            for task in tasks[2 * first : 2 * first + 2]:  # it is gone, and gives nothing back
                task.cancel()
            for number in range(30, 60):
                reader.add("a", "pm10", "ug/m3", float(number))
            while stores[0].load("recorder") < 60:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for leases in held:
            await leases.close()
    assert sent[first].sent == list(range(1, 31))
    assert sent[1 - first].sent == list(range(31, 61))


async def test_workers_tell_an_incident_once(
    stores: tuple[PostgresStore, PostgresStore], tmp_path: Path
) -> None:
    post = Post()
    settings = AlertSettings(mail_to=("wacht@stad.example",), language="en")
    held = [Leases(store.database.leases(f"w{n}", TERM_S), Counters()) for n, store in enumerate(stores)]
    books = [IncidentBook(tmp_path / "health.db") for _ in held]
    alerting = [
        Alerting(
            lambda: Facts(0, 0), book, post, SetClock(), Counters(), settings, list, leases.turn("alerts")
        )
        for leases, book in zip(held, books, strict=True)
    ]
    for leases in held:
        await leases.claim()
    silent = seen(NOON, 10 * HOUR_MS)
    networks = (NetworkFacts("lorawan", False, NOON - HOUR_MS),)
    cut = Facts(NOON, NOON - 100 * HOUR_MS, silent.devices, networks=networks)
    alerting[1].look(cut)  # only the second one knows why the device is silent; it does not tell
    assert post.taken == []
    alerting[0].look(silent)
    assert len(post.taken) == 1  # the connection, and not also the device
    assert [entry.incident.cause for entry in books[0].open()] == ["network"]
    await held[0].close()
    await held[1].claim()
    assert held[1].holds("alerts")
    for minute in range(1, 4):
        for one in alerting:
            one.look(replace(cut, now_ms=NOON + minute * MINUTE_MS))
    assert len(post.taken) == 1  # who takes over knows what was told
    for leases in held[1:]:
        await leases.close()
    for book in books:
        book.close()


def a_gateway(directory: Path, address: str, worker: str) -> Gateway:
    ports = {"semtech_udp.port": 0, "broker.port": 0, "web.enabled": False}
    return Gateway(
        Config({"data.directory": str(directory), "data.postgres": address, "data.worker": worker, **ports}),
        publishers=(),
    )


async def test_two_gateways_under_one_name_are_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.PostgresDatabase.leases.__defaults__", (4.0,))
    first = a_gateway(tmp_path / "1", address, "w")
    await first.start()
    try:
        with pytest.raises(StoreError, match=r"data\.worker"):
            await a_gateway(tmp_path / "2", address, "w").start()
        second = a_gateway(tmp_path / "2", address, "v")
        await second.start()
        assert first.status()["leases"]["keeper"] != second.status()["leases"]["keeper"]
        await second.stop()
    finally:
        await first.stop()
