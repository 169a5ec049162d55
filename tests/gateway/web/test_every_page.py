"""What holds for every page: in its language to the last word, closed tags, nothing inline."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.web.gate import COOKIE
from gateway.web.languages import LOCALES
from tests.gateway.web.conftest import visitor
from tests.gateway.web.every_page import NOT_PAGES, Town
from tests.gateway.web.test_page import Page
from tools import messages

# Words that are the same in another language, or names.
SAME = {"licence", "recent", "minutes", "Question", "Source:", "Type", "moment", "Operator", "Technician"}
ENGLISH = re.compile(r"\b(ago|seconds?|the|value|measured|are|with|and|your|which|not|this)\b")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    made = Town(tmp_path_factory.mktemp("town"))
    yield made
    made.town.close()


def english(language: str) -> set[str]:
    """Message ids that are written otherwise in a language."""
    found: set[str] = set()
    for message in messages.load(language):
        if message.id:
            ids = [message.id] if isinstance(message.id, str) else list(message.id)
            strings = [message.string] if isinstance(message.string, str) else list(message.string)
            found |= {one for one in ids if one not in strings and len(one) > 4 and "%(" not in one}
    return found


def test_every_page_is_in_the_table(town: Town) -> None:
    routes = {
        path.removeprefix("/nl")
        for path, method in town.town.app.state.rules
        if method == "GET" and (path.startswith("/nl/") or path == "/nl")
    }
    assert routes - NOT_PAGES == {one.route for one in town.pages.values()} - {""}


@pytest.mark.parametrize("language", list(LOCALES))
async def test_every_page_speaks_its_language(town: Town, language: str) -> None:
    wrong: list[str] = []
    ids = english(language) if language != "en" else set[str]()
    by_length = re.compile(
        "|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in sorted(ids - SAME, key=len, reverse=True))
        or r"(?!)"
    )
    for name, shown in town.pages.items():
        async with visitor(town.town.app) as client:
            if shown.role:
                client.cookies.set(COOKIE, town.session(shown.role))
            answer = await client.get(shown.address.format(language), follow_redirects=True)
        assert answer.status_code == shown.status, name
        page = Page(answer.text)  # whose tags must close
        # What says of itself that it is English, and mail addresses, are no words of the page.
        text = " ".join(Page(re.sub(r'<(\w+) lang="en">[^<]*</\1>', "", answer.text)).text)
        text = re.sub(r"\S+@example\.org", "", text)
        assert f'<html lang="{language}">' in answer.text, name
        assert answer.text.count("<h1") == 1, name
        assert page.inline == [], name
        assert len(page.ids) == len(set(page.ids)), name
        if language != "en":
            wrong += [f"{name}: {found[0]!r}" for found in by_length.finditer(text)]
            wrong += [f"{name}: …{text[m.start() - 30 : m.end() + 30]}…" for m in ENGLISH.finditer(text)]
    assert not wrong, "\n".join(wrong)
