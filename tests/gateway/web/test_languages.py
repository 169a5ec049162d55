"""Catalogues are complete, and no English stands on a Dutch page."""

from __future__ import annotations

import io
import re

import httpx
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from gateway.web.freshness import judge
from gateway.web.languages import CATALOGUES, tongues
from gateway.web.words import FLAGS, QUANTITIES, STATES
from tests.gateway.memory_reader import MINUTE_MS, NOW_MS, MemoryReader
from tests.gateway.web.test_page import Page
from tools import messages
from wire import record
from wire.measurements import MEASUREMENTS


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_catalogue_has_every_message_translated_with_the_same_places(language: str) -> None:
    assert messages.problems(language) == []


def test_no_line_of_french_begins_with_a_sign() -> None:
    """Before ; : ? ! and inside « » French puts a space at which no line breaks (Imprimerie nationale)."""
    catalogue = (CATALOGUES / "fr.po").read_text(encoding="utf-8")
    for message in read_po(io.StringIO(catalogue), locale="fr"):
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in texts:
            assert not re.search(r" [;:?!»](?!\w)|« ", text), text


def test_the_check_of_catalogues_is_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, broken = Catalog(), Catalog(locale="nl")
    for message in ("one", "two %(a)s", "three", "five %(b)s"):
        wanted.add(message)
    broken.add("one", "een")
    broken.add("two %(a)s", "twee %(adres)s")
    broken.add("four", "vier")
    broken.add("five %(b)s", "")
    monkeypatch.setattr(messages, "collect", lambda web: wanted)
    monkeypatch.setattr(messages, "load", lambda language, web: broken)
    found = "\n".join(messages.problems("nl"))
    assert "missing three" in found
    assert "other placeholders" in found
    assert "no longer used four" in found
    assert "untranslated five" in found


@pytest.mark.parametrize(
    "path",
    [
        "/{}/",
        "/{}/?site=lucht-2",
        "/{}/?site=tuin-1",
        "/{}/?site=tuin-2",
        "/{}/?site=x",
        "/{}/?layer=belaqi",
        "/{}/?layer=laeq&back=3",
        "/{}/?layer=filling_level",
        "/{}/site/geluid-1",
        "/{}/site/lucht-1?span=year",
        "/{}/site/tuin-1",
        "/{}/site/weg",
        "/{}/quality",
        "/{}/sign-in",
    ],
)
@pytest.mark.parametrize("language", ["nl", "fr"])
async def test_no_english_message_stands_on_the_page(
    client: httpx.AsyncClient, path: str, language: str
) -> None:
    english = {
        part
        for message in messages.load(language)
        for pair in [(message.id, message.string)]
        if message.id and pair[0] != pair[1]
        for part in ([message.id] if isinstance(message.id, str) else message.id)
        if len(part) > 4 and "%(" not in part
    }
    text = " ".join(Page((await client.get(path.format(language))).text).text)
    assert {part for part in english if re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text)} <= {
        "recent",
        "licence",
    }
    assert not re.search(r"\b(ago|seconds?|the|value|measured)\b", text)


def test_every_measurement_and_state_has_words() -> None:
    assert {row[1] for row in MEASUREMENTS} <= set(QUANTITIES)
    assert set(record.STATE_NAMES.values()) - {"ok"} <= set(STATES)


def test_every_check_and_derived_quantity_of_the_gateway_has_words() -> None:
    from gateway.quality import table

    assert {check.name for check in table.CHECKS} <= set(FLAGS)
    assert {method.quantity for method in table.METHODS} <= set(QUANTITIES)


@pytest.mark.parametrize(
    ("ms", "nl", "fr", "en"),
    [
        (0, "zojuist", "à l'instant", "just now"),
        (9_999, "zojuist", "à l'instant", "just now"),
        (10_000, "10 seconden geleden", "il y a 10 secondes", "10 seconds ago"),
        (59_999, "59 seconden geleden", "il y a 59 secondes", "59 seconds ago"),
        (60_000, "1 minuut geleden", "il y a 1 minute", "1 minute ago"),
        (3_600_000, "1 uur geleden", "il y a 1 heure", "1 hour ago"),
        (172_800_000, "2 dagen geleden", "il y a 2 jours", "2 days ago"),
        (-5_000, "zojuist", "à l'instant", "just now"),
    ],
)
def test_ages(ms: int, nl: str, fr: str, en: str) -> None:
    found = tongues("Europe/Brussels")
    assert [found[language].age(ms) for language in ("nl", "fr", "en")] == [nl, fr, en]


@pytest.mark.parametrize(
    ("row", "age_ms", "grade"),
    [
        ({}, 0, "fresh"),
        ({}, 30 * MINUTE_MS, "fresh"),
        ({}, 30 * MINUTE_MS + 1, "stale"),
        ({"state": "below_floor"}, 0, "fresh"),
        ({"state": "overload"}, 0, "suspect"),
        ({"flags": ("stuck",)}, 0, "suspect"),
        ({"flags": ("stuck",)}, 10**9, "suspect"),
        ({"value": None, "state": "timeout", "flags": ("range",)}, 10**9, "missing"),
        ({}, -61_000, "suspect"),
        ({}, -59_000, "fresh"),
    ],
)
def test_the_worst_verdict_counts(row: dict[str, object], age_ms: int, grade: str) -> None:
    reader = MemoryReader()
    value = row.pop("value", 1.0)
    found = reader.add("x", "pm10", "ug/m3", value, NOW_MS - age_ms, **row)  # type: ignore[arg-type]
    assert judge(found, NOW_MS, 30 * MINUTE_MS).grade == grade
