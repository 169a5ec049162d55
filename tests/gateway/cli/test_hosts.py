"""Cards and replacements from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.claims import ClaimBook
from gateway.cli import main
from gateway.registry import Device, Registry
from tests.gateway.house import GARDEN, fill_registry

NEW = "70b3d57ed0000009"


def meetnet(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    registry = Registry(tmp_path)
    fill_registry(registry)
    registry.put_device(Device(NEW, "garden", "lorawan", "0" * 16), bytes(16))
    registry.close()
    return tmp_path


def test_a_card_makes_an_owner_and_the_owner_goes_on_with_the_spare(data: Path) -> None:
    made = meetnet("device", "card", GARDEN, "--data", data)
    assert made.exit_code == 0, made.output
    book = ClaimBook(data / "claims.db")
    book.claim(made.output.strip(), "an@example.org", 5)
    done = meetnet("device", "replace", GARDEN, NEW, "--json", "--data", data)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["site_id"], found["recalibrate"]) == ("tuin-3", ["rain_gauge"])
    claim = book.claim_of(NEW)
    assert claim is not None and claim.owner == "an@example.org"
    book.close()
    again = meetnet("device", "replace", GARDEN, NEW, "--data", data)
    assert again.exit_code == 0 and "is at tuin-3 now" in again.output


def test_what_cannot_be_is_said(data: Path) -> None:
    unknown = meetnet("device", "card", "70b3d57ed00000ff", "--data", data)
    assert unknown.exit_code == 1 and "not registered" in unknown.output
    same = meetnet("device", "replace", GARDEN, GARDEN, "--data", data)
    assert same.exit_code == 1 and "cannot replace itself" in same.output
