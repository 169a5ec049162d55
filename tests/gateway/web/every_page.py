"""Every page that a person can open, over a real store, as who may see it: for tests that hold for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.commissioning import Scene, SiteReport
from gateway.config_bench import ConfigBench
from gateway.counters import Counters
from gateway.downlinks import Downlinks
from gateway.insight.noise import local
from gateway.office import Office, Stopped
from gateway.outlets import Surroundings
from gateway.publish import FileSideList, Rejection
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import AIR, GARDEN, NOISE, RealTown
from tests.gateway.web.rollouts import bench_of, bundle, updates_of

HOUR_MS = 3_600_000
OTHER_AIR = "proefstraat-05-air"
ROLES = ("host", "technician", "staff", "operator")


@dataclass(frozen=True, slots=True)
class Shown:
    """One page: its route below the language, an address that fits, who looks, what it is waited for."""

    route: str
    address: str
    role: str = ""
    selector: str = "h1"
    status: int = 200


def pages(event: str, key: str, rollout: str) -> Mapping[str, Shown]:
    """Return the pages by name; {} is the language."""
    lesson = f"/{{}}/class?site={GARDEN}&day={local(NOW_MS, ZoneInfo('Europe/Brussels')).date().isoformat()}"
    return {
        "map": Shown("/", "/{}/", selector=".mark .number"),
        "map-index": Shown("/", "/{}/?layer=belaqi", selector="#sites .pill"),
        "map-noise": Shown("/", "/{}/?layer=laeq", selector=".mark .number"),
        "site-noise": Shown("/site/{site_id}", f"/{{}}/site/{NOISE}?span=week", selector="#chart canvas"),
        "site-air": Shown(
            "/site/{site_id}", f"/{{}}/site/{AIR}?with=proefstraat-05-air", selector="#chart canvas"
        ),
        "site-notes": Shown("/site/{site_id}", f"/{{}}/site/{GARDEN}", "host", ".uplot[data-notes='2']"),
        "quality": Shown("/quality", "/{}/quality"),
        "data": Shown("/data", "/{}/data"),
        "class": Shown("/class", lesson + "&when=15&top=9&where=here", selector="#reveal"),
        "worksheet": Shown("/class/worksheet", lesson.replace("class?", "class/worksheet?")),
        "events": Shown("/events", "/{}/events"),
        "events-new": Shown("/events", "/{}/events", "staff", "#regime"),
        "event": Shown("/events/{event_id}", f"/{{}}/events/{event}", selector="#levels .drawing"),
        "event-organiser": Shown(
            "/events/{event_id}", f"/{{}}/events/{event}?key={key}", selector="#levels .drawing"
        ),
        "sign-in": Shown("/sign-in", "/{}/sign-in"),
        "sign-in-link": Shown("/sign-in/{secret}", "/{}/sign-in/x"),
        "claim": Shown("/claim", "/{}/claim"),
        "flash": Shown("/flash", "/{}/flash"),
        "calibration": Shown("/noise-calibration", "/{}/noise-calibration", "technician"),
        "not-there": Shown("", "/{}/nergens", status=404),
        "me": Shown("/me", "/{}/me", "host"),
        "mine": Shown("/mine/{site_id}", f"/{{}}/mine/{GARDEN}", "host"),
        "siting": Shown("/mine/{site_id}/siting", f"/{{}}/mine/{GARDEN}/siting", "host", "#score"),
        "rain-gauge": Shown(
            "/mine/{site_id}/rain-gauge",
            f"/{{}}/mine/{GARDEN}/rain-gauge?since={NOW_MS // 1000 - 3600}",
            "host",
        ),
        "pole-siting": Shown(
            "/fleet/{site_id}/siting", f"/{{}}/fleet/{NOISE}/siting", "technician", "#score"
        ),
        "pole-gauge": Shown("/fleet/{site_id}/rain-gauge", f"/{{}}/fleet/{GARDEN}/rain-gauge", "technician"),
        "origin": Shown("/site/{site_id}/origin", f"/{{}}/site/{AIR}/origin?quantity=pm2_5"),
        "move": Shown("/mine/{site_id}/move", f"/{{}}/mine/{GARDEN}/move", "host"),
        "mine-settings": Shown("/mine/{site_id}/settings", f"/{{}}/mine/{GARDEN}/settings", "host"),
        "mine-list": Shown("/mine", "/{}/mine", "operator"),
        "waste": Shown("/waste", "/{}/waste", "staff"),
        "fleet": Shown("/fleet", "/{}/fleet", "technician"),
        "pole": Shown("/fleet/{site_id}", f"/{{}}/fleet/{GARDEN}", "technician"),
        "visit": Shown(
            "/fleet/{site_id}/report/{key}", f"/{{}}/fleet/{GARDEN}/report/visit-0001", "technician"
        ),
        "pole-settings": Shown("/fleet/{site_id}/settings", f"/{{}}/fleet/{GARDEN}/settings", "technician"),
        "updates": Shown("/updates", "/{}/updates", "technician", "progress"),
        "update": Shown("/updates/{rollout}", f"/{{}}/updates/{rollout}", "technician", "#touched"),
        "bench": Shown("/bench", "/{}/bench", "technician", "[data-step]"),
        "visits": Shown("/commissioning", "/{}/commissioning", "technician", "tbody a"),
        "configuration": Shown("/operator/configuration", "/{}/operator/configuration", "operator"),
        "outlet": Shown("/operator/outlets/{name}", "/{}/operator/outlets/webhook", "operator"),
        "operator": Shown("/operator", "/{}/operator", "operator"),
    }


# What a browser never shows as a page of its own.
NOT_PAGES = {
    "", "/part/sites", "/part/site", "/part/event/{event_id}", "/part/claim", "/part/bench",
    "/mine/{site_id}/postcard.svg",
    "/mine/{site_id}/postcard.pdf",
    "/events/{event_id}/report.pdf",
}  # fmt: skip


class Town:
    """A street with somebody of every role, and an event that runs."""

    def __init__(self, path: Path) -> None:
        self.town = RealTown(path)
        downlinks = Downlinks(lambda dev_eui: "mqtt", lambda dev_eui: None)
        side = FileSideList(path / "side")
        side.add("webhook", [Rejection(self.town.reader.latest()[0], "too much")])
        around = Surroundings(Counters(), path)
        office = Office(Stopped(self.town.config), side, lambda recipient: self.town.reader, around)
        updates = updates_of(self.town, path)
        self.bench = bench_of(path, self.town.device(GARDEN))
        self.town.open(
            ConfigBench(self.town.registry, downlinks, self.town.clock),
            office=office,
            updates=updates,
            bench=self.bench,
        )
        rollout, _ = updates.begin(bundle().data, ["air", "garden", "noise", "bin"], 24, 720)
        self.town.host("host@example.org", GARDEN)
        for role in ROLES[1:]:
            person = self.town.accounts.add(f"{role}@example.org", NOW_MS)
            self.town.accounts.set_roles(person.id, [role])
        limits = (NOW_MS - 3 * HOUR_MS, NOW_MS + 3 * HOUR_MS, "nl_facade", (), [NOISE], True)
        event, key = self.town.events.add("Feest", *limits)
        host = self.town.accounts.find("host@example.org")
        for text, is_public in (("buurman stookt", True), ("sleutel ligt bij An", False)):
            self.town.notes.add(GARDEN, NOW_MS - 3 * HOUR_MS, NOW_MS, text, is_public, host.id, NOW_MS)  # type: ignore[union-attr]
        dev_eui = self.town.device(GARDEN)
        checks = self.town.desk.inspector.inspect(Scene(dev_eui, GARDEN, NOW_MS), NOW_MS).checks
        visit = SiteReport("visit-0001", dev_eui, GARDEN, "An", NOW_MS, False, tuple(checks), note="regen")
        self.town.reports.file(visit)
        self.pages = pages(event.id, key, rollout.id)

    def session(self, role: str) -> str:
        """Return a session of a role."""
        person = self.town.accounts.find(f"{role}@example.org")
        assert person is not None
        return self.town.accounts.open_session(person.id, NOW_MS)
