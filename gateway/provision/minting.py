"""An identity for a blank board: keys made here, the device registered, configuration and code given out.

The keys are in the answer and in the registry, nowhere else. A board that asks again, because the cable came
out half-way, gets the same DevEUI and place with keys made anew: nobody has heard it with the old ones.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.claims import ClaimBook, ClaimError, grouped
from gateway.errors import RegistryError
from gateway.node_config import keys
from gateway.registry import Registry
from gateway.registry.street import put_row

_MAC = re.compile(r"[0-9a-f]{12}")
_SITE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Blank:
    """A board without an identity, and where it will stand. host: of the broker, for nodes on Wi-Fi."""

    mac: str
    board: str
    kind: str
    transport: str
    site_id: str
    site_name: str
    longitude: float
    latitude: float
    host: str = ""


@dataclass(frozen=True, slots=True)
class Minted:
    """What the board gets (config), what is on its label (tag), and on the card of its host (code)."""

    dev_eui: str
    tag: str
    config: dict[str, Any] = field(repr=False)
    code: str | None = field(default=None, repr=False)


def dev_eui_of(mac: str) -> str:
    """Return the EUI-64 of a MAC address (IEEE, "Guidelines for EUI": FFFE in the middle)."""
    return f"{mac[:6]}fffe{mac[6:]}"


class Mint:
    """Makes identities. trust: keys of config.json for this transport (gateway.provision.trust)."""

    def __init__(
        self,
        registry: Registry,
        claims: ClaimBook,
        trust: Callable[[str], Mapping[str, Any]],
        now_ms: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._claims = claims
        self._trust = trust
        self._now_ms = now_ms

    def mint(self, blank: Blank) -> Minted:
        """Make an identity; RegistryError names what is wrong. Blocks."""
        mac = blank.mac.lower().replace(":", "").replace("-", "")
        if not _MAC.fullmatch(mac):
            raise RegistryError("mac: not 12 hex digits; let the board tell it")
        if not _SITE_ID.fullmatch(blank.site_id):
            raise RegistryError("site_id: give small letters, digits and - . _")
        if blank.transport not in ("lorawan", "mqtt"):
            raise RegistryError("transport: give lorawan or mqtt")
        dev_eui = dev_eui_of(mac)
        if self._claims.claim_of(dev_eui) is not None:
            raise RegistryError("mac: this board belongs to somebody already; it must be handed over first")
        lorawan = blank.transport == "lorawan"
        key = secrets.token_hex(16) if lorawan else secrets.token_urlsafe(18)
        values: dict[str, Any] = {
            "kind": blank.kind,
            "board": blank.board,
            "dev_eui": dev_eui,
            "radio": "lorawan" if lorawan else "none",  # mqtt, once it has been given its Wi-Fi
            **self._trust(blank.transport),
        }
        if lorawan:
            values |= {"join_eui": "0" * 16, "app_key": key}
        else:
            values |= {"mqtt.host": blank.host, "mqtt.password": key}
        for name, value in values.items():
            fault = keys()[name].fault(value)
            if fault is not None:
                raise RegistryError(fault)
        put_row(
            self._registry,
            dev_eui,
            {
                "kind": blank.kind,
                "transport": blank.transport,
                "join_eui": "0" * 16 if lorawan else None,
                "app_key": key if lorawan else None,
                "mqtt_password": None if lorawan else key,
                "site": {
                    "id": blank.site_id,
                    "name": blank.site_name or blank.site_id,
                    "longitude": blank.longitude,
                    "latitude": blank.latitude,
                    "public": False,  # its host says whether
                },
            },
            self._now_ms(),
        )
        try:
            code: str | None = grouped(self._claims.issue(dev_eui, self._now_ms()))
        except ClaimError:
            code = None
        return Minted(dev_eui, self._claims.tag_of(dev_eui), _nested(values), code)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"schema": 1}
    for name, value in values.items():
        place = found
        *parents, last = name.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found
