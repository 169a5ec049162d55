"""Fetches what is not a Python package: the page's assets and, for the tests, a Chromium.

`python -m tools.setup`. Each part says in one sentence what is missing and how to get it; the tests
that need it then skip with that sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tools import assets, chromium
from tools.npm import NpmError


def main() -> list[str]:
    """Return the sentences of what could not be had; [] when everything is there."""
    missing: list[str] = []
    parts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("the page's assets", lambda: assets.build(_say)),
        ("a Chromium", lambda: chromium.find(_say)),
    )
    for what, make in parts:
        try:
            make()
        except (NpmError, OSError) as error:
            missing.append(f"{what}: {error}")
            _say(missing[-1])
    return missing


def _say(line: str) -> None:
    print(f"set-up: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
