"""kill -9 of gateway, broker and database under load, full disks, platforms that go away: the short form.

The whole is a bench with a command: python -m tests.bench.gateway.faults. Here it runs with few kills; the
long form, behind --nightly, with 2,000 in all. A failure prints the command that repeats it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.gateway import faults, parts
from tests.gateway.postgres_server import Server

pytestmark = pytest.mark.skipif(
    parts.mosquitto() is None,
    reason="no Mosquitto: apt-get install mosquitto (Debian), brew install mosquitto",
)


def check(
    folder: Path, seed: int, kills: int, victims: tuple[str, ...], server: Server | None = None
) -> None:
    found = faults.run(folder, seed, kills, victims, server)
    assert faults.is_whole(found), found


@pytest.mark.timeout(240)
def test_gateway_broker_disk_and_platform_may_die(tmp_path: Path) -> None:
    check(tmp_path, seed=40, kills=4, victims=faults.VICTIMS)


@pytest.mark.timeout(240)
def test_the_database_may_die(tmp_path: Path, server: Server) -> None:
    check(tmp_path, seed=3, kills=2, victims=("postgres", "gateway"), server=server)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(15))
def test_they_may_die_however_often(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed, kills=100, victims=faults.VICTIMS)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_the_database_may_die_however_often(tmp_path: Path, seed: int, server: Server) -> None:
    check(tmp_path, seed, kills=100, victims=("postgres", "gateway", "broker"), server=server)
