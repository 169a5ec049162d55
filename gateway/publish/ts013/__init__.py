"""TS013: the payload codec for network servers of others, served with the open data."""

from __future__ import annotations

from pathlib import Path

ADDRESS = "/codec/meetnet-ts013.js"
_FILE = Path(__file__).with_name("meetnet-ts013.js")


def codec_documents() -> dict[str, tuple[str, bytes]]:
    """Return the codec by its path on the page: (media type, content)."""
    return {ADDRESS: ("text/javascript; charset=utf-8", _FILE.read_bytes())}
