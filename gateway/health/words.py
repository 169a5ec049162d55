"""What people read of an incident: what is wrong, and one next step. Dutch, French, English; no code words.

The sentences are in sentences.toml, with places as str.format has them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gateway.health.causes import Incident

LANGUAGES = ("nl", "fr", "en")
SENTENCES = cast(
    "Mapping[str, Mapping[str, list[str]]]",
    tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8")),
)
_FRAMES: Mapping[str, Mapping[str, str]] = {
    "nl": {"again": "Nog steeds: ", "over": "Voorbij: ", "sites": "Het gaat om: ", "more": " en nog {n}"},
    "fr": {
        "again": "Toujours : ",
        "over": "Terminé : ",
        "sites": "Il s'agit de : ",
        "more": " et {n} autres",
    },
    "en": {"again": "Still: ", "over": "Over: ", "sites": "It is about: ", "more": " and {n} more"},
}
_MOST_NAMES = 12


def told(incident: Incident, language: str) -> tuple[str, str]:
    """Return what is wrong and the next step, in a language."""
    what, step = SENTENCES[incident.cause][language]
    places: dict[str, Any] = {"subject": incident.subject, "devices": len(incident.devices)}
    places |= incident.figures or {}
    return what.format(**places), step.format(**places)


def message(
    incident: Incident, names: Sequence[str], language: str, *, again: bool = False, over: bool = False
) -> tuple[str, str]:
    """Return subject and text of a message. names: the sites that a wide cause silences."""
    frame = _FRAMES[language]
    what, step = told(incident, language)
    head = (frame["over"] if over else frame["again"] if again else "") + what
    lines = [head] if over else [head, "", step]
    if len(names) > 1:
        more = len(names) - _MOST_NAMES
        rest = frame["more"].format(n=more) if more > 0 else ""
        lines += ["", frame["sites"] + ", ".join(names[:_MOST_NAMES]) + rest + "."]
    return head, "\n".join(lines) + "\n"
