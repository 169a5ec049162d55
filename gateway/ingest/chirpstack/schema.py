"""Field numbers of ChirpStack v4's integration events (api/proto: integration, gw and common.proto, MIT).

Only what the house reads has a row; the reader passes over the rest.
"""

from __future__ import annotations

from gateway.ingest.chirpstack.protobuf import Field, Message

_LEVELS = ("INFO", "WARNING", "ERROR")
_CODES = (
    "UNKNOWN", "DOWNLINK_PAYLOAD_SIZE", "UPLINK_CODEC", "DOWNLINK_CODEC", "OTAA", "UPLINK_F_CNT_RESET",
    "UPLINK_MIC", "UPLINK_F_CNT_RETRANSMISSION", "DOWNLINK_GATEWAY", "RELAY_NEW_END_DEVICE", "F_CNT_DOWN",
    "EXPIRED",
)  # fmt: skip
_SOURCES = (
    "UNKNOWN", "GPS", "CONFIG", "GEO_RESOLVER_TDOA", "GEO_RESOLVER_RSSI", "GEO_RESOLVER_GNSS",
    "GEO_RESOLVER_WIFI",
)  # fmt: skip

_LOCATION: Message = {
    1: Field("latitude", "double"),
    2: Field("longitude", "double"),
    3: Field("altitude", "double"),
    4: Field("source", "enum", _SOURCES),
    5: Field("accuracy", "float"),
}
_DEVICE_INFO: Message = {
    3: Field("applicationId", "text"),
    7: Field("deviceName", "text"),
    8: Field("devEui", "text"),
}
_KEY_ENVELOPE: Message = {1: Field("kekLabel", "text"), 2: Field("aesKey", "bytes")}
_JOIN_SERVER: Message = {
    1: Field("sessionKeyId", "text"),
    2: Field("appSKey", "message", _KEY_ENVELOPE),
}
_LORA: Message = {
    1: Field("bandwidth", "uint32"),
    2: Field("spreadingFactor", "uint32"),
}
_TX_INFO: Message = {
    1: Field("frequency", "uint32"),
    2: Field("modulation", "message", {3: Field("lora", "message", _LORA)}),
}
_RX_INFO: Message = {
    1: Field("gatewayId", "text"),
    2: Field("uplinkId", "uint32"),
    3: Field("gwTime", "timestamp"),
    6: Field("rssi", "int32"),
    7: Field("snr", "float"),
    16: Field("crcStatus", "enum", ("NO_CRC", "BAD_CRC", "CRC_OK")),
    17: Field("nsTime", "timestamp"),
}
_HEAD = {
    1: Field("deduplicationId", "text"),
    2: Field("time", "timestamp"),
    3: Field("deviceInfo", "message", _DEVICE_INFO),
}

EVENTS: dict[str, Message] = {
    "up": _HEAD
    | {
        4: Field("devAddr", "text"),
        5: Field("adr", "bool"),
        6: Field("dr", "uint32"),
        7: Field("fCnt", "uint32"),
        8: Field("fPort", "uint32"),
        9: Field("confirmed", "bool"),
        10: Field("data", "bytes"),
        12: Field("rxInfo", "message", _RX_INFO, repeated=True),
        13: Field("txInfo", "message", _TX_INFO),
        15: Field("joinServerContext", "message", _JOIN_SERVER),
        16: Field("regionConfigId", "text"),
    },
    "join": _HEAD | {4: Field("devAddr", "text"), 7: Field("regionConfigId", "text")},
    "ack": _HEAD
    | {4: Field("queueItemId", "text"), 5: Field("acknowledged", "bool"), 6: Field("fCntDown", "uint32")},
    "txack": {
        1: Field("downlinkId", "uint32"),
        2: Field("time", "timestamp"),
        3: Field("deviceInfo", "message", _DEVICE_INFO),
        4: Field("queueItemId", "text"),
        5: Field("fCntDown", "uint32"),
        6: Field("gatewayId", "text"),
    },
    "log": {
        1: Field("time", "timestamp"),
        2: Field("deviceInfo", "message", _DEVICE_INFO),
        3: Field("level", "enum", _LEVELS),
        4: Field("code", "enum", _CODES),
        5: Field("description", "text"),
        6: Field("context", "map"),
    },
    "status": _HEAD
    | {
        5: Field("margin", "int32"),
        6: Field("externalPowerSource", "bool"),
        7: Field("batteryLevelUnavailable", "bool"),
        8: Field("batteryLevel", "float"),
    },
    "location": _HEAD | {4: Field("location", "message", _LOCATION)},
    "integration": _HEAD,
}
