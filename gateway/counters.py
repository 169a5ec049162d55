"""What went wrong or right, counted by name; each cause is logged once, then only counted.

Names are dotted, `stage.cause` (`lns.mic_mismatch`, `ingest.udp_malformed`): `meetnet status` prints them.
"""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger("meetnet")


class Counters:
    """Counters by name with the first and the last detail of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._details: dict[str, str] = {}

    def count(self, name: str, detail: str = "", n: int = 1) -> None:
        """Add n to a counter. `detail` says what happened, without secrets; the first one is logged."""
        first = name not in self._counts
        self._counts[name] += n
        if detail:
            self._details[name] = detail
            if first:
                logger.warning("%s: %s (further ones are only counted)", name, detail)

    def get(self, name: str) -> int:
        """Return one counter, 0 if it never counted."""
        return self._counts[name]

    def seen(self, name: str) -> tuple[int, str]:
        """Return one counter and its last detail."""
        return self._counts[name], self._details.get(name, "")

    def snapshot(self) -> dict[str, dict[str, int | str]]:
        """Return {name: {count, last}} for the status page and `meetnet status`."""
        return {
            name: {"count": n, "last": self._details.get(name, "")}
            for name, n in sorted(self._counts.items())
        }
