"""Application downlinks that wait for their device to speak: durable, in order, one at a time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from gateway.errors import RegistryError

from . import store
from .session import QueuedDownlink
from .settings import LnsSettings

MAX_APPLICATION_PORT = 223  # 224 is for certification, above is reserved
MAX_PAYLOAD = 242


class DownlinkQueues:
    """One queue a device."""

    def __init__(
        self,
        session_store: store.SessionStore,
        count: Callable[..., None],
        settings: LnsSettings,
        waiting: Iterable[QueuedDownlink],
        last_id: int,
    ) -> None:
        """waiting, last_id: as they were durable at the last start."""
        self._store, self._count, self._settings, self._last_id = session_store, count, settings, last_id
        self._of: defaultdict[str, deque[QueuedDownlink]] = defaultdict(deque)
        for item in waiting:
            self._of[item.dev_eui].append(item)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._of.values())

    def waiting(self, dev_eui: str) -> int:
        """Return how many wait for a device."""
        return len(self._of.get(dev_eui, ()))

    async def put(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool) -> int:
        """Queue a downlink; durable on return. Returns its id; RegistryError when it cannot be."""
        if not 1 <= f_port <= MAX_APPLICATION_PORT:
            raise RegistryError(f"f_port {f_port} is outside 1..{MAX_APPLICATION_PORT}")
        if not 0 < len(payload) <= MAX_PAYLOAD:
            raise RegistryError(f"payload of {len(payload)} bytes: send 1..{MAX_PAYLOAD}")
        queue = self._of[dev_eui]
        if len(queue) >= self._settings.queue_length:
            raise RegistryError(f"{len(queue)} downlinks already wait for {dev_eui}: let it speak first")
        self._last_id += 1
        item = QueuedDownlink(self._last_id, dev_eui, f_port, bytes(payload), confirmed)
        await self._store.commit(store.insert_downlink(item))
        queue.append(item)
        return item.id

    def next(self, dev_eui: str, room: Callable[[], int]) -> QueuedDownlink | None:
        """Return what goes out next, None when nothing waits or it is longer than room() in bytes."""
        queue = self._of.get(dev_eui)
        if not queue:
            return None
        if len(queue[0].payload) > room():
            self._count(
                "lns.downlink_too_long", f"{dev_eui}: downlink {queue[0].id} waits for a faster data rate"
            )
            return None
        return queue[0]

    def sent(self, item: QueuedDownlink) -> None:
        """Note that a downlink went out: a confirmed one waits for its acknowledgement."""
        if item.confirmed:
            item.attempts, item.awaiting = item.attempts + 1, True
            self._store.later(store.update_downlink(item))
            return
        self._of[item.dev_eui].popleft()
        self._store.later(store.delete_downlink(item.id))

    def heard(self, dev_eui: str, ack: bool) -> None:
        """Settle a confirmed downlink: the uplink after it is the device's one chance to acknowledge it.

        Without it the downlink goes out again under a new counter, up to `confirmed_attempts` times. So a
        device whose acknowledgement got lost may be given the payload twice; none is lost unseen.
        """
        queue = self._of.get(dev_eui)
        if not queue or not queue[0].awaiting:
            return
        item = queue[0]
        item.awaiting = False
        if ack:
            self._count("lns.downlinks_acknowledged")
        else:
            self._count("lns.downlinks_unacknowledged", f"{dev_eui}: downlink {item.id}")
            if item.attempts < self._settings.confirmed_attempts:
                return
            self._count(
                "lns.downlinks_given_up", f"{dev_eui}: downlink {item.id} after {item.attempts} attempts"
            )
        queue.popleft()
        self._store.later(store.delete_downlink(item.id))
