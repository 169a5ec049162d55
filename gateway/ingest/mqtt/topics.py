"""What a message of a Wi-Fi node says before its payload is opened: topic `meetnet/v1/{DevEUI}/{port}`."""

from __future__ import annotations

import re

from gateway.errors import IngestError
from gateway.model import Uplink

SUBSCRIPTION = "meetnet/v1/+/+"
MAX_PAYLOAD = 4096  # what the codec takes at most
SOURCE = "mqtt"
_TOPIC = re.compile(r"meetnet/v1/([0-9a-f]{16})/([0-9]{1,3})")


def parse_topic(topic: str) -> tuple[str, int]:
    """Return (dev_eui, f_port); raise IngestError (ingest.mqtt_topic)."""
    found = _TOPIC.fullmatch(topic)
    port = int(found[2]) if found else 0
    if found is None or not 1 <= port <= 223:
        raise IngestError("ingest.mqtt_topic", f"topic {topic[:80]!r} is not meetnet/v1/<DevEUI>/<1..223>")
    return found[1], port


def uplink_of(topic: str, payload: bytes, received_at_ms: int) -> Uplink:
    """Return the uplink of a message; raise IngestError naming the cause."""
    dev_eui, port = parse_topic(topic)
    if len(payload) > MAX_PAYLOAD:
        raise IngestError("ingest.mqtt_too_long", f"{dev_eui}: {len(payload)} bytes, {MAX_PAYLOAD} are taken")
    return Uplink(
        source=SOURCE, dev_eui=dev_eui, f_port=port, payload=bytes(payload), received_at_ms=received_at_ms
    )
