"""Parts of pages that move slowly, kept for a while: heat of the year, rain of a month, weeks of noise.

What was read of a register that has changed since is not given again: somebody who withdrew is in nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from gateway.web.now import Version

T = TypeVar("T")
MOST = 4_000


class Kept:
    """Safe to call from several threads. version None: nothing is kept."""

    def __init__(self, version: Callable[[], Version] | None, most: int = MOST) -> None:
        self._version, self._most = version, most
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, Hashable, Any]] = OrderedDict()

    def get(self, key: Hashable, holds_s: float, make: Callable[[], T]) -> T:
        """Return what was made for a key at most so long ago, or make it."""
        if self._version is None:
            return make()
        register, now_s = self._version()[0], time.monotonic()
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[0] > now_s and known[1] == register:
                self._known.move_to_end(key)
                return known[2]
        made = make()
        with self._lock:
            self._known[key] = (now_s + holds_s, register, made)
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return made
