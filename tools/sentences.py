"""Writes firmware/wire/sentences.py, the node's copy of gateway/health/sentences.toml.

A node says on its own page what is wrong in the words of the gateway's pages: of the causes that have a
code, the sentences for the host. `python -m tools.sentences` writes, `--check` only compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gateway.health.table import CAUSES, HOST, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "firmware" / "wire" / "sentences.py"
HEAD = '''"""What a node says of what is wrong: code, name, Dutch, French, English.

Written by tools/sentences.py from gateway/health/sentences.toml: change that one.
"""

ROWS = (
'''


def text() -> str:
    """Return the file's text."""
    rows: list[tuple[int, str]] = []
    for cause in CAUSES.values():
        if cause.code is None:
            continue
        words = [" ".join(filter(None, cause.words[HOST][language])) for language in LANGUAGES]
        fields = ", ".join(json.dumps(field, ensure_ascii=False) for field in (cause.name, *words))
        rows.append((cause.code, f"    ({cause.code}, {fields}),  # noqa: E501\n"))
    return HEAD + "".join(line for _, line in sorted(rows)) + ")  # fmt: skip\n"


def main() -> int:
    """Write, or compare."""
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text() else 1
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
