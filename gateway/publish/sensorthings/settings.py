"""What an operator can set of a SensorThings server that we write to."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.publish.mqtt_link import check_broker
from gateway.publish.posting import check_address, check_between

ENCODINGS = ("application/geo+json", "application/vnd.geo+json")


@dataclass(frozen=True, slots=True)
class SensorThingsSettings:
    """Settings of one server.

    url: its base with the version, for example https://sta.example/FROST-Server/v1.1.
    name: under which position, counters and side list are kept.
    token: sent as bearer token; or username and password (basic). None of them is ever logged.
    network: goes into the names of our entities, so that two networks may share a server.
    encoding: name of GeoJSON there: application/geo+json (1.1) or application/vnd.geo+json (1.0, FROST).
    max_rows: observations in one request.
    data_arrays: use CreateObservations; false posts one by one.
    timeout_s: longest wait for an answer.
    mqtt_host, mqtt_port, mqtt_username, mqtt_password, mqtt_tls: the server's broker: observations go there
        (clause 14), entities over HTTP still. mqtt_root: before `Datastreams(id)/Observations`.
    confirm_s: how long the server may take to show what was published; then it is sent over HTTP.
    """

    url: str
    name: str = "sensorthings"
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    network: str = "meetnet"
    encoding: str = ENCODINGS[0]
    max_rows: int = 1000
    data_arrays: bool = True
    timeout_s: float = 30.0
    mqtt_host: str = ""
    mqtt_port: int = 1883
    mqtt_username: str = ""
    mqtt_password: str = field(default="", repr=False)
    mqtt_tls: bool = False
    mqtt_root: str = "v1.1"
    confirm_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "https://sta.example/FROST-Server/v1.1")
        if self.token and self.username:
            raise ConfigError(f"{key}.token", "give a token or a username, not both")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{key}.encoding", f"must be {' or '.join(ENCODINGS)}")
        if not self.network or not all(sign.isalnum() or sign in "-._" for sign in self.network):
            raise ConfigError(f"{key}.network", "must be letters, digits, - . or _")
        check_between(f"{key}.max_rows", self.max_rows, 1, 10_000, "1000")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "30")
        check_between(f"{key}.confirm_s", self.confirm_s, 0.1, 600, "20")
        if self.mqtt_host:
            check_broker(f"{key}.mqtt", self.mqtt_host, self.mqtt_port, self.mqtt_root)
