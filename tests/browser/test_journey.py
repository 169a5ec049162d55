"""A host's and a technician's whole journey: plug in, claim, see, break, mend, replace, withdraw.

Real firmware in MicroPython, real radio frames, the gateway, and Chromium on a phone. In Dutch, with French
and English looked at where they matter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.registry.accounts import Accounts
from gateway.web.gate import COOKIE
from simulator.plan import plan
from tests.browser.conftest import Visit
from tests.browser.living import Living

pytestmark = [pytest.mark.browser, pytest.mark.mpy, pytest.mark.slow, pytest.mark.timeout(300)]


def gardens(n: int) -> list[Any]:
    """The first gardens of the street, which speak LoRaWAN."""
    found = [node for node in plan(24, 1) if node.kind == "garden" and node.transport == "lorawan"]
    assert len(found) >= n
    return found[:n]


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def sign_in(place: Living, page: Any, role: str) -> None:
    """Give a browser the session of somebody of a role."""
    accounts = Accounts(place.gateway.directory.path)
    person = accounts.add(f"{role}@example.org", place.now_ms())
    accounts.set_roles(person.id, [role])
    session = accounts.open_session(person.id, place.now_ms())
    accounts.close()
    page.context.add_cookies([{"name": COOKIE, "value": session, "url": place.url}])


def test_plug_in_claim_see_break_mend_replace_withdraw(visit: Callable[..., Visit], tmp_path: Path) -> None:
    mine, spare = gardens(2)
    with Living(tmp_path, [mine, spare]) as place:
        site = mine.site_id
        code = place.call(lambda: place.gateway.claims.issue(mine.dev_eui, place.now_ms()))
        # The spare lies in the van: known, with its key, and at no site.
        place.call(lambda: place.gateway.registry.undeploy(spare.dev_eui, place.now_ms()))
        place.call(lambda: place.gateway.registry.withdraw(site, "public", place.now_ms()))
        host = visit("phone")
        page = host.page

        # The card from the box, before the sensor is plugged in.
        page.goto(f"{place.url}/c/{code}")
        assert page.evaluate("document.documentElement.lang") == "nl"
        assert "°C" not in page.inner_text("main")

        # Plug in: within a minute of the first message the card's page shows my first value.
        place.call(lambda: place.node(site).power_on())
        place.advance(90)
        page.goto(f"{place.url}/c/{code}")
        page.wait_for_selector("text=°C")
        page.fill("#email", "an@example.org")
        page.locator("form:has(#email) button[type=submit]").click()
        page.wait_for_url("**/nl/mine/**")
        assert page.inner_text("h1") == mine.site_name
        assert page.get_attribute("[data-cause]", "data-cause") == "fine"

        # See: nobody sees it but me, until I agree.
        guest = visit("phone").page
        guest.goto(f"{place.url}/nl/")
        assert mine.site_name not in guest.inner_text("main")
        press(page, "Akkoord")
        guest.reload()
        row = f"tr[data-site='{site}']"
        assert "nog niets ontvangen" in guest.inner_text(row)  # what was measured before stays mine
        place.advance(400)
        guest.wait_for_selector(f"{row}[data-grade=fresh]")  # the open page renews itself
        assert "°C" in guest.inner_text(row)

        # Break: the battery is taken out. After some hours the host reads what it is, with one step.
        place.call(lambda: place.node(site).power_off())
        place.advance(5 * 3600)
        page.goto(f"{place.url}/nl/mine/{site}")
        cause = page.get_attribute("[data-cause]", "data-cause")
        assert cause not in ("fine", None)
        assert "Wat je kunt doen:" in page.inner_text("[data-cause]")
        for language, words in (("fr", "Ce que vous pouvez faire"), ("en", "What you can do:")):
            page.goto(f"{place.url}/{language}/mine/{site}")
            assert words in page.inner_text("[data-cause]")
        guest.wait_for_selector(f"{row}[data-grade=stale]")
        assert "uur geleden" in guest.inner_text(row)
        technician = visit("phone").page
        sign_in(place, technician, "technician")
        technician.goto(f"{place.url}/nl/fleet")
        assert mine.site_name in technician.inner_text("main")

        # Mend: it is put back, and all is well without anybody doing anything on a page.
        place.call(lambda: place.node(site).power_on())
        place.advance(900)
        page.goto(f"{place.url}/nl/mine/{site}")
        assert page.get_attribute("[data-cause]", "data-cause") == "fine"

        # Replace: the spare from the van goes on with the same series; the old one is no longer believed.
        technician.goto(f"{place.url}/nl/fleet/{site}")
        technician.fill("#device", spare.dev_eui)
        technician.locator("form:has(#device) button[type=submit]").click()
        technician.wait_for_url(f"**/nl/fleet/{site}**")
        place.call(lambda: place.node(site).power_off())
        place.call(lambda: place.node(spare.site_id).power_on())
        at_ms = place.now_ms()
        place.advance(900)
        rows = place.call(lambda: place.gateway.reader.series(site, "temperature", 0, 2**62))
        assert rows[0].observed_at_ms < at_ms < rows[-1].observed_at_ms
        guest.goto(f"{place.url}/nl/site/{site}")
        guest.wait_for_selector("#chart canvas")
        assert place.call(lambda: place.gateway.registry.site_of(mine.dev_eui, place.now_ms())) is None

        # Withdraw: the same moment nobody sees it any more, on the page nor in the files.
        page.goto(f"{place.url}/nl/mine/{site}")
        press(page, "Intrekken")
        guest.goto(f"{place.url}/nl/")
        guest.wait_for_selector("#sites")
        assert mine.site_name not in guest.inner_text("main")
        for path in ("/api/sites.geojson", "/api/latest.json", f"/api/observations.csv?site={spare.site_id}"):
            assert site not in guest.request.get(place.url + path).text()
        assert guest.goto(f"{place.url}/nl/site/{site}").status == 404
        assert host.complaints == []
