"""What an operator can set of our own SensorThings server."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.publish.posting import check_address, check_between
from gateway.publish.sensorthings.settings import ENCODINGS


@dataclass(frozen=True, slots=True)
class SensorThingsServerSettings:
    """Settings of the server under /sta/v1.1.

    enabled: false takes it off the page.
    public_url: address of the page as others see it ("https://meet.example"); "" takes the request's own.
    encoding: name of GeoJSON: application/geo+json (1.1) or application/vnd.geo+json (1.0).
    attribution: who is to be named beside the data.
    max_top: most entities in one answer; a larger $top is cut, never refused.
    writable: others may write entities and observations of their own (never ours).
    token: bearer token for writing. anonymous_writing: anybody may write; for tests on a private network.
    """

    name: str = "sensorthings_server"
    enabled: bool = True
    public_url: str = ""
    encoding: str = ENCODINGS[0]
    attribution: str = "Meetnet"
    max_top: int = 1000
    writable: bool = False
    token: str = field(default="", repr=False)
    anonymous_writing: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        if self.public_url:
            check_address(f"{key}.public_url", self.public_url, "https://meet.example")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{key}.encoding", f"must be {' or '.join(ENCODINGS)}")
        check_between(f"{key}.max_top", self.max_top, 1, 10_000, "1000")
        if self.writable and not self.token and not self.anonymous_writing:
            raise ConfigError(
                f"{key}.token", "is needed to write: give token_file, or anonymous_writing = true"
            )
