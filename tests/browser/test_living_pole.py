"""Commissioning before living nodes: hung well it passes; crooked, heard badly, indoors and swapped it fails
rightly, on the phone of who stands there.

Real firmware measures, real LoRaWAN frames carry it; what is made up are the forces on the sensors, the
strength at which the gateway hears, and the gardens around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Decoded, Observation, Readings, judged
from gateway.registry import Device
from simulator.channel.forwarder import Forwarder
from simulator.plan import PlannedNode, plan
from tests.browser.conftest import Visit
from tests.browser.living import Living
from tests.browser.test_journey import sign_in
from tests.gateway.house import a_site

pytestmark = [
    pytest.mark.browser, pytest.mark.mpy, pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(300),
]  # fmt: skip
OUTSIDE = {"temperature_c": 5.0, "relative_humidity_pct": 88.0}
INSIDE = {"temperature_c": 20.0, "relative_humidity_pct": 35.0}
# SX1276 data sheet, table 13: SNR that a spreading factor needs.
FLOOR_DB = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
MARGIN_DB: list[float] = []  # above the floor at which the gateway hears; empty: as the air has it


class Behind(Forwarder):
    """A gateway behind a wall that can be moved."""

    def deliver(self, frame: Any, rssi_dbm: float, snr_db: float) -> None:
        if MARGIN_DB:
            snr_db = FLOOR_DB[frame.sf] + MARGIN_DB[0]
        super().deliver(frame, rssi_dbm, snr_db)


class Forces:
    """What acts on the sensors of each site, on top of the city."""

    def __init__(self) -> None:
        self.at: dict[str, dict[str, float]] = {}

    def around(self, site: str, source: Callable[[str, int], float]) -> Callable[[str, int], float]:
        def felt(quantity: str, at_us: int) -> float:
            own = self.at.get(site, {})
            return own[quantity] if quantity in own else source(quantity, at_us)

        return felt


def nodes(kind: str, n: int) -> list[PlannedNode]:
    return [one for one in plan(48, 1) if one.kind == kind and one.transport == "lorawan"][:n]


def settle_gardens(place: Living, near: PlannedNode) -> None:
    """Five gardens around tell what it is like outside, now."""
    gateway, now_ms = place.gateway, place.now_ms()
    seq = now_ms // 60_000
    for n in range(5):
        site_id, dev_eui = f"buur-{n}", f"70b3d57ed00001{n:02d}"
        where = {"longitude": near.longitude + n / 1000, "latitude": near.latitude}
        gateway.registry.put_site(a_site(site_id, "garden", **where))
        gateway.registry.put_device(Device(dev_eui, "garden", "mqtt"))
        gateway.registry.deploy(dev_eui, site_id, None)
        common = ("ok", (), "none", 0, now_ms, now_ms, "network")
        values = (("temperature", "Cel", 5.0 + n / 10), ("relative_humidity", "%", 88.0))
        rows = [Observation(site_id, dev_eui, seq, name, unit, v, v, *common) for name, unit, v in values]
        decoded = Decoded(dev_eui, seq, now_ms, "network", now_ms, Readings.of(()))
        gateway.store.put_imported([(decoded, site_id, judged(rows))])


def test_what_hangs_wrong_fails_with_the_right_words(visit: Callable[..., Visit], tmp_path: Path) -> None:
    (box,), (garden, other) = nodes("bin", 1), nodes("garden", 2)
    box = replace(box, own_board="t3s3_bin")  # which has an accelerometer
    forces = Forces()
    forces.at = {one.site_id: dict(OUTSIDE) for one in (box, garden, other)}
    MARGIN_DB.clear()
    with Living(tmp_path, [box, garden, other], 300, around=forces.around, forwarder=Behind) as place:
        phone = visit("phone")
        page = phone.page
        sign_in(place, page, "technician")

        def reds(
            node: PlannedNode, since_ms: int, language: str = "nl", at: PlannedNode | None = None
        ) -> list[str]:
            """What is red on the page of a node's site, looked at from where `at` should hang."""
            here = at or node
            near = f"latitude={here.latitude}&longitude={here.longitude}&accuracy=5"
            page.goto(f"{place.url}/{language}/fleet/{node.site_id}?since={since_ms}&{near}")
            return page.locator("li[data-verdict=red]").all_inner_texts()

        def live() -> int:
            """Let three messages come; return since when."""
            since_ms = place.now_ms()
            place.advance(16 * 60)
            return since_ms

        # All is well: nothing is red, all but the photo is green, within twenty minutes of the simulated day.
        place.call(lambda: [place.node(one.site_id).power_on() for one in (box, garden)])
        place.advance(60)
        since_ms = live()
        place.call(lambda: settle_gardens(place, garden))
        for node in (box, garden):
            assert reds(node, since_ms) == []
            assert page.locator("li[data-verdict=waiting]").count() <= 1  # the photo

        # Crooked: the bracket slips.
        place.call(lambda: forces.at.__setitem__(box.site_id, OUTSIDE | {"tilt_deg": 15.0}))
        since_ms = live()
        for language, words in (("nl", "15° scheef"), ("fr", "15°"), ("en", "15°")):
            (found,) = reds(box, since_ms, language)
            assert words in found
        place.call(lambda: forces.at.__setitem__(box.site_id, OUTSIDE | {"tilt_deg": 1.0}))
        assert reds(box, live()) == []

        # Weak: the gateway hears it 3 dB above what it can hear at all.
        MARGIN_DB.append(3.0)
        since_ms = live()
        for language, words in (("nl", "3 dB"), ("fr", "3 dB"), ("en", "Signal too weak: 3 dB")):
            (found,) = reds(garden, since_ms, language)
            assert words in found
        MARGIN_DB.clear()

        # Indoors: warm and dry while all gardens around are cold and damp.
        place.call(lambda: forces.at.__setitem__(garden.site_id, dict(INSIDE)))
        since_ms = live()
        place.call(lambda: settle_gardens(place, garden))
        for language, words in (("nl", "binnen"), ("fr", "intérieur"), ("en", "indoors")):
            found = [text for text in reds(garden, since_ms, language) if words in text]
            assert len(found) == 1, language
        place.call(lambda: forces.at.__setitem__(garden.site_id, dict(OUTSIDE)))

        # Swapped: the label says `other`, and it hangs where `garden` should; other is heard from there.
        place.call(lambda: place.node(garden.site_id).power_off())
        place.call(lambda: place.node(other.site_id).power_on())
        since_ms = live()
        found = reds(other, since_ms, at=garden)
        assert len(found) == 1 and "m" in found[0]  # so many metres from its place
        assert reds(garden, since_ms) == []
        assert page.locator("li[data-verdict=waiting]").count() >= 1  # whose place this is, is not heard
        assert phone.complaints == []
