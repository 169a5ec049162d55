"""What an operator can set of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.config import Config
from gateway.errors import ConfigError

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the page.

    title: name of the network, in the heading.
    owner, contact, legal_basis: for the register of sensors: who runs the network ("" = its title), a mail
        address or https page for questions and complaints, and on what legal basis it measures.
    url: where people find the page ("https://meet.example.org"), for links in mails; "" on this machine only.
    time_zone: IANA name of the zone in which people read times.
    stale_after_s: age from which a value counts as old, by kind of site ("air", "noise", "bin", "garden").
    refresh_s: how often an open page asks for new values.
    tiles_url: address template of map tiles ("https://tiles.example/{z}/{x}/{y}.png"); "" draws local
        outlines only, and the page asks nothing of any other host.
    tiles_attribution: the credit that the tiles' licence asks for; obligatory with tiles_url.
    outlines: GeoJSON file with lines of the neighbourhood, drawn under the sites.
    flasher: folder of firmware that `meetnet flash web` prepared, for the page that writes it to a board.
    documents: further public documents by path ("/contexts/x.jsonld"): (media type, content).
    applications: further ASGI applications by path ("/sta/v1.1"), which get that path and all below it.
    """

    title: str = "Meetnet"
    owner: str = ""
    contact: str = ""
    legal_basis: str = ""
    url: str = ""
    time_zone: str = "Europe/Brussels"
    stale_after_s: Mapping[str, int] = field(
        default_factory=lambda: {"air": 1800, "noise": 1800, "bin": 7200, "garden": 3600}
    )
    refresh_s: int = 10
    tiles_url: str = ""
    tiles_attribution: str = ""
    outlines: Path | None = HERE / "static" / "outlines.geojson"
    flasher: Path | None = None
    documents: Mapping[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    applications: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        if not 1 <= self.refresh_s <= 3600:
            raise ConfigError("web.refresh_s", "must be 1 to 3600 seconds, for example 10")
        for kind, seconds in self.stale_after_s.items():
            if seconds <= 0:
                raise ConfigError(f"web.stale_after_s.{kind}", "must be above 0 seconds, for example 1800")
        if self.contact and not re.fullmatch(r"[^\s@<>\"]+@[^\s@<>\"]+|https://[^\s<>\"]+", self.contact):
            raise ConfigError(
                "web.contact", "must be a mail address or a page like https://example.org/vraag"
            )
        if self.url and (not self.url.startswith(("http://", "https://")) or "?" in self.url):
            raise ConfigError("web.url", "must be an address like https://meet.example.org, or empty")
        if not self.tiles_url:
            return
        parts = urlsplit(self.tiles_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "{z}" not in self.tiles_url:
            raise ConfigError(
                "web.tiles_url", "must be an address like https://host/{z}/{x}/{y}.png, or empty"
            )
        if any(sign in parts.netloc for sign in " ;,'\"{}"):
            raise ConfigError("web.tiles_url", "the host may hold no {s} or other sign: name one host")
        if not self.tiles_attribution:
            raise ConfigError("web.tiles_attribution", "tiles need the credit that their licence asks for")

    @property
    def tiles_origin(self) -> str:
        """Return the scheme and host of the tiles for the content security policy, "" without tiles."""
        parts = urlsplit(self.tiles_url)
        return f"{parts.scheme}://{parts.netloc}" if self.tiles_url else ""

    def stale_ms(self, kind: str) -> int:
        """Return the age in milliseconds from which a value of this kind of site counts as old."""
        return self.stale_after_s.get(kind, 3600) * 1000


def page_settings(config: Config) -> WebSettings:
    """Return the page's settings, without what other rooms put beside it; ConfigError names the key."""
    scheme = "https" if config.text("web.tls_certificate") else "http"
    return WebSettings(
        title=config.text("web.title"),
        owner=config.text("web.owner"),
        contact=config.text("web.contact"),
        legal_basis=config.text("web.legal_basis"),
        url=config.text("web.url") or f"{scheme}://localhost:{config.whole('web.port')}",
        time_zone=config.text("web.time_zone"),
        refresh_s=config.whole("web.refresh_s"),
        tiles_url=config.text("web.tiles_url"),
        tiles_attribution=config.text("web.tiles_attribution"),
        outlines=config.path("web.outlines"),
        flasher=config.path("web.flasher"),
    )
