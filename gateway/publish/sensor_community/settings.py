"""What an operator can set of Sensor.Community."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import ConfigError
from gateway.publish.posting import check_address, check_between

_SENSOR = re.compile(r"[a-z0-9]+-[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class SensorCommunitySettings:
    """Settings of Sensor.Community.

    sensors: site id to the name under which the host registered it there ("esp32-1234567").
    climate_pin: PIN of temperature and humidity as registered: 7 (SHT), 11 (BME280), 13 (DS18B20).
    max_age_s: what was observed longer ago is not sent: the platform stamps values when they arrive.
    """

    sensors: Mapping[str, str]
    name: str = "sensor_community"
    url: str = "https://api.sensor.community/v1/push-sensor-data/"
    climate_pin: int = 7
    max_age_s: int = 900
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "https://api.sensor.community/v1/push-sensor-data/")
        for site, sensor in self.sensors.items():
            if not _SENSOR.fullmatch(sensor):
                raise ConfigError(f"{key}.sensors.{site}", "must be the registered name, like esp32-1234567")
        check_between(f"{key}.climate_pin", self.climate_pin, 1, 99, "7")
        check_between(f"{key}.max_age_s", self.max_age_s, 60, 86400, "900")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "20")
