"""Visits at a pole: crooked, weak, indoors, swapped; and one where all is well."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.claims import ClaimBook
from gateway.commissioning import (
    Check,
    Inspector,
    PhotoError,
    Position,
    ReportError,
    Scene,
    SiteReport,
    SiteReports,
    clean_photo,
    replace_device,
    sentence,
)
from gateway.commissioning.uplinks import RecentUplinks
from gateway.errors import RegistryError
from gateway.registry import Device, Registry, Site
from tests.gateway.commissioning.test_rules import uplinks

NOW = 1_780_000_000_000
EUI, SPARE = "70b3d57ed0000001", "70b3d57ed0000002"


@dataclass
class Form:
    quantity: str
    state: str = "ok"
    flags: tuple[str, ...] = ()


@dataclass
class Row:
    site_id: str
    form: Form
    value: float | None
    observed_at_ms: int = NOW


@dataclass
class Street:
    """A garden among five others, heard well, hanging level."""

    registry: Registry
    rows: list[Row] = field(default_factory=list)
    recent: RecentUplinks = field(default_factory=RecentUplinks)

    def tell(self, **values: float) -> None:
        self.rows = [row for row in self.rows if row.site_id != "tuin-1"]
        self.rows += [Row("tuin-1", Form(name), value) for name, value in values.items()]

    def hear(self, snr_db: float) -> None:
        self.recent = RecentUplinks()
        for uplink in uplinks(*({"a": snr_db, "b": snr_db - 1},) * 3):
            from msgspec.structs import replace

            self.recent.heard(replace(uplink, dev_eui=EUI, received_at_ms=NOW))

    def visit(self, **changed: Any) -> dict[str, Check]:
        scene = {
            "dev_eui": EUI,
            "site_id": "tuin-1",
            "since_ms": NOW - 1,
            "position": Position(4.9, 52.3, 6),
            "has_photo": True,
        }
        found = Inspector(self.registry, lambda: self.rows, self.recent).inspect(
            Scene(**{**scene, **changed}), NOW + 5
        )
        self.passed = found.passed
        return {check.name: check for check in found.checks}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    registry = Registry(tmp_path)
    found = Street(registry)
    for number in range(1, 7):
        site = Site(
            f"tuin-{number}",
            "city",
            f"Tuin {number}",
            "garden",
            4.9 + number / 500 - 1 / 500,
            52.3,
            100,
            "CC0-1.0",
        )
        registry.put_site(site)
        if number > 1:
            found.rows += [
                Row(site.id, Form("temperature"), 5 + number / 10),
                Row(site.id, Form("relative_humidity"), 89.0),
            ]
    registry.put_device(Device(EUI, "garden", "lorawan", "70b3d57ed0000000"), bytes(range(16)))
    registry.deploy(EUI, "tuin-1", NOW - 1000)
    found.hear(0.0)
    found.tell(temperature=5.4, relative_humidity=88.0, tilt=1.0)
    yield found
    registry.close()


def test_a_good_site_passes(street: Street) -> None:
    checks = street.visit()
    assert {name: check.verdict for name, check in checks.items()} == {
        "place": "green", "signal": "green", "sensors": "green", "tilt": "green", "plausible": "green",
        "position": "green", "photo": "green",
    }  # fmt: skip
    assert street.passed
    for language in ("nl", "fr", "en"):
        assert all(sentence(check, language) for check in checks.values())


def test_what_is_wrong_is_said(street: Street) -> None:
    street.tell(temperature=5.4, relative_humidity=88.0, tilt=15.0)
    assert sentence(street.visit()["tilt"], "nl").startswith("Het toestel hangt 15° scheef")
    assert not street.passed
    street.tell(temperature=20.0, relative_humidity=35.0, tilt=1.0)
    assert street.visit()["plausible"].reason == "indoors"
    street.tell(temperature=19.0, relative_humidity=88.0)
    assert street.visit()["plausible"].reason == "value_impossible"
    street.tell(temperature=5.4, relative_humidity=88.0)
    street.hear(-9.5)
    assert sentence(street.visit()["signal"], "en").startswith("Signal too weak: 3 dB")
    street.hear(0.0)
    assert street.visit(position=Position(4.95, 52.3, 6))["position"].reason == "position_off"
    assert street.visit(site_id="tuin-2")["place"].reason == "other_site"
    assert not street.passed
    street.rows.append(Row("tuin-1", Form("rain_tips", "no_answer"), None))
    assert street.visit()["sensors"].reason == "sensors_silent"
    with pytest.raises(RegistryError, match="not registered"):
        street.visit(dev_eui=SPARE)


def test_what_is_not_known_yet_is_no_pass(street: Street) -> None:
    later = street.visit(since_ms=NOW + 1)
    assert later["sensors"].verdict == later["plausible"].verdict == later["signal"].verdict == "waiting"
    assert not street.passed
    street.visit(has_photo=False)
    assert not street.passed


def test_the_device_before_does_not_speak_for_the_new_one(street: Street) -> None:
    street.registry.put_device(Device(SPARE, "garden", "lorawan", "70b3d57ed0000000"), bytes(16))
    claims = ClaimBook(
        Path(street.registry._db.execute("PRAGMA database_list").fetchone()[2]).with_name("claims.db")
    )
    claims.claim(claims.issue(EUI, NOW), "an@example.org", NOW)
    done = replace_device(street.registry, claims, EUI, SPARE, NOW + 10)
    assert (done.site_id, done.owner) == ("tuin-1", "an@example.org")
    found = street.visit(dev_eui=SPARE)
    assert found["sensors"].verdict == "waiting"
    claims.close()


def test_replacing_goes_on_with_the_series_and_lets_the_old_device_out(
    tmp_path: Path, street: Street
) -> None:
    registry = street.registry
    claims = ClaimBook(tmp_path / "claims.db")
    from dataclasses import replace

    site = registry.site("tuin-1")
    assert site is not None
    registry.put_site(replace(site, rain_mm_per_tip=0.301))
    with pytest.raises(RegistryError, match="not registered"):
        replace_device(registry, claims, EUI, SPARE, NOW)
    registry.put_device(Device(SPARE, "noise", "lorawan", "70b3d57ed0000000"), bytes(16))
    with pytest.raises(RegistryError, match="measures noise"):
        replace_device(registry, claims, EUI, SPARE, NOW)
    registry.put_device(Device(SPARE, "garden", "lorawan", "70b3d57ed0000000"))
    done = replace_device(registry, claims, EUI, SPARE, NOW)
    assert done.recalibrate == ("rain_gauge",)
    at = [registry.site_of(eui, when) for eui in (EUI, SPARE) for when in (NOW - 1, NOW)]
    assert [site and site.id for site in at] == ["tuin-1", None, None, "tuin-1"]
    assert registry.device_keys(EUI) is None
    assert registry.device_keys(SPARE) is not None
    site = registry.site("tuin-1")
    assert site is not None and site.rain_mm_per_tip == 0.2794  # hardware/parts.toml: 0.2794 mm a tip
    registry.put_site(replace(site, rain_mm_per_tip=0.25))  # poured 100 ml through the new one
    assert replace_device(registry, claims, EUI, SPARE, NOW + 99).at_ms == NOW
    again = registry.site("tuin-1")
    assert again is not None and again.rain_mm_per_tip == 0.25
    claims.close()


def picture(**options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (40, 20), "red")
    image.putpixel((0, 0), (0, 0, 255))
    image.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def test_a_photo_tells_nothing_of_the_photographer() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretMaker"
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    exif.get_ifd(0x8825)[2] = (50.0, 50.0, 48.0)  # GPSLatitude
    raw = picture(exif=exif.tobytes(), comment=b"HomeAddress") + b"TrailingSecret"
    assert b"SecretMaker" in raw
    clean = clean_photo(raw)
    for word in (b"Exif", b"SecretMaker", b"HomeAddress", b"TrailingSecret"):
        assert word not in clean
    with Image.open(io.BytesIO(clean)) as found:
        assert found.size == (20, 40)  # upright
        assert dict(found.getexif()) == {}


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%PDF-1.7", picture()[:60], b"\xff\xd8" * 100])
def test_what_is_no_photo_is_refused(content: bytes) -> None:
    with pytest.raises(PhotoError) as caught:
        clean_photo(content)
    assert caught.value.code == "no_photo"


def test_a_report_is_filed_once(tmp_path: Path) -> None:
    reports = SiteReports(tmp_path)
    check = Check("tilt", "green", "tilt_good", {"degrees": 1.0, "limit": 8.0})
    report = SiteReport("visit-0001", EUI, "tuin-1", "Jo", NOW, True, (check,), Position(4.9, 52.3, 6.0))
    kept = reports.file(report, picture())
    assert kept.photo is not None
    assert reports.file(report, picture()) == kept
    assert reports.reports_of("tuin-1") == [kept]
    stored = reports.photo(kept.photo)
    assert stored is not None and stored.startswith(b"\xff\xd8")
    assert reports.photo("../commissioning.db") is None
    with pytest.raises(ReportError, match="note"):
        reports.file(SiteReport("visit-0002", EUI, "tuin-1", "Jo", NOW, False, (check,)))
    with pytest.raises(ReportError, match="key"):
        reports.file(SiteReport("../x", EUI, "tuin-1", "Jo", NOW, True, (check,)))
    assert (tmp_path / "commissioning.db").stat().st_mode & 0o777 == 0o600
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "photos").iterdir()] == [0o600]
    assert reports.forget_site("tuin-1") == 1
    assert list((tmp_path / "photos").iterdir()) == []
    reports.close()
