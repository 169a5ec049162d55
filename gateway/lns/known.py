"""The sessions that devices may be in, by address and by device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from .session import Session

_K = TypeVar("_K")


class KnownSessions:
    """In the order in which they were made. A device keeps more than one until it was heard in the newest."""

    def __init__(self, sessions: Iterable[Session] = ()) -> None:
        self._by_address: defaultdict[int, list[Session]] = defaultdict(list)
        self._by_device: defaultdict[str, list[Session]] = defaultdict(list)
        for session in sessions:
            self.add(session)

    def __len__(self) -> int:
        return sum(len(sessions) for sessions in self._by_device.values())

    def is_taken(self, dev_addr: int) -> bool:
        """Tell whether a session has this address."""
        return dev_addr in self._by_address

    def devices_at(self, dev_addr: int) -> list[str]:
        """Return the devices with a session of this address, each once."""
        return list({session.dev_eui: None for session in self._by_address.get(dev_addr, ())})

    def of(self, dev_eui: str) -> list[Session]:
        """Return the sessions of a device, as they are now."""
        return list(self._by_device.get(dev_eui, ()))

    def add(self, session: Session) -> None:
        """Take a session."""
        self._by_address[session.dev_addr].append(session)
        self._by_device[session.dev_eui].append(session)

    def remove(self, session: Session) -> None:
        """Forget a session; one that is not there is forgotten already."""
        _drop(self._by_address, session.dev_addr, session)
        _drop(self._by_device, session.dev_eui, session)


def _drop(index: dict[_K, list[Session]], key: _K, session: Session) -> None:
    sessions = index.get(key, [])
    if session in sessions:
        sessions.remove(session)
    if not sessions:
        index.pop(key, None)
