"""Bring the page's catalogues up to date with its code: `python -m tools.messages [--check]`.

Collects every message of `gateway/web` (Python and templates) and merges it into `locale/<language>.po`:
new ones appear untranslated, vanished ones are dropped. With --check nothing is written and the exit code
says whether all catalogues are complete. The tests call `problems` too.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

WEB = Path(__file__).resolve().parent.parent / "gateway" / "web"
LANGUAGES = ("nl", "fr")  # English is the language of the message ids
KEYWORDS = {"N_": None, "gettext": None, "ngettext": (1, 2)}
PLACE = re.compile(r"%\((\w+)\)[sd]")


def collect(web: Path = WEB) -> Catalog:
    """Return all messages of the page's code."""
    found = Catalog()
    methods = [("**/node_modules/**", "ignore"), ("**.py", "python"), ("templates/**.html", "jinja2")]
    options = {"templates/**.html": {"trimmed": "true", "silent": "false"}}
    for name, _, message, _, _ in extract_from_dir(web, methods, options, keywords=KEYWORDS):
        found.add(message, locations=[(name, 1)])
    return found


def load(language: str, web: Path = WEB) -> Catalog:
    """Return a language's catalogue as it is in the tree."""
    with (web / "locale" / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def problems(language: str, web: Path = WEB) -> list[str]:
    """Return what is wrong with a catalogue, one sentence each."""
    wanted = {_forms(message) for message in collect(web) if message.id}
    has = {_forms(message): message for message in load(language, web) if message.id}
    found = [f"{language}: missing {forms[0]}" for forms in wanted - has.keys()]
    found += [f"{language}: no longer used {forms[0]}" for forms in has.keys() - wanted]
    for forms, message in has.items():
        strings = _strings(message)
        if not all(strings) or message.fuzzy:
            found.append(f"{language}: untranslated {forms[0]}")
            continue
        for string in strings:
            if set(PLACE.findall(string)) != set(PLACE.findall(forms[-1])):
                found.append(f"{language}: other placeholders in {string!r} than in {forms[0]!r}")
            elif PLACE.sub("", string).count("%") != PLACE.sub("", forms[-1]).count("%"):
                found.append(f"{language}: other percent signs in {string!r} than in {forms[0]!r}")
    return sorted(found)


def update(language: str, web: Path = WEB) -> None:
    """Merge new messages into a catalogue."""
    path = web / "locale" / f"{language}.po"
    catalogue = load(language, web) if path.exists() else Catalog(locale=language)
    catalogue.update(collect(web), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    text = io.BytesIO()
    write_po(text, catalogue, width=110, omit_header=False, sort_output=True, no_location=True)
    lines = [line for line in text.getvalue().decode().splitlines() if not _is_noise(line)]
    path.write_text("\n".join(lines).strip() + "\n", "utf-8")


def _forms(message: Message) -> tuple[str, ...]:
    """Return the message id as singular and plural, or alone."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _strings(message: Message) -> list[str]:
    strings = message.string if isinstance(message.string, list | tuple) else [message.string]
    return [string or "" for string in strings]


def _is_noise(line: str) -> bool:
    return line.startswith(
        ("#", '"POT-Creation', '"PO-Revision', '"Last-Translator', '"Language-Team', '"Generated-By',
         '"Report-Msgid', '"Project-Id')
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    if "--check" not in arguments:
        for language in LANGUAGES:
            update(language)
    found = [line for language in LANGUAGES for line in problems(language)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
