"""A database of its own for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()
