"""What a recipient may read of the store: one door for the service and for commands beside it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.registry import Registry
from gateway.store import SqlitePublicReader, Store
from gateway.store.assessments import Assessments


def reader_for(
    recipient: str, store: Store, registry: Registry, assessments: Assessments, now_ms: Callable[[], int]
) -> SqlitePublicReader:
    """Return a reader, as the hosts have it on record at each reading, with what the second look says."""
    return SqlitePublicReader(
        store,
        lambda: registry.consenting_sites(recipient, now_ms()),
        lambda: registry.consented_since(recipient, now_ms()),
        assessments.flags,
        lambda site_ids: registry.agreed(recipient, site_ids, now_ms()),
        assessments.sites,
        registry.version,
        assessments.stretches,
        lambda: (registry.next_agreement(recipient, now_ms()) - now_ms()) / 1000,
    )
