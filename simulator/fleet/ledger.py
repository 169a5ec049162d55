"""What the radios of the gateways received of a fleet: counted apart from whoever they hand it to."""

from __future__ import annotations

from typing import cast

from simulator.fleet.street import FleetStreet
from simulator.nodeproc import SimulatorError
from wire import codec, ports
from wire.errors import WireError
from wire.lorawan import frames
from wire.record import Record as Measured

Record = tuple[int, int]
"""(node, seq): names a record for ever."""


class RadioLedger:
    """Reads the records out of each frame that a gateway's radio received: with the session's own keys."""

    def __init__(self, fleet: FleetStreet) -> None:
        self._fleet = fleet
        self.records: set[Record] = set()
        fleet.air.on_received = self.received

    def received(self, node: int, payload: bytes) -> None:
        """Take a frame that at least one gateway has."""
        if payload[0] >> 5 not in (frames.UNCONFIRMED_UP, frames.CONFIRMED_UP):
            return
        frame = frames.parse_data(payload)
        if frame.port != ports.RECORDS:
            return
        fcnt = frames.full_fcnt(-1, frame.fcnt16)
        try:
            plain = self._fleet.nodes[node].mac.opened(frame, fcnt)
            now_s = self._fleet.loop.now_us() // 1_000_000
            records = cast("list[Measured]", codec.decode(plain, now_s))
        except WireError as error:
            raise SimulatorError(f"node {node} sent what cannot be decoded: {error}") from error
        self.records |= {(node, record.seq) for record in records}


def measured(fleet: FleetStreet) -> set[Record]:
    """Return what the nodes measured, as far as they remember (the newest 2,000 of each)."""
    return {(k, seq) for k, node in enumerate(fleet.nodes) for seq in node.outbox.seqs}
