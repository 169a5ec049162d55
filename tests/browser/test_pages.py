"""Map and charts in a real browser: the week by keys, a year as columns, many sites, on paper."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Served, Visit
from tests.gateway.memory_reader import NOW_MS

pytestmark = pytest.mark.browser


def test_the_slider_leads_the_map_through_the_week(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(refresh_s=600), visit()
    page = guest.page
    page.goto(served.url + "/nl/?layer=pm2_5")
    page.wait_for_selector(".mark .number")
    before = page.inner_text("tr[data-site=lucht-1] [data-value]")
    page.focus("#back")
    page.keyboard.press("ArrowLeft")  # time runs to the right, so left is back
    page.wait_for_selector("#sites[data-back='1']")
    assert "Het uur vanaf 23 nov 18:00" in page.inner_text("#sites-title")
    assert page.inner_text("tr[data-site=lucht-1] [data-value]") != before
    assert "18:00" in page.inner_text("#back-text")
    assert page.evaluate("document.activeElement.id") == "back"
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#sites[data-back='0']")
    assert page.inner_text("#back-text") == "nu"
    assert page.inner_text("tr[data-site=lucht-1] [data-value]") == before
    assert guest.complaints == []


def test_a_year_of_values_comes_as_columns_with_a_band(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(refresh_s=600), visit("phone")
    for day in range(360):
        for part in range(6):
            at = NOW_MS - day * 86_400_000 - part * 3_600_000
            served.reader.add("tuin-2", "temperature", "Cel", 10.0 + day % 20 + part, at)
    page = guest.page
    page.goto(served.url + "/nl/site/tuin-2?span=year")
    page.wait_for_selector("#chart canvas")
    width = page.evaluate("document.querySelector('#chart canvas').clientWidth")
    assert 100 < int(page.get_attribute("#chart", "data-points")) <= width
    assert int(page.get_attribute("#chart", "data-step")) == 172_800
    assert guest.complaints == []


def test_many_sites_are_discs_on_one_canvas(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(refresh_s=600), visit()
    for i in range(400):
        served.reader.add_site(
            f"s{i}", "air", f"Meetpunt {i}", longitude=3.7 + i % 20 / 500, latitude=51.04 + i / 20000
        )
        served.reader.add(f"s{i}", "pm2_5", "ug/m3", i / 8)
    page = guest.page
    page.goto(served.url + "/nl/?layer=pm2_5")
    page.wait_for_selector("#map canvas.leaflet-zoom-animated")
    assert page.locator(".leaflet-marker-icon").count() == 0
    assert page.get_attribute("#map", "data-discs") == str(page.locator("#sites tr[data-site]").count())
    assert page.locator("#sites tr[data-site]").count() == 402
    assert guest.bytes <= 200_000
    assert guest.complaints == []


def test_a_printed_page_holds_the_tables(serve: Callable[..., Served], visit: Callable[..., Visit]) -> None:
    served, guest = serve(refresh_s=600), visit("desk", color_scheme="dark")
    page = guest.page
    page.goto(served.url + "/nl/site/geluid-1")
    page.wait_for_selector("#chart canvas")
    page.emulate_media(media="print")
    assert not page.is_visible(".menu")
    assert page.is_visible(".drawing")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
