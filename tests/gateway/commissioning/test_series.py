"""A device is swapped under a running pipeline: one series, and what the old device still says is refused."""

from __future__ import annotations

from pathlib import Path

from gateway.claims import ClaimBook, Welcome
from gateway.commissioning import Inspector, Position, RecentUplinks, Scene, replace_device
from gateway.registry import Device
from tests.gateway.house import GARDEN, T0_MS, a_house, a_record, an_uplink, fill_registry

NEW = "70b3d57ed0000009"
MINUTE = 60_000


async def test_the_series_goes_on_with_the_new_device(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        fill_registry(house.registry)
        claims = ClaimBook(tmp_path / "claims.db")

        async def tell(dev_eui: str, seq: int, minute: int, **values: float) -> None:
            record = a_record(seq, T0_MS + minute * MINUTE, **values)
            await house.log.accept(an_uplink(record, dev_eui=dev_eui, received_at_ms=T0_MS + minute * MINUTE))
            await house.pipeline.drained()

        for minute in range(3):
            await tell(GARDEN, 100 + minute, minute, temperature=10 + minute, rain_tips=7)
        house.registry.put_device(Device(NEW, "garden", "lorawan", "0" * 16), bytes(range(16)))
        token = claims.issue(NEW, T0_MS)
        welcome = Welcome(claims, house.registry, house.store.latest, lambda eui: house_seen(house, eui))
        assert welcome.by_token(token, T0_MS).stage == "silent"
        replace_device(house.registry, claims, GARDEN, NEW, T0_MS + 5 * MINUTE)
        await tell(GARDEN, 103, 6, temperature=99)  # it lies on the workbench and still has power
        for minute in range(7, 10):
            await tell(NEW, minute - 7, minute, temperature=10 + minute, rain_tips=0)
        rows = house.store.series("tuin-3", "temperature", 0, T0_MS + 3_600_000, 100)
        assert [(row.observed_at_ms - T0_MS) // MINUTE for row in rows] == [0, 1, 2, 7, 8, 9]
        assert [row.value for row in rows] == [10, 11, 12, 17, 18, 19]
        rain = house.store.series("tuin-3", "precipitation", 0, T0_MS + 3_600_000, 100)
        assert all(row.value in (None, 0.0) for row in rain)  # a counter that starts anew is no rain
        assert "pipeline.not_deployed" in house.counters.snapshot()
        found = welcome.by_device(NEW, T0_MS + 10 * MINUTE)
        assert (found.stage, found.site_id, found.value) == ("value", "tuin-3", 19)
        recent = RecentUplinks()
        scene = Scene(NEW, "tuin-3", T0_MS + 6 * MINUTE, Position(4.899431, 52.379189, 5), True)
        judged = Inspector(house.registry, house.store.latest, recent).inspect(scene, T0_MS + 10 * MINUTE)
        verdicts = {check.name: check.verdict for check in judged.checks}
        assert verdicts["sensors"] == verdicts["place"] == verdicts["position"] == "green"
        assert verdicts["signal"] == "waiting"
        claims.close()


def house_seen(house: object, dev_eui: str) -> int | None:
    seen = house.store.devices_seen()  # type: ignore[attr-defined]
    return next((one.received_at_ms for one in seen if one.dev_eui == dev_eui), None)
