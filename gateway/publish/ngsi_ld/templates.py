"""Text with holes: what all sites have in common is encoded once, what differs is put in between."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

_encode = msgspec.json.Encoder().encode


class Template:
    """A text in which marks stand for what is filled in. A mark may stand nowhere, or several times."""

    def __init__(self, text: str, marks: Sequence[str]) -> None:
        self._parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", text)
        self._holes = [(at, marks.index(part)) for at, part in enumerate(self._parts) if at % 2]

    def fill(self, *values: str) -> str:
        """Return the text with a value for each mark, in the order of the marks."""
        parts = self._parts.copy()
        for at, which in self._holes:
            parts[at] = values[which]
        return "".join(parts)


class NumberTemplate:
    """A text with n numbers, and behind each the same text (its moment)."""

    def __init__(self, before: Sequence[str], between: str, after: str) -> None:
        """before: what stands before each number; between: before the moment; after: at the end."""
        self._n = len(before)
        self._parts = [piece for one in before for piece in (one, "", between, "")] + [after]

    def fill(self, numbers: Sequence[float], moment: str) -> str:
        """Return the text."""
        n, parts = self._n, self._parts.copy()
        # one call for all numbers: half the time of repr of each, and the same digits
        parts[1::4] = _encode(numbers)[1:-1].decode().split(",")
        parts[3::4] = [moment] * n
        return "".join(parts)


def quoted(text: str) -> str:
    """Return a text as it stands between the quotes of a JSON string."""
    return _encode(text)[1:-1].decode()
