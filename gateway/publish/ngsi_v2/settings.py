"""What an operator can set of an NGSI-v2 broker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.publish.posting import check_address

_SERVICE = re.compile(r"[a-z0-9_]{0,50}")
_SERVICE_PATH = re.compile(r"(/[A-Za-z0-9_]{1,50}){1,10}|/|")


@dataclass(frozen=True, slots=True)
class NgsiV2Settings:
    """Settings of one broker.

    url: the broker's base, before /v2.
    name: under which position, counters and side list are kept; another broker needs another name.
    service, service_path: Fiware-Service and Fiware-ServicePath, "" leaves the header out.
    token: sent as X-Auth-Token, never logged.
    network: goes into the entities' ids. provider: dataProvider of each entity, "" to leave it out.
    late: what becomes of a value older than one already sent: "aside" keeps it on the side list, because
        the broker would show it as the newest; "send" sends it, for a broker behind which only a history
        by observation time listens.
    noise_average_s: see the NGSI-LD publisher.
    max_entities: at most so many entities in one request. timeout_s: longest wait for an answer.
    """

    url: str
    name: str = "ngsi_v2"
    service: str = ""
    service_path: str = ""
    token: str = field(default="", repr=False)
    network: str = "meetnet"
    provider: str = ""
    late: str = "aside"
    noise_average_s: int = 0
    max_entities: int = 100
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "http://orion:1026")
        if not _SERVICE.fullmatch(self.service):
            raise ConfigError(f"{key}.service", "must be at most 50 of a-z 0-9 _")
        if not _SERVICE_PATH.fullmatch(self.service_path):
            raise ConfigError(
                f"{key}.service_path", "must be like /city/air: at most 10 parts of A-Z a-z 0-9 _"
            )
        if self.late not in ("aside", "send"):
            raise ConfigError(f"{key}.late", 'must be "aside" or "send"')
        if not 1 <= self.max_entities <= 1000:
            raise ConfigError(f"{key}.max_entities", "must be 1 to 1000, for example 100")
        if not 0 <= self.noise_average_s <= 86400:
            raise ConfigError(f"{key}.noise_average_s", "must be 0 to 86400 seconds")
        if not 0.1 <= self.timeout_s <= 600:
            raise ConfigError(f"{key}.timeout_s", "must be 0.1 to 600 seconds, for example 20")
        if not self.network or not all(sign.isalnum() or sign in "-._" for sign in self.network):
            raise ConfigError(f"{key}.network", "must be letters, digits, - . or _")
