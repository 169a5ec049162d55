"""A node's settings in a real browser, by keyboard and without JavaScript, until the node keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config_bench import ConfigBench
from gateway.downlinks import Downlinks
from gateway.registry.model import NodeAnswer
from gateway.web.gate import COOKIE
from tests.browser.conftest import Served, Visit
from tests.browser.test_every_page import serious
from tests.gateway.web.real_town import GARDEN, RealTown
from tests.gateway.web.test_node_settings import HASH, Network
from wire import commands

pytestmark = pytest.mark.browser


@pytest.fixture
def town(tmp_path: Path) -> Iterator[tuple[RealTown, Network]]:
    found, network = RealTown(tmp_path / "town"), Network()
    downlinks = Downlinks(lambda _dev_eui: "mqtt", lambda _dev_eui: None)
    downlinks.ways = {"broker": network}
    found.open(ConfigBench(found.registry, downlinks, found.clock))
    yield found, network
    found.close()


def test_a_technician_changes_a_node_by_keyboard_without_javascript(
    town: tuple[RealTown, Network], serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    place, network = town
    person = place.accounts.add("tech@example.org", 0)
    place.accounts.set_roles(person.id, ["technician"])
    session = place.accounts.open_session(person.id, place.clock.now_ms())
    served, guest = serve(app=place.app), visit("phone", java_script_enabled=False)
    page = guest.page
    page.context.add_cookies([{"name": COOKIE, "value": session, "url": served.url}])
    page.goto(f"{served.url}/nl/fleet/{GARDEN}")
    page.get_by_role("link", name="Instellingen van het knooppunt").press("Enter")
    field = page.get_by_label("Tijd tussen twee metingen (s)")
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    assert "Dit valt buiten 10 tot 86400" in page.inner_text("#interval_s-fault")
    assert page.get_by_role("alert").count() == 1
    assert network.sent == []
    page.get_by_label("Tijd tussen twee metingen (s)").fill("900")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Er is een wijziging onderweg.")
    token, _, pairs = commands.unpack_set(network.sent[0][2])
    assert pairs == [(1, 900)]
    dev_eui = place.device(GARDEN)
    place.registry.put_node_answer(NodeAnswer(dev_eui, place.clock.now_ms() + 1, token, "kept", "", HASH))
    page.get_by_role("link", name="Kijk opnieuw").press("Enter")
    assert "Het knooppunt zei: 900" in page.inner_text("[data-key=interval_s]")
    assert "het knooppunt houdt het" in page.inner_text("[data-key=interval_s]")

    seen = visit("phone", bypass_csp=True, color_scheme="dark").page
    seen.context.add_cookies([{"name": COOKIE, "value": session, "url": served.url}])
    seen.goto(f"{served.url}/fr/fleet/{GARDEN}/settings")
    assert seen.evaluate("document.documentElement.scrollWidth") <= 360
    assert serious(seen) == []
