"""The page in a real Chromium: on a phone and at a desk, by keyboard, without scripts, on a slow line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Served, Visit
from tests.gateway.memory_reader import NOW_MS, street
from tools import chromium

pytestmark = pytest.mark.browser

VALUE = "#sites [data-value]"
DRAWN = "#chart canvas"
MARK = ".leaflet-marker-icon"


def arrive(visit: Visit, url: str) -> Any:
    visit.page.goto(url)
    visit.page.wait_for_selector(VALUE)
    visit.page.wait_for_selector(DRAWN)
    visit.page.wait_for_selector(MARK)
    return visit.page


@pytest.mark.parametrize("size", ["phone", "desk"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_page_shows_real_values_and_asks_nothing_of_other_hosts(
    serve: Callable[..., Served],
    visit: Callable[..., Visit],
    picture: Callable[[Any, str], bytes],
    size: str,
    colours: str,
) -> None:
    served, guest = serve(refresh_s=600), visit(size, color_scheme=colours)
    page = arrive(guest, served.url)
    assert page.url.endswith("/nl/")
    assert page.inner_text("tr[data-site=lucht-1] [data-value]") == "8,0"
    assert page.inner_text("h1") == "De straat nu"
    assert page.locator(MARK).count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.wait_for_timeout(300)
    assert len(picture(page, f"page-{size}-{colours}")) > 30_000  # a blank or fontless page is far smaller
    assert guest.hosts == {served.url.split("/")[2]}
    assert guest.bytes <= 200_000
    assert guest.complaints == []


def test_a_long_name_pushes_no_quality_off_a_phone(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    reader = street()
    reader.add_site("lang", "air", "Hoek Jonkheer-van-Sandenburgplantsoenlaan/<script>alert(1)</script>")
    reader.add("lang", "pm2_5", "ug/m3", 12.3, NOW_MS - 40 * 60_000)
    page = visit("phone").page
    page.goto(serve(reader).url)
    page.wait_for_selector(VALUE)
    edge = page.evaluate("""Math.max(...[...document.querySelectorAll("#sites td:last-child *")]
        .map((one) => one.getBoundingClientRect().right))""")
    assert edge <= page.viewport_size["width"] - 16


def test_values_map_and_chart_renew_themselves(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit()
    page = arrive(guest, served.url + "/nl/?site=lucht-1")
    points = int(page.get_attribute("#chart", "data-points"))
    page.evaluate("window.untouched = true")
    served.clock.time_ms += 60_000
    served.reader.add("lucht-1", "pm2_5", "ug/m3", 33.25, NOW_MS + 55_000)
    page.wait_for_selector("tr[data-site=lucht-1] [data-value]:text('33,2')")
    page.wait_for_selector(".mark .number:text('33,2 µg/m³')")
    page.wait_for_selector("#site .value:text('33,2')")
    page.wait_for_function(
        f"Number(document.getElementById('chart').dataset.points) != {points} || "
        "document.getElementById('chart-source').dataset.newest.includes('19:00:55')"
    )
    assert page.evaluate("window.untouched") is True  # by parts, never by loading again
    assert guest.complaints == []


def test_a_value_that_grows_old_changes_shape_and_word(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit()
    page = arrive(guest, served.url)
    assert page.get_attribute("tr[data-site=lucht-1]", "data-grade") == "fresh"
    served.clock.time_ms += 3_600_000
    page.wait_for_selector("tr[data-site=lucht-1][data-grade=stale]")
    assert "verouderd" in page.inner_text("tr[data-site=lucht-1]")
    page.wait_for_selector(f"{MARK}[data-site=lucht-1] use[href='#glyph-stale']", state="attached")
    assert "verouderd" in page.get_attribute(f"{MARK}[data-site=lucht-1]", "aria-label")


def test_the_language_switch_keeps_the_chosen_site(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit("phone")
    page = arrive(guest, served.url)
    page.click("#sites a:text('Plein')")
    page.wait_for_selector("#site-title:text('Plein')")
    page.wait_for_function("document.getElementById('site').getBoundingClientRect().top < innerHeight / 2")
    page.wait_for_function("document.querySelector('.languages a[lang=fr]').search.includes('geluid-1')")
    page.click(".languages a[lang=fr]")
    page.wait_for_selector("h1:text('La rue maintenant')")
    assert page.inner_text("#site-title") == "Plein"
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.click(".languages a[lang=en]")
    page.wait_for_selector("h1:text('The street now')")
    assert "48.5" in page.inner_text("tr[data-site=geluid-1]")
    assert guest.complaints == []


def test_the_keyboard_reaches_everything_in_order_and_keeps_its_place(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit()
    page = arrive(guest, served.url)
    order: list[str] = []
    while len(order) < 60:
        page.keyboard.press("Tab")
        where = page.evaluate(
            "(e => e.closest('.skip, .brand, .languages, .menu, .tabs, .week, #map, #sites, #site, .files')"
            "?.className.split(' ')[0]"
            " + '#' + (e.closest('[id]')?.id ?? ''))(document.activeElement)"
        )
        order.append(where)
        if where.startswith("files"):
            break
    stations = [
        name for i, name in enumerate(order) if i == 0 or order[i - 1].split("#")[0] != name.split("#")[0]
    ]
    places = ["skip", "brand", "languages", "menu", "tabs", "map", "week", "card", "site", "files"]
    assert [name.split("#")[0] for name in stations] == places
    assert order.count("map#map") >= 7  # the map, its marks, its buttons

    page.focus("#sites a:text('Plein')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#site-title:text('Plein')")
    page.wait_for_timeout(1500)  # at least one renewal of the parts
    assert page.evaluate("document.activeElement.textContent") == "Plein"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"

    page.focus(f"{MARK}[data-site=bak-1]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#site-title:text('Hoek Kaai')")
    assert "site=bak-1" in page.url
    page.go_back()
    page.wait_for_selector("#site-title:text('Plein')")


def test_another_quantity_draws_another_chart(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit()
    page = arrive(guest, served.url + "/nl/?site=lucht-1")
    page.click("#site a:text('Fijnstof PM10')")
    page.wait_for_selector("#chart-title:text('PM10')")
    page.wait_for_selector("#chart[aria-label^='Fijnstof PM10'] canvas")
    assert page.locator(DRAWN).count() == 1
    page.click("summary")
    assert page.locator("#hours tbody tr").count() == 24
    page.wait_for_timeout(1500)
    assert page.locator("#hours[open]").count() == 1  # a renewal does not close what a reader opened
    assert guest.complaints == []


def test_marks_of_one_grid_cell_do_not_cover_one_another(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit("phone")
    page = arrive(guest, served.url)
    boxes = [mark.bounding_box() for mark in page.locator(f"{MARK} .glyph").all()]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = abs(a["x"] - b["x"]) >= a["width"] or abs(a["y"] - b["y"]) >= a["height"]
            assert apart


@pytest.mark.parametrize("language", ["nl", "fr"])
def test_without_javascript_everything_can_be_read(
    serve: Callable[..., Served], visit: Callable[..., Visit], language: str
) -> None:
    served, guest = serve(), visit("phone", java_script_enabled=False)
    guest.page.goto(f"{served.url}/{language}/")
    assert guest.page.inner_text("tr[data-site=lucht-1] [data-value]") == "8,0"
    assert not guest.page.is_visible("#map")
    guest.page.click("#sites a:text('Plein')")
    assert guest.page.inner_text("#site-title") == "Plein"
    guest.page.click("summary")
    assert guest.page.is_visible("#hours td")


@pytest.mark.parametrize("size", ["phone", "desk"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(
    serve: Callable[..., Served], visit: Callable[..., Visit], size: str, colours: str
) -> None:
    served, guest = serve(refresh_s=600), visit(size, color_scheme=colours, bypass_csp=True)
    page = arrive(guest, served.url + "/nl/?site=lucht-1")
    page.click("summary")
    page.add_script_tag(path=str(chromium.axe()))
    found = page.evaluate("axe.run()")
    assert found["passes"], "axe did not look at anything"
    serious = [
        f"{item['id']}: {node['target']} {node['failureSummary']}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
    assert serious == []


def test_a_refusal_is_a_page_too(serve: Callable[..., Served], visit: Callable[..., Visit]) -> None:
    served, guest = serve(), visit("phone")
    guest.page.goto(served.url + "/nl/?site=weg")
    assert "“weg” is hier niet bekend" in guest.page.inner_text("main")
    guest.page.click("main a")
    guest.page.wait_for_selector(VALUE)


@pytest.mark.parametrize("fault", ["away", "broken"])
def test_the_page_outlives_a_gateway_in_trouble_and_says_so(
    serve: Callable[..., Served], visit: Callable[..., Visit], fault: str
) -> None:
    def trouble(route: Any) -> None:
        if fault == "away":
            route.abort()
        else:
            route.fulfill(status=500, body="<h1>broken</h1>", content_type="text/html")

    served, guest = serve(), visit()
    page = arrive(guest, served.url)
    assert not page.is_visible("#away")
    page.route("**/part/**", trouble)
    page.wait_for_selector("#away:text('Geen verbinding')")
    assert page.inner_text("tr[data-site=lucht-1] [data-value]") == "8,0"
    assert page.inner_text("#site-title") == "Schoolpoort"
    page.unroute("**/part/**")
    served.reader.add("lucht-1", "pm2_5", "ug/m3", 41.0, NOW_MS)
    page.wait_for_selector("tr[data-site=lucht-1] [data-value]:text('41,0')")
    assert not page.is_visible("#away")


def test_a_site_that_is_withdrawn_leaves_an_open_page(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served, guest = serve(), visit()
    page = arrive(guest, served.url + "/nl/?site=geluid-1")
    del served.reader.registered["geluid-1"]
    page.wait_for_selector("#site:has-text('Kies een meetpunt')")
    assert "Plein" not in page.inner_text("main")
    assert page.locator(f"{MARK}[data-site=geluid-1]").count() == 0


def test_tiles_are_asked_of_the_configured_host_only(
    serve: Callable[..., Served], visit: Callable[..., Visit]
) -> None:
    served = serve(tiles_url="https://tegels.example/{z}/{x}/{y}.png", tiles_attribution="© de buurt")
    guest = visit()
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    guest.page.route(
        "https://tegels.example/**", lambda route: route.fulfill(body=pixel, content_type="image/png")
    )
    page = arrive(guest, served.url)
    page.wait_for_selector(".leaflet-tile-loaded", state="attached")
    assert "© de buurt" in page.inner_text(".leaflet-control-attribution")
    assert guest.hosts == {served.url.split("/")[2], "tegels.example"}


def test_a_slow_line_paints_within_one_and_a_half_seconds(
    serve: Callable[..., Served], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    served, guest = serve(refresh_s=600), visit("phone")
    line = guest.page.context.new_cdp_session(guest.page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 100, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8},
    )
    page = arrive(guest, served.url + "/nl/")
    painted_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted_ms <= 1500
