"""The parts of a data directory, for those who hand out or erase: within a gateway, or without one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.errors import StoreError
from gateway.model import Uplink
from gateway.privacy import House
from gateway.publish import FileSideList
from gateway.registry import Registry
from gateway.store import SegmentLog, Store, open_store
from gateway.store.frames import decode_uplink
from gateway.store.segment_erase import erase_frames


def frames_of(log: SegmentLog) -> Iterator[Uplink]:
    """Yield the frames of the raw log that can be read, oldest first."""
    at = 0
    while found := log.read(at):
        for _, body in found:
            with suppress(StoreError):
                yield decode_uplink(body)
        at = found[-1][0]


def house_of(
    directory: DataDirectory,
    store: Store,
    registry: Registry,
    in_log: Callable[[Callable[[SegmentLog], int]], int],
    frames: Callable[[], Iterator[Uplink]],
) -> House:
    """Return the places. in_log: runs a function in the thread of the raw log and waits for it."""
    return House(
        directory.path,
        store,
        registry,
        lambda is_wanted: in_log(partial(erase_frames, is_wanted=is_wanted)),
        frames,
        FileSideList(directory.side).forget_site,
    )


@contextmanager
def locked_house(config: Config, *, with_lock: bool = True) -> Generator[House]:
    """Open the places of a data directory of which no gateway is running; raise StoreError.

    Without a lock a gateway may be running: then there is no raw log.
    """
    directory = DataDirectory(config.directory)
    if with_lock:
        directory.lock()
    try:
        registry = Registry(config.path("data.registry") or directory.path)
        store = open_store(directory.store, config.text("data.postgres"))
        log = SegmentLog(directory.segments, config.whole("data.segment_mib") << 20) if with_lock else None
        try:
            yield house_of(
                directory,
                store,
                registry,
                lambda work: work(log) if log is not None else 0,
                lambda: frames_of(log) if log is not None else iter(()),
            )
        finally:
            if log is not None:
                log.close()
            store.close()
            registry.close()
    finally:
        directory.unlock()
