"""Segment log of raw frames, and the observations that follow from it."""

from gateway.store.changes import Changes
from gateway.store.durable import DurableLog
from gateway.store.public import SqlitePublicReader, snapped
from gateway.store.segments import SegmentLog
from gateway.store.sqlite import DeadLetter, Outcome, SqliteStore, fingerprint

__all__ = (
    "Changes",
    "DeadLetter",
    "DurableLog",
    "Outcome",
    "SegmentLog",
    "SqlitePublicReader",
    "SqliteStore",
    "fingerprint",
    "snapped",
)
