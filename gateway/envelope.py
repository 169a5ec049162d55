"""A frame with what its network server decoded of it: how both go to the log, so that either can be used.

The raw bytes stay, so that a table of ours can read the same frames again later.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

_MARK = b'{"frm_payload":'
_Answer = msgspec.Raw | dict[str, Any] | list[Any] | None


class Envelope(msgspec.Struct):
    """The frame's bytes, what the network server's own decoder made of them, a key to know it again by."""

    frm_payload: bytes
    decoded: Any = None
    key: str = ""


def wrapped(frm_payload: bytes, decoded: _Answer, key: str = "") -> bytes:
    """Return all in one payload."""
    found = {"frm_payload": base64.b64encode(frm_payload).decode(), "decoded": decoded}
    return msgspec.json.encode({**found, "key": key} if key else found)


def opened(payload: bytes) -> Envelope | None:
    """Return what an envelope holds, None for a payload that is in none; raise ValueError for a torn one."""
    if not payload.startswith(_MARK):
        return None
    try:
        return msgspec.json.decode(payload, type=Envelope)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"has an envelope that cannot be read: {error}") from None
