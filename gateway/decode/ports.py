"""What arrives on which port: records, a status, or something that is not ours."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.decode.records import decode_records
from gateway.decode.status import decode_status
from gateway.errors import IngestError
from gateway.model import Decoded, Uplink
from wire import ports


@dataclass(frozen=True, slots=True)
class Contents:
    """What an uplink holds."""

    records: list[Decoded] = field(default_factory=list[Decoded])
    status: dict[str, int | str] | None = None


def decode(uplink: Uplink) -> Contents:
    """Return what an uplink holds; raise IngestError whose cause is a counter's name."""
    if uplink.f_port == ports.RECORDS:
        return Contents(records=decode_records(uplink))
    if uplink.f_port == ports.STATUS:
        return Contents(status=decode_status(uplink))
    raise IngestError(
        "decode.port_unknown",
        f"{uplink.dev_eui}: port {uplink.f_port} is none of ours "
        f"({ports.RECORDS} records, {ports.STATUS} status)",
    )
