"""Registry, claims, store and outlets as the pages for hosts and technicians reach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.claims import ClaimBook, Welcome
from gateway.commissioning import Inspector, RecentUplinks, SiteReports
from gateway.config import Config
from gateway.datadir import DataDirectory
from gateway.health import Incident, IncidentBook, verdict
from gateway.healthfacts import Collector
from gateway.model import PublicReader
from gateway.outlets import outlets
from gateway.places import house_of
from gateway.privacy import erase_site
from gateway.registry import Registry
from gateway.registry.rounds import Rounds
from gateway.registry.siting import SitingBook
from gateway.store import SegmentLog, SqlitePublicReader, Store
from gateway.store.assessments import Assessments
from gateway.web.house import Desk

# Terms that go beyond the licence of a site, as hosts must know them before they agree.
TERMS = {
    "sensor.community": "DbCL 1.0",
    "openSenseMap": "PDDL 1.0",
}


def make_desk(
    config: Config,
    registry: Registry,
    claims: ClaimBook,
    store: Store,
    recent: RecentUplinks,
    reports: SiteReports,
    rounds: Rounds,
    in_log: Callable[[Callable[[SegmentLog], int]], int],
    now_ms: Callable[[], int],
    incidents: IncidentBook,
    collector: Collector,
    siting: SitingBook,
    assessments: Assessments | None = None,
) -> Desk:
    """Return the desk. in_log: runs a function in the thread of the raw log and waits for it.

    assessments: what second looks said, which hosts see of their own values too.
    """

    def reader_of_sites(site_ids: Sequence[str]) -> PublicReader:
        wanted = set(site_ids)
        later = assessments
        return SqlitePublicReader(
            store,
            lambda: [site for site in registry.sites() if site.id in wanted],
            assessed=later.flags if later else None,
            assessed_sites=later.sites if later else None,
            flagged=later.stretches if later else None,
        )

    def heard_ms(dev_eui: str) -> int | None:
        return next((s.received_at_ms for s in store.devices_seen() if s.dev_eui == dev_eui), None)

    def erase(site_id: str) -> int:
        """Blocks; belongs to no thread of the loop."""
        house = house_of(DataDirectory(config.directory), store, registry, in_log, lambda: iter(()))
        return erase_site(house, site_id, now_ms()).records  # the publishers hear of it, and forget it too

    def health(dev_eui: str, now_ms: int) -> Incident | None:
        known = collector.device(dev_eui, now_ms)
        return known and verdict(*known, [entry.incident for entry in incidents.open()])

    names = ["public", *(outlet.recipient for outlet in outlets(config) if outlet.recipient != "public")]
    return Desk(
        registry=registry,
        claims=claims,
        welcome=Welcome(claims, registry, store.latest, heard_ms),
        reader_of_sites=reader_of_sites,
        seen=store.devices_seen,
        recipients={name: TERMS.get(name, "") for name in names},
        inspector=Inspector(registry, store.latest, recent),
        reports=reports,
        erase=erase,
        rounds=rounds,
        incidents=incidents.open,
        health=health,
        siting=siting,
    )
