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
    mqtt_host, mqtt_port, mqtt_username, mqtt_password, mqtt_tls: a broker that gets all updates; or
    mqtt_listen, mqtt_listen_host: the port on which this server is itself the broker, -1 for none, 0 for
        any. Either needs public_url, because messages hold links. mqtt_endpoint: where others find that
        broker ("mqtts://meet.example:8883"), when it is not what stands here.
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
    mqtt_host: str = ""
    mqtt_port: int = 1883
    mqtt_username: str = ""
    mqtt_password: str = field(default="", repr=False)
    mqtt_tls: bool = False
    mqtt_endpoint: str = ""
    mqtt_listen: int = -1
    mqtt_listen_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        if self.public_url:
            check_address(f"{key}.public_url", self.public_url, "https://meet.example")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{key}.encoding", f"must be {' or '.join(ENCODINGS)}")
        check_between(f"{key}.max_top", self.max_top, 1, 10_000, "1000")
        check_between(f"{key}.mqtt_listen", self.mqtt_listen, -1, 65535, "1884")
        check_between(f"{key}.mqtt_port", self.mqtt_port, 1, 65535, "1883")
        if self.mqtt_host and self.mqtt_listen >= 0:
            raise ConfigError(f"{key}.mqtt_listen", "give mqtt_host or mqtt_listen, not both")
        if self.has_mqtt and not self.public_url:
            raise ConfigError(f"{key}.public_url", "is needed with MQTT: https://meet.example")
        if self.writable and not self.token and not self.anonymous_writing:
            raise ConfigError(
                f"{key}.token", "is needed to write: give token_file, or anonymous_writing = true"
            )

    @property
    def has_mqtt(self) -> bool:
        """Return whether updates go out by MQTT."""
        return bool(self.mqtt_host) or self.mqtt_listen >= 0
