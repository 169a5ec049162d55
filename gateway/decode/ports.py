"""What arrives on which port: records, a status, or something that is not ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from gateway.decode.answers import KINDS, decode_answer
from gateway.decode.foreign import Foreign
from gateway.decode.protected import Protected, alone, is_protected
from gateway.decode.records import decode_plain, decode_records
from gateway.decode.sound import check_seconds, decode_calibrated
from gateway.decode.status import decode_status
from gateway.decode.windows import WindowBook
from gateway.errors import IngestError
from gateway.model import Decoded, Uplink
from gateway.registry.model import Calibration, NodeAnswer
from wire import backfill, ports, sound, update
from wire.errors import WireError


class Contents(msgspec.Struct, frozen=True, gc=False):
    """What an uplink holds."""

    records: list[Decoded] = []
    status: dict[str, int | str] | None = None
    gone: tuple[tuple[int, int], ...] = ()  # ranges of records that the node does not have any more
    skipped: tuple[tuple[int, int], ...] = ()  # ranges of numbers that the node never gave
    waiting: tuple[tuple[int, int], ...] | None = None  # missing records that parity may bring yet
    notes: tuple[tuple[str, str], ...] = ()  # counters that went up, with what they saw
    calibration: Calibration | None = None
    answer: NodeAnswer | None = None  # to a configuration command
    is_foreign: bool = False  # of a device that does not count its records


class Decoder:
    """Decodes the uplinks of all devices in the order of their reception, with what parity brings back.

    book: what earlier processes knew of each device's window; without one it is lost with the process.
    profile_of: the name of the profile of a device that is not ours, "" of all others, for `foreign`.
    """

    def __init__(
        self,
        book: WindowBook | None = None,
        profile_of: Callable[[str], str] = lambda dev_eui: "",
        foreign: Foreign | None = None,
    ) -> None:
        self._protected = Protected(book)
        self._profile_of = profile_of
        self._foreign = foreign

    def decode(self, uplink: Uplink) -> Contents:
        """Return what an uplink holds and brings back; raise IngestError whose cause is a counter's name."""
        profile = self._profile_of(uplink.dev_eui)
        if profile and self._foreign is not None:
            records, notes = self._foreign.decode(uplink, profile)
            return Contents(records=records, notes=tuple(notes), is_foreign=True)
        if uplink.f_port != ports.RECORDS or not is_protected(uplink):
            return decode(uplink)
        found = self._protected.decode(uplink)
        return Contents(records=found.records, waiting=found.waiting, notes=tuple(found.notes))

    def decode_plain(self, uplinks: Sequence[Uplink]) -> list[Decoded | None]:
        """Return the record of each uplink that holds one of ours, all well; None of those for `decode`."""
        ours = [
            at
            for at, uplink in enumerate(uplinks)
            if uplink.f_port == ports.RECORDS and not self._profile_of(uplink.dev_eui)
        ]
        answer: list[Decoded | None] = [None] * len(uplinks)
        for at, found in zip(ours, decode_plain([uplinks[at] for at in ours]), strict=True):
            answer[at] = found
        return answer


def decode(uplink: Uplink) -> Contents:
    """Return what an uplink holds by itself; raise IngestError whose cause is a counter's name."""
    if uplink.f_port == ports.RECORDS:
        return Contents(records=alone(uplink) if is_protected(uplink) else decode_records(uplink))
    if uplink.f_port == ports.STATUS:
        return Contents(status=decode_status(uplink))
    if uplink.f_port == ports.COMMANDS and uplink.payload and uplink.payload[0] in KINDS:
        return Contents(answer=decode_answer(uplink))
    if uplink.f_port == ports.COMMANDS and uplink.payload[:1] == bytes((backfill.RECORDS_GONE,)):
        return Contents(gone=_ranges(uplink))
    if uplink.f_port == ports.COMMANDS and uplink.payload[:1] == bytes((backfill.NEVER_GIVEN,)):
        return Contents(skipped=_ranges(uplink))
    if uplink.f_port == ports.COMMANDS and uplink.payload[:1] == bytes((sound.CALIBRATED,)):
        return Contents(calibration=decode_calibrated(uplink))
    if uplink.f_port == ports.COMMANDS and uplink.payload[:1] == bytes((sound.SECONDS,)):
        check_seconds(uplink)
        return Contents()
    if uplink.f_port == ports.COMMANDS and uplink.payload[:1] == bytes((update.STATE,)):
        return Contents()  # gateway.update reads it
    if uplink.f_port == ports.FRAGMENTS:
        return Contents()
    raise IngestError(
        "decode.port_unknown",
        f"{uplink.dev_eui}: port {uplink.f_port} is none of ours "
        f"({ports.RECORDS} records, {ports.STATUS} status)",
    )


def _ranges(uplink: Uplink) -> tuple[tuple[int, int], ...]:
    try:
        found = cast("tuple[int, list[tuple[int, int]]]", backfill.unpack_ranges(uplink.payload))
    except WireError as error:
        raise IngestError("decode.command_malformed", f"{uplink.dev_eui}: {error}") from error
    return tuple(found[1])
