"""Hours, days and the whole city as files; what a second look flagged counts, and moves no mean."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.model import Assessment
from gateway.registry import Registry
from gateway.store import SqliteStore
from gateway.store.assessments import Assessments
from gateway.store.history.rolling import roll_all

from .house import T0_MS, a_site, fill_registry
from .store.test_history import DAY_MS, HOUR_MS, seal
from .store.test_sqlite import outcome

START_MS = T0_MS - T0_MS % DAY_MS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two days of three sites, every half hour: 10, 20, a private one; an hour of one was flagged later."""
    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.put_site(a_site("hidden-1", "air"))
    registry.close()
    store = SqliteStore(tmp_path / "store.db")
    store.commit([
        outcome(3 * n + k + 1, n, START_MS + n * HOUR_MS // 2, 10.0 * (k + 1) + n % 2, site, f"{k:016x}")
        for n in range(96)
        for k, site in enumerate(("plein-1", "tuin-3", "hidden-1"))
    ])  # fmt: skip
    roll_all(store)
    seal(store, START_MS + DAY_MS)
    store.close()
    assessments = Assessments(tmp_path / "review.db")
    flagged = Assessment(
        "tuin-3", "temperature", START_MS + 5 * HOUR_MS, START_MS + 6 * HOUR_MS, "drift", 1, "x"
    )
    assessments.replace("temperature", START_MS, START_MS + DAY_MS, [("drift", 1)], [flagged])
    assessments.close()
    return tmp_path


def exported(data: Path, *words: str) -> list[dict[str, str]]:
    found = CliRunner().invoke(main, ["export", "--data", str(data), *words])
    assert found.exit_code == 0, found.output
    return list(csv.DictReader(io.StringIO(found.output)))


def test_days_of_each_series_without_those_of_private_sites(data: Path) -> None:
    rows = exported(data, "--means", "day")
    assert [(row["site_id"], row["mean"], row["least"], row["greatest"]) for row in rows] == [
        ("plein-1", "10.5", "10.0", "11.0"), ("plein-1", "10.5", "10.0", "11.0"),
        ("tuin-3", "20.5", "20.0", "21.0"), ("tuin-3", "20.5", "20.0", "21.0"),
    ]  # fmt: skip
    assert [(row["values"], row["flagged"]) for row in rows] == [
        ("48", "0"),
        ("48", "0"),
        ("48", "2"),
        ("48", "0"),
    ]
    assert "52.379189" not in json.dumps(rows)


def test_hours_of_one_site_where_a_flagged_one_stands_for_itself(data: Path) -> None:
    rows = exported(data, "--means", "hour", "--site", "tuin-3")
    assert len(rows) == 48
    assert (rows[5]["mean"], rows[5]["values"], rows[5]["flagged"]) == ("20.5", "2", "2")
    assert {row["flagged"] for row in rows[:5] + rows[6:]} == {"0"}


def test_the_city_by_hour_is_the_mean_of_its_public_sites(data: Path) -> None:
    rows = exported(data, "--means", "city", "--from", "2026-11-01")
    assert len(rows) == 48
    assert (rows[4]["mean"], rows[4]["sites"], rows[4]["unit"]) == ("15.5", "2", "Cel")
    assert (rows[5]["mean"], rows[5]["sites"]) == ("10.5", "1")  # the other one's hour was flagged
    found = CliRunner().invoke(main, ["export", "--data", str(data), "--means", "city"])
    assert found.exit_code == 1
    assert "--from" in found.output
