"""Where gateways pulled from last, and what they answer from there.

Nothing is authenticated, so anybody may pull in the name of a gateway. A downlink goes to each host that did
so lately: a stranger hears what is on the air anyway, and takes nothing away.
"""

from __future__ import annotations

import asyncio
from typing import Any

Address = tuple[Any, ...]

FRESH_MS = 60_000  # forwarders pull every 5 to 30 s (keepalive_interval)
MOST_HOSTS = 4


class Pulls:
    """The addresses of each gateway, the latest of each host."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Any, tuple[Address, int]]] = {}

    def note(self, gateway_id: str, address: Address, now_ms: int) -> None:
        """Take a PULL_DATA; of too many hosts at once, those who came first stay."""
        found = self._known.get(gateway_id, {})
        known = {host: one for host, one in found.items() if now_ms - one[1] < FRESH_MS}
        if address[0] in known or len(known) < MOST_HOSTS:
            known[address[0]] = (address, now_ms)
        self._known[gateway_id] = known

    def forget(self, gateway_id: str) -> None:
        """Forget a gateway."""
        self._known.pop(gateway_id, None)

    def known(self, gateway_id: str) -> bool:
        """Tell whether a gateway has ever pulled."""
        return gateway_id in self._known

    def addresses(self, gateway_id: str, now_ms: int) -> list[Address]:
        """Return where to send a downlink: each host that is fresh, else the one that was last."""
        known = sorted(self._known.get(gateway_id, {}).values(), key=lambda one: one[1])
        return [one[0] for one in known if now_ms - one[1] < FRESH_MS] or [one[0] for one in known[-1:]]


class Answer:
    """What became of one downlink: success as soon as one host says so, an error once all have said one."""

    def __init__(self, hosts: set[Any]) -> None:
        self._hosts = hosts
        self.told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def take(self, host: Any, error: str | None) -> bool:
        """Take what a host answers; False when it was not asked, or is late."""
        if host not in self._hosts or self.told.done():
            return False
        self._hosts.discard(host)
        if error is None or not self._hosts:
            self.told.set_result(error)
        return True
