"""`meetnet explain`: from the frame to the recipients, beside a running gateway and without one."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config
from gateway.decode import Profiles
from gateway.errors import RegistryError
from gateway.explaining import Sources, explain
from gateway.model import Assessment, PublicObservation
from gateway.publish import FileSideList
from gateway.publish.base import Rejection
from gateway.registry import Correction, Device
from gateway.store.assessments import Assessments

from .cli.test_cli import fill_store, meetnet
from .house import AIR, T0_MS, a_house, a_record, a_site, an_uplink, fill_registry

HOUR_MS = 3_600_000
SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
PUBLISH = {
    "stad": {
        "type": "webhook",
        "url": "http://127.0.0.1:1/",
        "secret": SECRET,
    },
    "samen": {
        "type": "webhook",
        "url": "http://127.0.0.1:1/",
        "secret": SECRET,
        "recipient": "sensor.community",
    },
}


async def told(house: Any, path: Path, reading: str, publish: Any = None) -> dict[str, Any]:
    await house.pipeline.drained()
    assessments = Assessments(path / "review.db")
    loop = asyncio.get_running_loop()

    def frame(sequence: int):
        found = asyncio.run_coroutine_threadsafe(house.log.read(sequence - 1, 1), loop).result()
        return found[0][1] if found and found[0][0] == sequence else None

    try:
        sources = Sources(
            Config(publish=publish or {}),
            house.registry,
            house.store,
            assessments,
            Profiles(),
            path / "side",
            frame,
        )
        return await asyncio.to_thread(explain, sources, reading)
    finally:
        assessments.close()


async def test_a_reading_is_told_from_its_frame_to_its_recipients(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        for n in range(3):
            await house.log.accept(
                an_uplink(a_record(n, T0_MS + n * HOUR_MS, pm2_5=10 + n, relative_humidity=96), f_cnt=n)
            )
        await house.pipeline.drained()
        found = await told(house, tmp_path, "plein-1/pm2_5", PUBLISH)
        assert found["reading"]["raw"] == 12
        assert found["reading"]["shown"] < 12
        came = found["came_from"]
        assert (came["device"], came["record"], came["counter"], came["network"]) == (AIR, 2, 2, "lorawan")
        assert came["heard_by"][0]["gateway_id"] == "aa555a0000000000"
        uplink = an_uplink(a_record(2, T0_MS + 2 * HOUR_MS, pm2_5=12, relative_humidity=96))
        assert came["frame"] == uplink.payload.hex()
        assert found["decoded"]["same_as_stored"] is True
        reading = {"quantity": "pm2_5", "value": 12.0, "unit": "ug/m3", "state": "ok"}
        assert reading in found["decoded"]["readings"]
        judged = found["judged"]
        assert {(c["check"], c["version"], c["raised"]) for c in judged["checks"]} == {
            ("range", 1, False),
            ("stuck", 1, False),
        }
        assert judged["checks"][0]["parameters"] == {"low": 0, "high": 900}
        assert judged["other_flags"] == ["fog"]
        assert judged["correction"]["parameters"] == {"kappa_fine": 0.22, "kappa_coarse": 0.09}
        outcomes = {row["outlet"]: (row["outcome"], row["consent"]["given"]) for row in found["went_to"]}
        assert outcomes == {
            "page and open data": ("shown", True), "stad": ("waits", True), "samen": ("not for it", False),
        }  # fmt: skip
        assert found["went_to"][2]["consent"]["why"] == "never given"


async def test_what_a_publisher_has_refuses_or_may_not_have_is_said(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(an_uplink(a_record(1, temperature=20)))
        await house.pipeline.drained()
        (row,) = house.store.latest(["plein-1"])
        house.store.save("stad", row.position)

        async def outcome() -> tuple[str, Any]:
            found = await told(house, tmp_path, str(row.position), PUBLISH)
            return found["went_to"][1]["outcome"], found["went_to"][2]["consent"]

        assert (await outcome())[0] == "confirmed"
        value = ("plein-1", "temperature", "Cel", 20, 20, "ok", (), "none", 0, T0_MS, T0_MS)
        seen = PublicObservation(row.position, *value)
        FileSideList(tmp_path / "side").add("stad", [Rejection(seen, "400 bad")])
        assert (await outcome())[0] == "refused for good: 400 bad"
        house.registry.consent("plein-1", "sensor.community", T0_MS + HOUR_MS)
        assert "given from" in (await outcome())[1]["why"]
        house.registry.withdraw("plein-1", "sensor.community", T0_MS + 2 * HOUR_MS)
        assert "withdrawn at" in (await outcome())[1]["why"]


async def test_corrections_second_looks_strangers_and_lost_frames(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        house.registry.put_correction(
            Correction(
                AIR,
                "temperature",
                "linear",
                1,
                {"slope": 1, "intercept": -0.5},
                0,
                None,
                "beside the reference",
                3,
            )
        )
        await house.log.accept(an_uplink(a_record(1, temperature=20)))
        house.registry.put_site(a_site("vreemd", "garden"))
        house.registry.put_device(Device("a84041000181c061", "garden", "lorawan", profile="cayenne"))
        house.registry.deploy("a84041000181c061", "vreemd", None)
        frame = an_uplink(a_record(1, temperature=20))
        stranger = bytes.fromhex("03670110")
        await house.log.accept(type(frame)("ttn", "a84041000181c061", 2, stranger, T0_MS))
        await house.pipeline.drained()
        assessments = Assessments(tmp_path / "review.db")
        one = Assessment(
            "plein-1", "temperature", T0_MS - HOUR_MS, T0_MS + HOUR_MS, "buddies", 1, "3.4 K above 5 others"
        )
        assessments.replace("temperature", T0_MS - HOUR_MS, T0_MS + HOUR_MS, [("buddies", 1)], [one])
        assessments.close()
        found = await told(house, tmp_path, "plein-1/temperature")
        correction = found["judged"]["correction"]
        assert (correction["parameters"], correction["evidence"]) == (
            {"slope": 1, "intercept": -0.5},
            "beside the reference",
        )
        assert found["judged"]["second_look"][0]["detail"] == "3.4 K above 5 others"
        found = await told(house, tmp_path, "vreemd/temperature")
        assert (found["decoded"]["by"], found["came_from"]["how"]) == (
            "profile cayenne",
            "LoRaWAN, by The Things Stack",
        )
        assert found["decoded"]["same_as_stored"] is True
        house.registry.put_device(Device("a84041000181c061", "garden", "lorawan", profile="dragino-lht65"))
        found = await told(house, tmp_path, "vreemd/temperature")
        assert found["decoded"]["cause"] == "decode.foreign_malformed"


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ("nothing", "names no reading"), ("99999999", "no observation at position"),
        ("plein-1/pm10", "there is no pm10"),
        ("plein-1/temperature@noon", "is no time"), ("plein-1/temperature@2020-01-01", "within a day of"),
    ],
)  # fmt: skip
async def test_a_reading_that_is_not_there_is_said(tmp_path: Path, reading: str, why: str) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        await house.log.accept(an_uplink(a_record(1, temperature=20)))
        with pytest.raises(RegistryError, match=why):
            await told(house, tmp_path, reading)


def test_the_command_works_without_a_gateway(tmp_path: Path) -> None:
    asyncio.run(fill_store(tmp_path))
    shown = meetnet("explain", "plein-1/temperature", "--data", tmp_path)
    assert shown.exit_code == 0
    for text in ("CAME FROM", f"device: {AIR}", "same_as_stored: True", "check range, version 1", "WENT TO"):
        assert text in shown.output
    found = json.loads(meetnet("explain", "plein-1/temperature", "--data", tmp_path, "--json").stdout)
    assert found["came_from"]["log_sequence"] == 10
    wrong = meetnet("explain", "plein-1/pm10", "--data", tmp_path)
    assert (wrong.exit_code, "there is no pm10" in wrong.stderr) == (1, True)
