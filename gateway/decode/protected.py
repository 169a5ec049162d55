"""Protected frames (wire.codec.parity) to the codec frames inside them and those that they bring back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

import wire.codec
from gateway.decode.recovery import Recovery
from gateway.errors import IngestError
from gateway.model import Uplink
from wire.codec import parity
from wire.errors import WireError

_unpadded = cast("Callable[[bytes], list[bytes]]", parity.unpadded)


class Unprotect:
    """Keeps a window for each device that sends protected frames."""

    def __init__(self) -> None:
        self._recoveries: dict[str, Recovery] = {}

    def unfold(self, uplink: Uplink) -> list[Uplink]:
        """Return the uplink as its codec frame, then the frames it brings back, dated.

        An uplink of another kind is returned as it is. Raise IngestError decode.truncated for a protected
        frame of a wrong length.
        """
        if not uplink.payload or not parity.FIRST_BYTE <= uplink.payload[0] <= parity.LAST_BYTE:
            return [uplink]
        recovery = self._recoveries.setdefault(uplink.dev_eui, Recovery())
        try:
            frames = recovery.receive(uplink.payload, uplink.received_at_ms / 1000)
        except WireError as error:
            raise IngestError("decode.truncated", f"{uplink.dev_eui}: {error}") from error
        return [
            replace(
                uplink,
                payload=_codec_frame(frame.data, int(frame.received_at_s)),
                received_at_ms=int(frame.received_at_s * 1000)
                if frame.is_recovered
                else uplink.received_at_ms,
            )
            for frame in frames
        ]


def _codec_frame(data: bytes, received_at_s: int) -> bytes:
    candidates = _unpadded(data)
    for candidate in candidates[:-1]:
        try:
            cast("Any", wire.codec).decode(candidate, received_at_s)
        except WireError:
            continue
        return candidate
    return candidates[-1]
