"""What people read of an incident, in Dutch, French, English: what is wrong, and one next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.health.rules import Incident
from gateway.health.table import CAUSES, HOST, LANGUAGES, TEAM

__all__ = ("HOST", "LANGUAGES", "TEAM", "message", "told")
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


class _Places(dict[str, Any]):
    """Figures of an incident; one that an older version did not keep is unknown."""

    def __missing__(self, key: str) -> str:
        return "?"


def told(incident: Incident, language: str, audience: str = TEAM) -> tuple[str, str]:
    """Return what is wrong and the next step, in a language, for whoever hosts it or those who keep it."""
    cause = CAUSES.get(incident.cause)
    if cause is None:  # on record from a version that had other names
        return f"{incident.cause}: {incident.subject}", ""
    places = _Places(incident.figures or {}, subject=incident.subject, devices=len(incident.devices))
    found = cause.words.get(audience)
    if found is not None:
        what, step = found[language]
        return what.format_map(places), step.format_map(places)
    what, step = next(iter(cause.words.values()))[language]
    return f"{incident.subject}: {what}".format_map(places), step.format_map(places)


def message(
    incident: Incident, names: Sequence[str], language: str, *, again: bool = False, over: bool = False
) -> tuple[str, str]:
    """Return subject and text of a message. names: the sites that a wide cause silences."""
    frame = _FRAMES[language]
    what, step = told(incident, language)
    head = (frame["over"] if over else frame["again"] if again else "") + what
    lines = [head] if over or not step else [head, "", step]
    if len(names) > 1:
        more = len(names) - _MOST_NAMES
        rest = frame["more"].format(n=more) if more > 0 else ""
        lines += ["", frame["sites"] + ", ".join(names[:_MOST_NAMES]) + rest + "."]
    return head, "\n".join(lines) + "\n"
