"""A fast world keeps to one core, no two worlds to the same, and the core is given back."""

from __future__ import annotations

import os

import pytest

from simulator.affinity import one_core


def _cores() -> set[int]:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system cannot bind threads to cores")
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core only: there is nothing to choose")
    return cores


def test_a_world_is_bound_to_one_core_and_freed_again() -> None:
    before = _cores()
    with one_core() as core:
        assert core is None or os.sched_getaffinity(0) == {core}  # None: others hold every core
    assert os.sched_getaffinity(0) == before


def test_two_worlds_do_not_share_a_core() -> None:
    before = _cores()
    with one_core() as first:
        os.sched_setaffinity(0, before)  # as a second process would see it
        with one_core() as second:
            assert first is None or second != first
        os.sched_setaffinity(0, before)
    assert os.sched_getaffinity(0) == before
