"""Status uplinks to names that people read: `meetnet status` shows them."""

from __future__ import annotations

from typing import Any, cast

from gateway.decode.sound import meter_fields
from gateway.errors import IngestError
from gateway.model import Uplink
from wire import causes as _causes
from wire import energy, status
from wire.errors import WireError
from wire.record import STATE_NAMES

causes = cast("Any", _causes)

_FLAGS = {
    status.FLAG_CONFIG_DEFAULTS: "config_defaults",
    status.FLAG_SAFE_MODE: "safe_mode",
    status.FLAG_LOG_FAULT: "log_fault",
    status.FLAG_LOG_TORN: "log_torn",
    status.FLAG_BATTERY_LOW: "battery_low",
    status.FLAG_MENDED: "mended",
    status.FLAG_FELL_BACK: "fell_back",
}


def decode_status(uplink: Uplink) -> dict[str, int | str]:
    """Return a status by field name; raise IngestError (decode.status_malformed, decode.codec_unknown)."""
    try:
        found = cast("Any", status.decode_status(uplink.payload))
    except WireError as error:
        cause = "decode.codec_unknown" if error.field == "version" else "decode.status_malformed"
        raise IngestError(cause, f"{uplink.dev_eui}: {error}") from error
    fields: dict[str, int | str] = {}
    for name in status.Status.FIELDS:
        fields[name] = _readable(name, getattr(found, name))
    fields["causes"] = " ".join(causes.row(code)[1] for code in causes.of_status(found) if causes.row(code))
    for kind, body in getattr(found, "blocks", ()):
        if kind == status.MENDED_BLOCK and len(body) == 1:
            fields["mended"] = status.MENDED.get(body[0], f"what {body[0]}")
        told = energy.unpack_block(body) if kind == energy.BLOCK else None
        if told is not None:
            fields["average_ua"] = told[0]
            fields["days_left"] = "unknown" if told[1] is None else told[1]
    return fields | meter_fields(found.blocks)


def _readable(name: str, value: Any) -> int | str:
    match name, value:
        case "firmware", (major, minor, patch):
            return f"{major}.{minor}.{patch}"
        case "reset_cause", int(code):
            return status.RESET_CAUSES.get(code, f"cause {code}")
        case "last_failure", int(code):
            return status.NETWORK_FAILURES.get(code, f"failure {code}")
        case "flags", int(bits):
            return " ".join(text for bit, text in _FLAGS.items() if bits & bit)
        case "sensors", _:
            return " ".join(STATE_NAMES.get(state, f"state {state}") for state in cast("list[int]", value))
        case _, bytes():
            return value.hex()
        case _, int():
            return value
        case _:
            return str(value)
