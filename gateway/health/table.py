"""Every cause that people are told of: sentences.toml, read. The order is that of weight."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANGUAGES = ("nl", "fr", "en")
HOST, TEAM = "host", "team"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause. code: what a node says of it, None when only the gateway can see it.

    mends: host or operator. grade: how a page shows it (fresh, stale, suspect, missing). urgent: told at
    night too. alert: whether anybody is called for it. words: by audience and language, what is wrong and
    the next step; the audiences are those that hear of it.
    """

    name: str
    code: int | None
    mends: str
    grade: str
    urgent: bool
    alert: bool
    words: Mapping[str, Mapping[str, tuple[str, str]]]


def _cause(name: str, row: Mapping[str, Any]) -> Cause:
    words = {
        audience: {language: (texts[language][0], texts[language][1]) for language in LANGUAGES}
        for audience in (HOST, TEAM)
        if (texts := row.get(audience)) is not None
    }
    return Cause(
        name,
        row.get("code"),
        row["mends"],
        row["grade"],
        row.get("urgent", False),
        row.get("alert", True),
        words,
    )


CAUSES: Mapping[str, Cause] = {
    name: _cause(name, row)
    for name, row in tomllib.loads(
        Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8")
    ).items()
}
ORDER: Mapping[str, int] = {name: number for number, name in enumerate(CAUSES)}
