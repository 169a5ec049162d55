"""At the pole with a phone: crooked, heard badly, indoors, or in the place of another: each fails rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from gateway.commissioning import Inspector, RecentUplinks
from gateway.commissioning.rules import distance_m
from gateway.registry import Device
from gateway.web import House, WebSettings, create_app
from gateway.web.gate import COOKIE
from tests.browser.conftest import Served, Visit
from tests.gateway.commissioning.test_rules import uplinks
from tests.gateway.commissioning.test_visit import Form, Row
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import GARDEN, RealTown

pytestmark = pytest.mark.browser
GOOD: dict[str, Any] = {"temperature": 5.4, "relative_humidity": 88.0, "tilt": 1.0, "snr": 0.0}
# What is wrong, and how the sentence begins that says it. Floor of SF9: -12.5 dB (SX1276 data sheet), so -9.5
# leaves 3 dB.
BAD: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "crooked": ({"tilt": 15.0}, {"nl": "Het toestel hangt 15° scheef", "fr": "15°", "en": "15°"}),
    "weak": ({"snr": -9.5}, {"nl": "3 dB", "fr": "3 dB", "en": "Signal too weak: 3 dB"}),
    "indoors": (
        {"temperature": 20.0, "relative_humidity": 35.0},
        {"nl": "binnen", "fr": "intérieur", "en": "indoors"},
    ),
}


class Pole:
    """A garden among others of its kind, with a technician before it."""

    def __init__(self, path: Path) -> None:
        self.town = RealTown(path, sites=48, days=0.1)
        self.gardens = [site for site in self.town.registry.sites() if site.kind == "garden"]
        self.dev_eui = self.town.device(GARDEN)
        self.town.registry.put_device(
            Device(self.dev_eui, "garden", "lorawan", "70b3d57ed0000000"), bytes(16)
        )
        self.rows: list[Row] = []
        self.recent = RecentUplinks()
        inspector = Inspector(self.town.registry, lambda: self.rows, self.recent)
        desk = replace(self.town.desk, inspector=inspector)
        house = House(self.town.accounts, desk=desk)
        self.app = create_app(self.town.reader, dict, self.town.clock, WebSettings(), house=house)
        person = self.town.accounts.add("tech@example.org", NOW_MS)
        self.town.accounts.set_roles(person.id, ["technician"])
        self.session = self.town.accounts.open_session(person.id, NOW_MS)

    def set(self, **state: Any) -> None:
        """Let the garden say this, and its neighbours what gardens said on that cold day."""
        told = {**GOOD, **state}
        names = ("temperature", "relative_humidity", "tilt")
        self.rows = [Row(GARDEN, Form(name), told[name], NOW_MS) for name in names]
        for number, site in enumerate(self.gardens):
            if site.id != GARDEN:
                self.rows += [
                    Row(site.id, Form("temperature"), 5 + number / 10, NOW_MS),
                    Row(site.id, Form("relative_humidity"), 89.0, NOW_MS),
                ]
        for one in uplinks(*({"a": told["snr"], "b": told["snr"] - 1},) * 3):
            self.recent.heard(with_fields(one, dev_eui=self.dev_eui, received_at_ms=NOW_MS))


@pytest.fixture
def pole(tmp_path: Path) -> Iterator[Pole]:
    found = Pole(tmp_path / "town")
    yield found
    found.town.close()


def test_what_is_wrong_at_the_pole_is_said_on_the_phone(
    pole: Pole, serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, phone = serve(app=pole.app), visit("phone")
    page = phone.page
    page.context.add_cookies([{"name": COOKIE, "value": pole.session, "url": served.url}])
    site = pole.town.registry.site(GARDEN)
    assert site is not None
    near = f"latitude={site.latitude}&longitude={site.longitude}&accuracy=5"

    def reds(language: str) -> list[str]:
        page.goto(f"{served.url}/{language}/fleet/{GARDEN}?since={NOW_MS - 1}&{near}")
        return page.locator("li[data-verdict=red]").all_inner_texts()

    pole.set()
    assert reds("nl") == []
    for name, (state, words) in BAD.items():
        pole.recent.__init__()  # type: ignore[misc]
        pole.set(**state)
        for language, text in words.items():
            found = reds(language)
            assert len(found) == 1, (name, language, found)
            assert text in found[0], (name, language)
    # Swapped: the device that hangs here belongs to another place, so nothing is heard of this one.
    pole.recent.__init__()  # type: ignore[misc]
    pole.set()
    other = max(
        pole.gardens, key=lambda one: distance_m(one.longitude, one.latitude, site.longitude, site.latitude)
    )
    page.goto(f"{served.url}/nl/fleet/{other.id}?since={NOW_MS - 1}&{near}")
    assert page.locator("li[data-verdict=red]").count() >= 1  # stands elsewhere
    assert page.locator("li[data-verdict=waiting]").count() >= 1  # and is not heard
    assert phone.complaints == []
