"""How often somebody may do something: a budget that refills evenly. In memory; nothing is written down."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

MOST_KEYS = 10_000


class SpentError(Exception):
    """The budget is used up. retry_s: when there is a little again."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"again in {retry_s} s")
        self.retry_s = retry_s


def network_of(address: str) -> str:
    """Return what counts as one place that somebody comes from: an address, with IPv6 its /64.

    A household is given a /64 at the least (RFC 6177): whoever counted addresses would give each guesser
    2^64 budgets.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))


class Rates:
    """`most` acts at once for each key, refilled over `window_ms`."""

    def __init__(self, now_ms: Callable[[], int], most: int, window_ms: int) -> None:
        self._now_ms = now_ms
        self._most = most
        self._window_ms = window_ms
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def refuse_if_spent(self, key: str) -> None:
        """Raise SpentError when nothing is left."""
        left = self._now(key)
        if left < 1:
            raise SpentError(1 + int((1 - left) * self._window_ms / self._most / 1000))

    def spend(self, key: str) -> None:
        """Take one; raise SpentError when nothing was left."""
        self.refuse_if_spent(key)
        self._left[key] = (self._now(key) - 1, self._now_ms())
        self._left.move_to_end(key)
        while len(self._left) > MOST_KEYS:  # the ones that were quiet longest have refilled most
            self._left.popitem(last=False)

    def _now(self, key: str) -> float:
        left, at_ms = self._left.get(key, (float(self._most), 0))
        return min(self._most, left + max(0, self._now_ms() - at_ms) * self._most / self._window_ms)
