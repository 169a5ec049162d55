"""What a noise node says about its meter: calibrations, and the meter's block of the status uplink."""

from __future__ import annotations

from typing import Any, cast

from gateway.errors import IngestError
from gateway.model import Uplink
from gateway.registry.model import Calibration
from wire import sound
from wire.errors import WireError


def decode_calibrated(uplink: Uplink) -> Calibration:
    """Return what came of a calibration; raise IngestError (decode.command_malformed)."""
    try:
        found = sound.unpack_calibrated(uplink.payload)
    except WireError as error:
        raise IngestError("decode.command_malformed", f"{uplink.dev_eui}: {error}") from error
    token, outcome, level, correction, time_s, instrument = found
    return Calibration(
        dev_eui=uplink.dev_eui,
        at_ms=time_s * 1000 or uplink.received_at_ms,
        token=token,
        outcome=sound.OUTCOMES[outcome],
        level_db=level / 100,
        correction_db=correction / 100,
        instrument=instrument,
    )


def check_seconds(uplink: Uplink) -> None:
    """Raise IngestError unless this announces the seconds of an event; they come as records themselves."""
    try:
        sound.unpack_seconds(uplink.payload)
    except WireError as error:
        raise IngestError("decode.command_malformed", f"{uplink.dev_eui}: {error}") from error


def meter_fields(blocks: tuple[tuple[int, bytes], ...]) -> dict[str, int | str]:
    """Return the meter's part of a status by field name; nothing where there is no block that we know."""
    for kind, body in blocks:
        if kind == sound.METER:
            try:
                found = cast("dict[str, Any]", sound.unpack_meter(body))
            except WireError:
                return {"meter_notes": "unreadable"}
            self_noise = found["self_noise"]
            return {
                "meter_notes": " ".join(found["notes"]),
                "meter_sensitivity_dbfs": f"{found['sensitivity'] / 100:.2f}",
                "meter_correction_db": f"{found['correction'] / 100:.2f}",
                "meter_calibrated_at_s": found["time_s"],
                "meter_calibration": found["number"],
                "meter_self_noise_dba": "" if self_noise is None else f"{self_noise / 100:.2f}",
                "meter_response": found["response"],
                "meter_octaves": found["octaves"],
            }
    return {}
