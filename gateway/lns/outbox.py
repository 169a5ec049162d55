"""Uplinks between the counter that is durable here and the sink that has them durable there.

The counter is committed together with the uplink itself, so a frame is neither accepted twice from
the air nor lost when the gateway dies or the sink refuses: what stays here is handed over again.
"""

from __future__ import annotations

import asyncio

from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.model import Uplink, UplinkSink

from .store import SessionStore, UplinkKey, delete_undelivered

_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0


class Outbox:
    """Uplinks that the sink has not confirmed yet."""

    def __init__(
        self, sink: UplinkSink, store: SessionStore, counters: Counters, left: dict[UplinkKey, Uplink]
    ) -> None:
        self._sink = sink
        self._store = store
        self._counters = counters
        self._left = dict(left)
        self._under_way: set[UplinkKey] = set()
        self._retry: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._left)

    def __contains__(self, key: UplinkKey) -> bool:
        return key in self._left

    async def deliver(self, key: UplinkKey, uplink: Uplink) -> bool:
        """Hand over; True when the sink has it durable. Otherwise it is kept and tried again."""
        self._left[key] = uplink
        if await self._try(key, uplink):
            return True
        self.retry()
        return False

    def retry(self) -> None:
        """Keep trying what is left, in a task."""
        if self._left and self._retry is None:
            self._retry = asyncio.get_running_loop().create_task(self._keep_trying())

    async def close(self) -> None:
        """Stop trying; what is left is durable and tried at the next start."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)

    async def _try(self, key: UplinkKey, uplink: Uplink) -> bool:
        self._under_way.add(key)
        try:
            await self._sink.accept(uplink)
        except StoreError as error:
            self._counters.count("lns.sink_refused", str(error))
            return False
        except IngestError as error:
            # It can never be stored: keeping it would hold up nothing but the retries.
            self._counters.count(error.cause, f"{uplink.dev_eui}: {error}")
            self._forget(key)
            return False
        finally:
            self._under_way.discard(key)
        self._forget(key)
        return True

    def _forget(self, key: UplinkKey) -> None:
        self._left.pop(key, None)
        self._store.later(delete_undelivered(key))

    async def _keep_trying(self) -> None:
        pause_s = _FIRST_RETRY_S
        try:
            while True:
                for key, uplink in list(self._left.items()):
                    if key in self._under_way or key not in self._left:
                        continue
                    if not await self._try(key, uplink) and key in self._left:
                        break
                    pause_s = _FIRST_RETRY_S
                if not self._left:
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
        finally:
            self._retry = None
