"""What is said of microphones on the page of a noise site and to technicians."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.insight.microphone import DAY_MS, HOUR_MS
from gateway.web.languages import LOCALES, tongues
from gateway.web.microphones import WORDS, MicrophoneBook, told
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from tests.gateway.web.real_town import NOISE, RealTown


async def test_the_site_page_and_the_fleet_say_how_a_microphone_does(tmp_path: Path) -> None:
    town = RealTown(tmp_path, sites=2, days=9)
    async with town.staff("technician") as client:
        page = (await client.get(f"/nl/site/{NOISE}")).text
        assert 'id="microphone" data-verdict="good"' in page
        assert "microfoon in orde" in page
        fleet = (await client.get("/nl/fleet")).text
        assert re.search(
            rf'data-verdict="good".*/nl/fleet/{NOISE}".*microfoon in orde.*class="n">\d+,\d<', fleet
        )
    async with town.client() as guest:
        town.registry.withdraw(NOISE, "public", NOW_MS)
        assert (await guest.get(f"/nl/site/{NOISE}")).status_code == 404
    async with town.client("technician@example.org") as client:
        assert "microfoon in orde" in (await client.get("/nl/fleet")).text  # who mends it sees it still
    town.close()


def noisy(flags: tuple[str, ...] = ()) -> MemoryReader:
    """A noise site at 52 dB for eight days, of which checks may have doubted the last two."""
    reader = MemoryReader()
    reader.add_site("n1", "noise")
    for n in range(8 * 24):
        at_ms = NOW_MS - n * HOUR_MS - 60_000
        reader.add("n1", "laeq", "dB(A)", 52.0 + n % 3 / 2, at_ms, flags=flags if n < 48 else ())
    return reader


@pytest.mark.parametrize(("flags", "code"), [((), "flat"), (("stuck",), "doubted")])
def test_stuck_levels_are_bad_whether_checks_saw_them_or_not(flags: tuple[str, ...], code: str) -> None:
    tongue = tongues("Europe/Brussels")["nl"]
    found = MicrophoneBook(tongue.zone).judgements(noisy(flags), NOW_MS)["n1"]
    assert found.verdict == "bad"
    assert code in [one.code for one in found.findings]
    shown = told(found, tongue)
    assert shown["grade"] == "missing"
    assert not any("%(" in sentence for sentence in shown["sentences"])


def test_a_judgement_holds_for_an_hour_and_for_the_sites_that_are_public() -> None:
    book, reader = MicrophoneBook(tongues("Europe/Brussels")["nl"].zone), noisy()
    first = book.judgements(reader, NOW_MS)
    assert book.judgements(reader, NOW_MS + 60_000) is first
    assert book.judgements(reader, NOW_MS + HOUR_MS) is not first
    reader.registered.clear()
    assert book.judgements(reader, NOW_MS + HOUR_MS) == {}
    assert book.judgements(MemoryReader(), NOW_MS + DAY_MS) == {}


def test_every_sentence_is_said_in_every_language() -> None:
    for language in set(LOCALES) - {"en"}:
        tongue = tongues("Europe/Brussels")[language]
        assert all(tongue.gettext(words) != words for words in WORDS.values())
