"""Segment log of raw frames, and the observations that follow from it."""

from gateway.store.changes import Changes
from gateway.store.choice import open_store
from gateway.store.durable import DurableLog
from gateway.store.public import SqlitePublicReader, snapped
from gateway.store.segments import SegmentLog
from gateway.store.sqlite import SqliteStore
from gateway.store.store import Store
from gateway.store.writing import DeadLetter, Outcome

__all__ = (
    "Changes",
    "DeadLetter",
    "DurableLog",
    "Outcome",
    "SegmentLog",
    "SqlitePublicReader",
    "SqliteStore",
    "Store",
    "open_store",
    "snapped",
)
