"""What an operator can set of the event stream."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LdesSettings:
    """Settings of the event stream.

    base_url: the address under which the world sees this gateway, "https://meetnet.example"; ""
        takes web.url, or that of each request. It is part of every identifier: set it early.
    enabled: whether there is a stream at all.
    title: of the stream. retention_days: how long members are kept in it; 0 for ever.
    page_positions: store positions a page (64 a record). It must not change once pages were copied.
    polling_s: how often followers may ask again.
    most_at_once: requests that may be worked on at one time; more get 429.
    """

    name: str = "ldes"
    base_url: str = ""
    enabled: bool = True
    title: str = "Meetnet"
    retention_days: int = 0
    page_positions: int = 1600
    polling_s: int = 10
    most_at_once: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        parts = urlsplit(self.base_url)
        if self.base_url and (
            parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query
        ):
            raise ConfigError(f"{key}.base_url", "must be like https://meetnet.example, without a path")
        if not 0 <= self.retention_days <= 36500:
            raise ConfigError(f"{key}.retention_days", "must be 0 (for ever) to 36500 days")
        if not 64 <= self.page_positions <= 1 << 20 or self.page_positions % 64:
            raise ConfigError(
                f"{key}.page_positions", "must be a multiple of 64 up to 1048576, for example 1600"
            )
        if not 1 <= self.polling_s <= 86400:
            raise ConfigError(f"{key}.polling_s", "must be 1 to 86400 seconds, for example 10")
        if not 1 <= self.most_at_once <= 1000:
            raise ConfigError(f"{key}.most_at_once", "must be 1 to 1000, for example 16")
