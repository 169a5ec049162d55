"""`meetnet register`: a new sensor, a change and a removal are each due once, until they are noted (P9)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import main
from gateway.registry import Device, Registry
from tests.gateway.house import a_site
from tests.gateway.publish.a_store import AStore

DAY_MS = 86_400_000
EUI = "70b3d57ed0000001"


def meetnet(folder: Path, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["register", *words, "--data", str(folder)])
    return found.exit_code, found.output


def due(folder: Path) -> list[tuple[str, str, list[str], bool]]:
    code, text = meetnet(folder, "due", "--json")
    found = [(one["site_id"], one["what"], one["fields"], one["is_late"]) for one in json.loads(text)["due"]]
    assert code == (4 if found else 0)
    return found


def test_what_must_be_reported_and_by_when(tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    place = AStore(tmp_path, [a_site("plein-1", "air")])
    registry = Registry(tmp_path)
    for number, (name, days) in enumerate((("plein-1", 20), ("kaai-2", 3))):  # planned so many days from now
        registry.put_site(a_site(name, "air"))
        registry.put_device(Device(f"{EUI[:-1]}{number}", "air", "lorawan", "0" * 16), app_key=bytes(16))
        registry.deploy(f"{EUI[:-1]}{number}", name, now_ms + days * DAY_MS)
        registry.consent(name)
    assert due(tmp_path) == [("kaai-2", "new", [], True), ("plein-1", "new", [], False)]
    assert "kaai-2: report it by" in meetnet(tmp_path, "due")[1]

    assert meetnet(tmp_path, "reported", "plein-1")[0] == 0
    assert [one[0] for one in due(tmp_path)] == ["kaai-2"]
    assert meetnet(tmp_path, "reported")[0] == 0
    assert due(tmp_path) == []
    assert meetnet(tmp_path, "due")[1].strip() == "everything is reported as it is"

    place.add("plein-1", now_ms - DAY_MS)  # what is collected is known now: pm1, pm2_5, pm10
    registry.put_site(replace(a_site("kaai-2", "air"), precision_m=0))
    assert due(tmp_path) == [
        ("kaai-2", "changed", ["location", "isPersonalData"], False),
        ("plein-1", "changed", ["collected"], False),
    ]
    assert meetnet(tmp_path, "reported")[0] == 0
    registry.withdraw("kaai-2", "public", now_ms)
    assert due(tmp_path) == [("kaai-2", "gone", [], False)]
    assert meetnet(tmp_path, "reported", "kaai-2")[0] == 0
    assert due(tmp_path) == []

    assert meetnet(tmp_path, "reported", "nowhere")[0] == 1
    (tmp_path / "reported.json").write_text("{")
    code, text = meetnet(tmp_path, "due")
    assert code == 1
    assert "reported.json" in text
    place.store.close()
    registry.close()
