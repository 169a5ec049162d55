"""Shared fixtures. What a test needs and does not find makes it skip, saying what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# How fast a busy machine makes or runs inputs says nothing about the code: tests/bench measures speed.
settings.register_profile("meetnet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("meetnet")


def shared_root() -> Path:
    """Return the folder of shared vectors and recordings, beside the checkout or from MEETNET_SHARED."""
    return Path(os.environ.get("MEETNET_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function from a relative path to the shared file; the test skips where it is absent."""

    def find(relative: str) -> Path:
        path = shared_root() / relative
        if not path.exists():
            pytest.skip(f"shared material is absent: {relative} (set MEETNET_SHARED to its folder)")
        return path

    return find


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also the long forms: fuzzing, soaks, many seeds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--nightly"):
        return
    skip = pytest.mark.skip(reason="long form: run with --nightly")
    for item in items:
        if "nightly" in item.keywords:
            item.add_marker(skip)
