"""Fetches what is not a Python package: the page's assets and, for the tests, a Chromium.

`python -m tools.setup`. Each part says in one sentence what is missing and how to get it; the tests
that need it then skip with that sentence.
"""

from __future__ import annotations

import sys


def main(_arguments: list[str]) -> list[str]:
    """Return the sentences of what could not be had; [] when everything is there."""
    from tools import assets, chromium

    missing: list[str] = []
    for what, make in (("the page's assets", assets.ensure), ("a Chromium", chromium.ensure)):
        try:
            make()
        except Exception as error:  # any fault of a fetch becomes a sentence; the tests decide
            missing.append(f"{what}: {error}")
    return missing


if __name__ == "__main__":
    sys.exit(1 if main([]) else 0)
