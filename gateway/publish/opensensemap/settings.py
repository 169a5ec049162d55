"""What an operator can set of openSenseMap."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.publish.posting import check_address, check_between

_ID = re.compile(r"[0-9a-z]{24,25}")


@dataclass(frozen=True, slots=True)
class Box:
    """A senseBox: its id, its sensors' ids by quantity, its access token."""

    id: str
    sensors: Mapping[str, str]
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OpenSenseMapSettings:
    """Settings of openSenseMap. boxes: by site id. min_interval_s: rest between two requests."""

    boxes: Mapping[str, Box]
    name: str = "opensensemap"
    url: str = "https://ingress.opensensemap.org"
    max_rows: int = 2500
    min_interval_s: float = 1.0
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "https://ingress.opensensemap.org")
        check_between(f"{key}.max_rows", self.max_rows, 1, 2500, "2500")
        check_between(f"{key}.min_interval_s", self.min_interval_s, 0, 3600, "1")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "30")
        for site, box in self.boxes.items():
            for name, value in (("id", box.id), *((f"sensors.{q}", one) for q, one in box.sensors.items())):
                if not _ID.fullmatch(value):
                    raise ConfigError(f"{key}.boxes.{site}.{name}", "must be an id of 24 characters")
