"""Every page in a real browser, as who may see it: no serious finding of axe, within a phone, no other host.

Each page is opened in the dark on a phone, then looked at again by day at a desk. In Dutch; in French and
English every night.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from gateway.web.gate import COOKIE
from tests.browser.conftest import SIZES, Visit
from tests.gateway.web.every_page import Town, pages
from tests.gateway.web.real_town import GARDEN
from tools import chromium

pytestmark = pytest.mark.browser
NAMES = sorted(pages("", "", ""))
LANGUAGES = ["nl", *(pytest.param(one, marks=pytest.mark.nightly) for one in ("fr", "en"))]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, str]]:
    made = Town(tmp_path_factory.mktemp("town"))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made.town.app, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    yield made, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(10)
    listener.close()
    made.town.close()


def guest(town: tuple[Town, str], visit: Callable[..., Visit], role: str, **options: Any) -> Visit:
    """Open a phone in the hands of somebody of a role."""
    found = visit("phone", **{"color_scheme": "dark", "bypass_csp": True, **options})
    if role:
        found.page.context.add_cookies([{"name": COOKIE, "value": town[0].session(role), "url": town[1]}])
    return found


# Of the menu nothing is found by chance only, and what is drawn can be read: on a phone, too.
HIDDEN = """() => [...document.querySelectorAll(".menu a")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.textContent)"""
TINY = """() => [...document.querySelectorAll("svg.drawing text")]
  .filter((one) => one.getBoundingClientRect().height > 0)
  .map((one) => [parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a, one.textContent])
  .filter(([px]) => px < 8.9)"""

# A number with its unit stands on one line, two at most, and never one letter below the other.
SQUEEZED = """() => [...document.querySelectorAll("dd, .fact b")]
  .filter((one) => one.textContent.trim().length < 10)
  .filter((one) => one.getBoundingClientRect().height > 2.6 * parseFloat(getComputedStyle(one).lineHeight))
  .map((one) => one.textContent.trim())"""
LARGE = """size => {
  document.documentElement.style.fontSize = size;
  dispatchEvent(new Event("resize"));
  return new Promise((done) => setTimeout(done, 150));
}"""

# What another light can change; the rest was looked at in the dark.
OF_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"]}


def serious(page: Any, options: dict[str, Any] | None = None) -> list[str]:
    if page.evaluate("typeof axe") == "undefined":
        page.add_script_tag(path=str(chromium.axe()))
    found = page.evaluate("options => axe.run(document, options)", options or {})
    assert found["passes"], "axe did not look at anything"
    return [
        f"{item['id']}: {node['target']} {node['failureSummary']}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_sound(
    town: tuple[Town, str], visit: Callable[..., Visit], name: str, language: str
) -> None:
    shown = town[0].pages[name]
    found = guest(town, visit, shown.role)
    page = found.page
    page.goto(town[1] + shown.address.format(language))
    page.wait_for_selector(shown.selector)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"]["width"]
    assert page.evaluate(HIDDEN) == []
    assert page.evaluate(TINY) == []
    assert page.evaluate(SQUEEZED) == []
    assert serious(page) == []
    page.evaluate(LARGE, "200%")  # WCAG 1.4.4: letters twice as large, nothing lost at the side
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"]["width"]
    page.evaluate(LARGE, "")
    page.set_viewport_size(SIZES["desk"])
    page.emulate_media(color_scheme="light")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["desk"]["width"]
    assert serious(page, OF_COLOUR) == []
    assert found.hosts == {town[1].split("/")[2]}
    assert found.bytes <= 200_000
    assert [line for line in found.complaints if shown.status == 200 or str(shown.status) not in line] == []


# Every page each night; in the normal run one of each sort: map and chart, forms, tables, many buttons.
HANDFUL = {"map", "site-notes", "mine", "update"}
EACH = [one if one in HANDFUL else pytest.param(one, marks=pytest.mark.nightly) for one in NAMES]
FOCUSABLE = """() => {
  const wanted = "a[href], button, input, select, textarea, summary, [tabindex]";
  const groups = new Set();
  return [...document.querySelectorAll(wanted)].filter((one) => {
    if (one.tabIndex < 0 || one.disabled || !one.checkVisibility({ visibilityProperty: true })) return false;
    if (one.closest("details:not([open])") && one.tagName !== "SUMMARY") return false;
    if (one.type === "radio") {  // one stop a group
      const all = [...document.querySelectorAll(`input[name="${one.name}"]`)];
      const stop = all.find((other) => other.checked) ?? all[0];
      if (groups.has(one.name) || stop !== one) return false;
      groups.add(one.name);
    }
    return true;
  }).map((one, n) => { one.dataset.stop = n; return n; }).length;
}"""
STOP = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const seen = style.outlineStyle !== "none" && style.outlineWidth !== "0px" && box.width > 0;
  return [one.dataset.stop ?? "", one === document.body, seen, one.outerHTML.slice(0, 80)];
}"""


@pytest.mark.parametrize("name", EACH)
def test_a_page_is_walked_by_keyboard_alone(
    town: tuple[Town, str], visit: Callable[..., Visit], name: str
) -> None:
    """Tab stops at everything that a mouse can press, each is seen to have the focus, and none is a trap."""
    shown = town[0].pages[name]
    page = guest(town, visit, shown.role).page
    page.set_viewport_size(SIZES["desk"])
    page.goto(town[1] + shown.address.format("nl"))
    page.wait_for_selector(shown.selector)
    n = page.evaluate(FOCUSABLE)
    assert n > 3
    reached: list[str] = []
    unseen: list[str] = []
    for _ in range(n + 20):
        page.keyboard.press("Tab")
        stop, is_over, is_seen, text = page.evaluate(STOP)
        if is_over:
            break
        if not is_seen:
            unseen.append(text)
        if stop:  # what a script made meanwhile has no number
            reached.append(stop)
    assert reached[0] == "0", "the first stop leads past the menu"
    assert sorted(set(map(int, reached))) == list(range(n))
    assert unseen == []


@pytest.mark.parametrize("name", EACH)
def test_a_page_reads_and_its_forms_send_without_script(
    town: tuple[Town, str], visit: Callable[..., Visit], name: str
) -> None:
    shown = town[0].pages[name]
    found = guest(town, visit, shown.role, java_script_enabled=False)
    page = found.page
    page.goto(town[1] + shown.address.format("nl"))
    assert page.locator("h1").is_visible()
    assert len(page.inner_text("main")) > 40
    for form in page.locator("form").all():
        sends = form.locator("button[type=submit], button:not([type]), input[type=submit]")
        assert sends.count() >= 1, form.evaluate("one => one.outerHTML.slice(0, 120)")
    # What only a script can do is not offered.
    assert [one.inner_text() for one in page.locator("button[type=button]").all() if one.is_visible()] == []
    # Where a chart or map is drawn by script, the same stands there as a table.
    if page.locator("#chart, #map").count():
        assert page.locator("main table tbody tr").count() >= 1
    assert found.hosts == {town[1].split("/")[2]}


def test_a_lesson_needs_no_script_and_no_mouse(town: tuple[Town, str], visit: Callable[..., Visit]) -> None:
    found = guest(town, visit, "", java_script_enabled=False)
    page = found.page
    page.set_viewport_size({"width": 768, "height": 1024})  # a tablet
    address = town[0].pages["class"].address.format("nl").partition("&when")[0]
    page.goto(town[1] + address)
    page.focus("#when")
    page.keyboard.type("15")
    page.keyboard.press("Tab")
    page.keyboard.type("9,5")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**when=15**")
    assert page.is_visible("#reveal table")
    assert page.locator("#reveal .drawing").count() == 1
    assert page.locator("#reveal tbody tr").count() >= 2
    page.emulate_media(media="print")
    assert not page.is_visible(".menu")


def test_a_note_shades_its_time_on_the_chart(town: tuple[Town, str], visit: Callable[..., Visit]) -> None:
    found = guest(town, visit, "")
    page = found.page
    page.goto(town[1] + f"/nl/site/{GARDEN}")
    page.wait_for_selector(".uplot[data-notes='1']")  # the other one is for its hosts
    note = json.loads(page.get_attribute("#chart-source", "data-notes") or "[]")[0]
    wash = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--wash').trim()")
    assert (
        page.evaluate(
            """([wash]) => {
          const canvas = document.querySelector(".uplot canvas");
          const { width, height } = canvas;
          const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          const [r, g, b] = [1, 3, 5].map((at) => parseInt(wash.slice(at, at + 2), 16));
          let n = 0;
          for (let at = 0; at < pixels.length; at += 4)
            n += pixels[at] === r && pixels[at + 1] === g && pixels[at + 2] === b;
          return n / (width * height);
        }""",
            [wash],
        )
        > 0.02 * (note["to"] - note["from"]) / 3600
    )
    assert "buurman stookt" in page.inner_text("#notes")
    assert "sleutel" not in page.content()


def test_a_page_that_loses_its_gateway_says_so_and_goes_on(
    town: tuple[Town, str], visit: Callable[..., Visit]
) -> None:
    found = guest(town, visit, "")
    page = found.page
    page.goto(town[1] + f"/nl/site/{GARDEN}")
    page.wait_for_selector("#chart canvas")
    page.context.set_offline(True)
    assert page.is_visible("#chart canvas")  # what was drawn stays
    page.evaluate("document.querySelector('#hours').open = true")
    assert page.locator("#hours tbody tr").count() > 3
