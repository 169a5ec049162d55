"""What technicians see: tasks by cause, and the visit at the pole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gateway.health import Incident
from gateway.registry import Device
from gateway.web.gate import multipart
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, NOISE, RealTown, token_in


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RealTown]:
    found = RealTown(tmp_path)
    yield found
    found.close()


async def test_a_gateway_that_is_down_is_one_task_and_no_stop(town: RealTown) -> None:
    everybody = tuple(device.dev_eui for device in town.registry.devices())
    town.incidents.update(
        NOW_MS,
        [
            Incident("gateway:aa", "gateway", "aa555a0000000000", NOW_MS - 60_000, everybody),
            Incident(
                "battery:x", "battery_empty", "x", NOW_MS - 60_000, (town.device(GARDEN),), {"mv": 2400}
            ),
        ],
    )
    async with town.staff("technician") as technician:
        page = (await technician.get("/nl/fleet")).text
        assert page.count("data-task") == 2
        assert "12 toestellen zijn daardoor stil" in page
        assert "1 × batterij" in page
        assert "1 × reserve-radiogateway" in page
        gpx = (await technician.get("/api/fleet/van.gpx")).text
        assert gpx.count("<rtept") == 1
        found = (await technician.get("/api/fleet.json")).json()
    assert len(found["nodes"]) == 12
    assert [one["cause"] for one in found["incidents"]] == ["gateway", "battery_empty"]


async def test_checks_at_the_pole_are_said_in_the_readers_language(town: RealTown) -> None:
    site = town.registry.site(AIR)
    assert site is not None
    async with town.staff("technician") as technician:
        near = f"?latitude={site.latitude}&longitude={site.longitude}&accuracy=5"
        page = (await technician.get(f"/nl/fleet/{AIR}{near}")).text
        assert 'data-verdict="green"' in page
        far = (await technician.get(f"/fr/fleet/{AIR}?latitude=50&longitude=4&accuracy=5")).text
        assert 'data-verdict="red"' in far
        assert (await technician.get(f"/nl/fleet/{AIR}?latitude=noord&longitude=4")).status_code == 400
        assert (await technician.get("/nl/fleet/weg")).status_code == 404


async def test_a_report_keeps_the_picture_and_nothing_else_of_a_photo(town: RealTown) -> None:
    photo = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (64, 48), "red").save(photo, "JPEG", exif=exif)
    assert b"SecretMaker" in photo.getvalue()
    async with town.staff("technician") as technician:
        fields = {"form_token": await token_in(technician), "key": "report-1", "note": "hangt goed"}
        files = {"photo": ("p.jpg", photo.getvalue(), "image/jpeg")}
        for _ in range(2):  # a phone that sends twice
            answer = await technician.post(f"/nl/fleet/{AIR}/report", data=fields, files=files)
            assert answer.status_code == 303
        page = (await technician.get(f"/nl/fleet/{AIR}")).text
        assert page.count("hangt goed") == 1
        (report,) = town.reports.reports_of(AIR)
        assert report.photo is not None
        kept = town.reports.photo(report.photo)
        assert kept is not None
        assert b"SecretMaker" not in kept
        with Image.open(io.BytesIO(kept)) as again:
            assert (again.size, len(again.getexif())) == ((64, 48), 0)
        # The report opens: what was checked, by whom, and the picture; nobody else's site shows it.
        opened = (await technician.get(f"/fr/fleet/{AIR}/report/{report.key}")).text
        assert f'href="/nl/fleet/{AIR}/report/{report.key}"' in page
        assert opened.count("data-verdict") == len(report.checks) > 0
        assert "hangt goed" in opened
        assert "technician@example.org" in opened
        picture = await technician.get(f"/api/fleet/{AIR}/report/{report.key}/photo.jpg")
        assert (picture.content, picture.headers["content-type"]) == (kept, "image/jpeg")
        for other in (f"{GARDEN}/report/{report.key}", f"{AIR}/report/nothing-1"):
            assert (await technician.get(f"/nl/fleet/{other}")).status_code == 404
        assert (await technician.get(f"/api/fleet/{GARDEN}/report/{report.key}/photo.jpg")).status_code == 404
        files = {"photo": ("p.jpg", b"<script>", "image/jpeg")}
        answer = await technician.post(
            f"/nl/fleet/{AIR}/report", data={**fields, "key": "report-2"}, files=files
        )
        assert answer.status_code == 400
        no_token = {"key": "report-3"}
        answer = await technician.post(f"/nl/fleet/{AIR}/report", data=no_token, files=files)
        assert answer.status_code == 403


async def test_a_swapped_device_goes_on_with_the_series(town: RealTown) -> None:
    town.registry.put_device(Device("70b3d57ed00000ff", "noise", "mqtt"), None, "a good password")
    town.clock.time_ms += 60_000
    async with town.staff("technician") as technician:
        token = await token_in(technician)
        fields = {"form_token": token, "device": "70B3 D57E D000 00FF"}
        assert (await technician.post(f"/nl/fleet/{NOISE}/replace", data=fields)).status_code == 303
        assert town.device(NOISE) != "70b3d57ed00000ff"  # before the swap it was the old one
        at = town.registry.site_of("70b3d57ed00000ff", town.clock.time_ms)
        assert at is not None
        assert at.id == NOISE
        for bad in ("70b3d57ed0000099", town.device(GARDEN), ""):
            answer = await technician.post(
                f"/nl/fleet/{NOISE}/replace", data={"form_token": token, "device": bad}
            )
            assert answer.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b"),
        ("multipart/form-data; boundary=b", b""),
    ],
)
def test_a_broken_form_is_an_empty_one(content_type: str, body: bytes) -> None:
    assert multipart(content_type, body) == ({}, {})


def test_a_form_of_parts_is_read_as_it_was_sent() -> None:
    content = bytes(range(256)) + b"\r\n--x"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n\xc3\xa9\xc3\xa9n\r\n'
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    assert multipart("multipart/form-data; boundary=b", body) == ({"note": "één"}, {"photo": content})
