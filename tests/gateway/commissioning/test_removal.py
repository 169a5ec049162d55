"""The end of a device: lost, worn out, or a spare that hangs elsewhere next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.claims import ClaimBook
from gateway.cli import main
from gateway.registry import Registry
from tests.gateway.house import T0_MS

HEAD = "dev_eui,join_eui,app_key,kind,transport,site_id,longitude,latitude"
EUIS = [f"70b3d57ed000000{number}" for number in (1, 2)]
LIST = [f"{eui},70b3d57ed0000000,{eui * 2},garden,lorawan,tuin-{eui[-1]},4.4,51.2" for eui in EUIS]


def meetnet(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["device", *words, "--data", str(folder)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.csv").write_text("\n".join([HEAD, *LIST]) + "\n")
    assert meetnet(tmp_path, "add", "--from", str(tmp_path / "list.csv")).exit_code == 0
    return tmp_path


@pytest.fixture
def registry(folder: Path) -> Iterator[Registry]:
    found = Registry(folder)
    yield found
    found.close()


def standing(registry: Registry) -> list[str]:
    return [one.dev_eui for part in registry.standing(2**60) for one in part]


def test_a_lost_device_is_out_and_its_series_stays(folder: Path, registry: Registry) -> None:
    claims = ClaimBook(folder / "claims.db")
    claims.claim(claims.issue(EUIS[0], T0_MS), "a@example.org", T0_MS + 1)
    done = meetnet(folder, "remove", EUIS[0])
    assert done.output == f"{EUIS[0]} measures no more at tuin-1; its key is deleted\n"
    assert standing(registry) == [EUIS[1]]  # of whom health asks whether they are silent
    assert registry.device_keys(EUIS[0]) is None  # it joins no more
    assert registry.device_keys(EUIS[1]) is not None
    assert claims.claim_of(EUIS[0]) is None
    claims.close()
    assert registry.site("tuin-1") is not None
    assert registry.site_of(EUIS[0], T0_MS).id == "tuin-1"  # what was measured then stays of that site
    first = registry.deployments(EUIS[0])
    again = json.loads(meetnet(folder, "remove", EUIS[0], "--json").stdout)
    assert (again["site_id"], again["at_ms"]) == ("tuin-1", first[-1].to_ms)
    assert registry.deployments(EUIS[0]) == first


def test_a_spare_keeps_its_key_and_takes_the_place_of_another(folder: Path, registry: Registry) -> None:
    refused = meetnet(folder, "replace", EUIS[0], EUIS[1])
    assert refused.exit_code == 1 and "meetnet device remove" in refused.stderr  # a remedy that exists
    assert "its key is kept" in meetnet(folder, "remove", EUIS[1], "--spare").output
    done = meetnet(folder, "replace", EUIS[0], EUIS[1])
    assert done.exit_code == 0, done.output
    assert registry.site_of(EUIS[1], 2**60).id == "tuin-1"
    assert registry.device_keys(EUIS[1]) is not None and registry.device_keys(EUIS[0]) is None


def test_the_list_that_is_given_again_does_not_bring_it_back(folder: Path, registry: Registry) -> None:
    meetnet(folder, "remove", EUIS[0], "--at", "2026-01-01")
    again = meetnet(folder, "add", "--from", str(folder / "list.csv"))
    assert again.exit_code == 4
    assert "was at site tuin-1 until 1767225600000: give a later time from which it measures" in again.stderr
    assert standing(registry) == [EUIS[1]] and registry.device_keys(EUIS[0]) is None


def test_who_is_not_there_cannot_be_removed(folder: Path) -> None:
    done = meetnet(folder, "remove", "70b3d57ed00000ff")
    assert done.exit_code == 1 and "is not registered: see meetnet device list" in done.stderr
    assert "is not an EUI" in meetnet(folder, "remove", "tuin-1").stderr
