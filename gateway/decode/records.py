"""Payloads of our own nodes to decoded records. Total: any bytes give records or an IngestError.

Decoding never calibrates: it turns integers into the measurement table's units and puts every record on
the time line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import wire.codec
from gateway.decode import plain
from gateway.errors import IngestError
from gateway.model import Decoded, Reading, Readings, Uplink
from wire import measurements
from wire.codec.v2_rows import FIRST_BYTE
from wire.errors import WireError
from wire.record import (
    FIRST_ERROR,
    STATE_NAMES,
    TIME_DRIFTING,
    TIME_NETWORK,
    TIME_NEVER_SET,
    TIME_NTP,
)

UTC_FROM_S = 1_704_067_200  # 2024-01-01: no uptime gets that far
TIME_QUALITIES = {
    TIME_NEVER_SET: "estimated",  # from the time of reception: the node's clock was never set
    TIME_DRIFTING: "drifting",
    TIME_NETWORK: "network",
    TIME_NTP: "ntp",
}


def decode_records(uplink: Uplink) -> list[Decoded]:
    """Return the records of an uplink, in the order sent.

    Raise IngestError with cause decode.codec_unknown, decode.truncated or decode.malformed.
    """
    found = plain.read(uplink.payload)
    record = None if found is None else _plain(uplink, found)
    if record is not None:
        return [record]
    try:
        records = cast("list[Any]", wire.codec.decode(uplink.payload, uplink.received_at_ms // 1000))
    except WireError as error:
        raise IngestError(_cause(uplink.payload, error), f"{uplink.dev_eui}: {error}") from error
    newest_s = max((record.time_s for record in records if _counts_uptime(record)), default=0)
    return [_decoded(uplink, record, newest_s) for record in records]


def decode_plain(uplinks: Sequence[Uplink]) -> list[Decoded | None]:
    """Return the record of each uplink of records that holds one, all well; None of any other. Quick."""
    found = plain.read_many([uplink.payload for uplink in uplinks])
    return [None if one is None else _plain(uplink, one) for uplink, one in zip(uplinks, found, strict=True)]


def _plain(uplink: Uplink, found: plain.Plain) -> Decoded | None:
    """Return the record of a plain frame; None where its time is no UTC."""
    seq, time_s, quality, head, values = found
    if quality == TIME_NEVER_SET and time_s < UTC_FROM_S:
        return None
    readings = Readings(head, values)
    return Decoded(
        uplink.dev_eui, seq, time_s * 1000, TIME_QUALITIES[quality], uplink.received_at_ms, readings
    )


def _counts_uptime(record: Any) -> bool:
    """Tell whether a time is seconds since boot. From 2024 on it is UTC, as the node could bound it."""
    return record.time_quality == TIME_NEVER_SET and record.time_s < UTC_FROM_S


def _decoded(uplink: Uplink, record: Any, newest_unset_s: int) -> Decoded:
    if _counts_uptime(record):
        # Seconds since boot. The newest record of the frame is taken as just measured, the others as
        # that much older; a frame that waited in the node's log is dated too late by that wait.
        observed_at_ms = uplink.received_at_ms - (newest_unset_s - record.time_s) * 1000
    else:
        observed_at_ms = record.time_s * 1000
    return Decoded(
        dev_eui=uplink.dev_eui,
        seq=record.seq,
        observed_at_ms=observed_at_ms,
        time_quality=TIME_QUALITIES[record.time_quality],
        received_at_ms=uplink.received_at_ms,
        readings=Readings.of([_reading(*reading) for reading in record.readings]),
    )


def _reading(measurement_id: int, raw: int, state: int) -> Reading:
    row = cast("tuple[int, str, str, int, int, int] | None", measurements.by_id(measurement_id))
    assert row is not None  # the codec refuses ids that are not in the table
    _, name, unit, decimals, _, _ = row
    value = None if state >= FIRST_ERROR else raw / 10**decimals if decimals else float(raw)
    return Reading(quantity=name, unit=unit, value=value, state=STATE_NAMES[state])


def _cause(payload: bytes, error: WireError) -> str:
    # A profile that is not known is a newer node's: the frame can be decoded by a newer gateway.
    if error.field == "version" or (error.field == "profile" and payload[0] >= FIRST_BYTE):
        return "decode.codec_unknown"
    if error.field == "length":
        return "decode.truncated"
    return "decode.malformed"
