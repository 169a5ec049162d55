"""Every row of the page on threats names tests, and they exist."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = ROOT / "gateway" / "SECURITY.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "threat"]


def test_every_threat_has_a_guard_and_a_test_that_exists() -> None:
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    assert len(rows()) >= 24
    for threat, guard, tests in rows():
        named = re.findall(r"`(test_\w+)`", tests)
        assert guard, threat
        assert named, threat
        assert set(named) <= known, (threat, sorted(set(named) - known))
