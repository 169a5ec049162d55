"""Commands beside the gateway read what it reads: consents since when, and the flags of the second look."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import main
from gateway.cli.publish import _desk
from gateway.readers import reader_for
from gateway.registry import Registry
from gateway.store import SqliteStore
from gateway.store.assessments import Assessment, Assessments
from tests.gateway.house import T0_MS, a_site, fill_registry
from tests.gateway.publish.a_store import AStore

HOUR_MS = 3_600_000


def test_one_door_for_all(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.withdraw("plein-1", "public", T0_MS - HOUR_MS)
    registry.consent("plein-1", "public", T0_MS)  # what was measured before stays at home
    place = AStore(tmp_path, [a_site("plein-1", "air")])
    for at_ms in (T0_MS - HOUR_MS, T0_MS + HOUR_MS, T0_MS + 2 * HOUR_MS):
        place.add("plein-1", at_ms)
    place.store.close()
    assessments = Assessments(tmp_path / "review.db")
    odd = Assessment(
        "plein-1", "pm2_5", T0_MS + HOUR_MS, T0_MS + HOUR_MS + 1, "buddies", 1, "unlike five others"
    )
    assessments.replace("pm2_5", T0_MS, T0_MS + 3 * HOUR_MS, [("buddies", 1)], [odd])
    store = SqliteStore(tmp_path / "store.db")
    service = reader_for("public", store, registry, assessments, lambda: T0_MS + 3 * HOUR_MS)
    told = [(row.observed_at_ms, row.quantity, row.flags) for row in service.after(0, 100)]
    assert {at_ms for at_ms, _, _ in told} == {T0_MS + HOUR_MS, T0_MS + 2 * HOUR_MS}
    assert [(at, name) for at, name, flags in told if "buddies" in flags] == [(T0_MS + HOUR_MS, "pm2_5")]
    for part in (store, assessments, registry):
        part.close()

    desk = _desk(None, tmp_path)  # that of `meetnet publish`
    try:
        rows = desk.reader("public").after(0, 100)
        assert [(row.observed_at_ms, row.quantity, row.flags) for row in rows] == told
    finally:
        desk.close()
    exported = CliRunner().invoke(main, ["export", "--data", str(tmp_path), "--format", "csv"])
    assert exported.exit_code == 0, exported.output
    lines = list(csv.DictReader(io.StringIO(exported.output)))
    assert len(lines) == len(told)
    assert sum("buddies" in str(line) for line in lines) == 1
