"""Whether a token is a device's: the slow check once, then by a keyed hash of what was right a moment ago."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

MOST = 20_000


class Registered(Protocol):
    """Who may push (gateway.registry.Registry)."""

    def check_password(self, dev_eui: str, password: str) -> bool:
        """Tell whether a token is right. Takes some 10 ms on purpose."""
        ...


class Tokens:
    """version: what differs when anybody has changed the register; then everybody is checked anew."""

    def __init__(self, registered: Registered, version: Callable[[], Hashable]) -> None:
        self._registered = registered
        self._version = version
        self._seen: Hashable = None
        self._right: OrderedDict[str, bytes] = OrderedDict()
        self._key = os.urandom(32)  # what is remembered is of no use to who reads the memory of another day
        self._busy = asyncio.Semaphore(4)

    def was_right(self, dev_eui: str, token: str) -> bool:
        """Tell whether a token was that of a device when it was last checked, and nothing changed since."""
        version = self._version()
        if version != self._seen:
            self._seen = version
            self._right.clear()
        return hmac.compare_digest(self._right.get(dev_eui, b""), self._mark(dev_eui, token))

    def _mark(self, dev_eui: str, token: str) -> bytes:
        return hmac.digest(self._key, f"{dev_eui} {token}".encode(), hashlib.sha256)

    async def is_right(self, dev_eui: str, token: str) -> bool:
        """Tell whether a token is that of a device."""
        if self.was_right(dev_eui, token):
            return True
        version = self._seen
        async with self._busy:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(None, self._registered.check_password, dev_eui, token)
        if right and self._version() == version:
            self._right[dev_eui] = self._mark(dev_eui, token)
            if len(self._right) > MOST:
                self._right.popitem(last=False)
        return right


def token_in(authorization: str) -> str:
    """Return the token of a header: `Bearer TOKEN`, or the password of `Basic`, as airRohr nodes have it."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
