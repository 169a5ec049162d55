"""A fleet's air: its frames through the radio model to every gateway, downlinks back into open windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from simulator.channel import draws
from simulator.channel.duty import DutyBook
from simulator.channel.forwarder import Forwarder
from simulator.channel.frame import Frame, Listener, Tuning
from simulator.channel.listening import Listening
from simulator.channel.model import Outcome, RadioModel
from simulator.channel.transmissions import Transmissions
from simulator.places import Place, Places

_CAPTURE_DB = 6.0
_KEEP_US = 10_000_000
BURST = 256  # datagrams that a server's socket surely holds


class FleetAir:
    """Senders 0..n-1 are the nodes, then come the gateways."""

    def __init__(self, model: RadioModel, nodes: Places, gateways: Sequence[Place]) -> None:
        self.model = model
        self.nodes = len(nodes)
        self._gateways = Places.of(gateways)
        self._listening = Listening(model, self._gateways, nodes)
        self._listening.add_sender(self._gateways)
        self._node_keys = draws.keys(nodes.names)
        self._gateway_keys = draws.keys(self._gateways.names)
        self.forwarders: list[Forwarder] = []
        self.duty = DutyBook()
        self.outcomes: Counter[str] = Counter()
        self.lost: Callable[[bytes], bool] | None = None  # a fault: frames that no gateway hears
        self._fresh: list[tuple[int, int, int, int, float, int]] = []
        self._payloads: dict[tuple[int, int], tuple[bytes, int, int]] = {}
        self._windows: dict[int, list[tuple[int, int, int]]] = {}
        self._downlinks: list[tuple[int, int, int, int, float, int]] = []
        self.next_end_us: int | None = None
        self.on_received: Callable[[int, bytes], None] = lambda _node, _payload: None
        self.on_downlink: Callable[[int, int, bytes, float], None] = lambda _node, _end, _phy, _snr: None

    # -- nodes -------------------------------------------------------------------------------

    def send(
        self, node: int, start_us: int, air_us: int, freq_hz: int, sf: int, power_dbm: float, payload: bytes
    ) -> None:
        """Put a node's frame on the air, not before now."""
        self._fresh.append((start_us, air_us, freq_hz, sf, power_dbm, node))
        self._payloads[(node, start_us)] = (payload, freq_hz, sf)
        self.duty.book(node, freq_hz, start_us, air_us)
        end_us = start_us + air_us
        self.next_end_us = end_us if self.next_end_us is None else min(self.next_end_us, end_us)

    def open_window(self, node: int, at_us: int, freq_hz: int, sf: int) -> None:
        """A node will listen from a time on."""
        self._windows.setdefault(at_us, []).append((node, freq_hz, sf))

    def close_window(self, node: int, at_us: int) -> None:
        """A node does not listen, or no longer."""
        rows = [row for row in self._windows.get(at_us, ()) if row[0] != node]
        if rows:
            self._windows[at_us] = rows
        else:
            self._windows.pop(at_us, None)

    def settle(self, now_us: int) -> Iterator[None]:
        """Hand ended frames to the gateways that got them; yield after each BURST of datagrams."""
        if self._fresh:
            start, air, freq, sf, power, node = (np.array(c) for c in zip(*self._fresh, strict=True))
            self._listening.add(
                Transmissions.of(start, air, freq, sf, power.astype(np.float64), node.astype(np.int64))
            )
            self._fresh = []
        ended = self._listening.ended(now_us)
        self.next_end_us = None
        waiting = self._listening.waiting_until_us()
        if waiting is not None:
            self.next_end_us = waiting
        air, sent = ended.air, 0
        for k in np.flatnonzero(~air.inverted).tolist():
            node, start_us = int(air.sender[k]), int(air.start_us[k])
            payload, freq_hz, sf = self._payloads.pop((node, start_us))
            self.outcomes.update(_NAMES[code] for code in ended.outcome[k].tolist())
            got = np.flatnonzero(ended.outcome[k] == Outcome.RECEIVED).tolist()
            if not got or (self.lost is not None and self.lost(payload)):
                continue
            self.on_received(node, payload)
            frame = Frame(start_us, freq_hz, sf, 125, payload, sender=self)
            sent += len(got)
            for gateway in got:
                self.forwarders[gateway].deliver(
                    frame, float(ended.rssi_dbm[k, gateway]), float(ended.snr_db[k, gateway])
                )
            if sent >= BURST:
                sent = 0
                yield

    # -- gateways ----------------------------------------------------------------------------

    def gateway(self, index: int) -> _GatewayAir:
        """Return the air for a gateway's forwarder."""
        return _GatewayAir(self, index)

    def transmit(self, gateway: int, frame: Frame) -> None:
        """A gateway sends: it is deaf meanwhile, and whoever listens may hear it."""
        start_us, end_us = frame.start_us, frame.end_us
        self._listening.gateway_sends(gateway, start_us, end_us)
        self.duty.book(self.nodes + gateway, frame.freq_hz, start_us, end_us - start_us)
        self._listening.add(Transmissions.of_frames([frame], [self.nodes + gateway]))
        self._downlinks = [row for row in self._downlinks if row[1] > start_us - _KEEP_US]
        row = (start_us, end_us, frame.freq_hz, frame.sf, frame.power_dbm, gateway)
        self._downlinks.append(row)
        for node, freq_hz, sf in self._windows.get(start_us, ()):
            if (freq_hz, sf) == (frame.freq_hz, frame.sf):
                rssi_dbm = self._at_node(node, gateway, frame.power_dbm, start_us)
                sensitivity = self.model.node_sensitivity_dbm[sf - 7]
                if rssi_dbm >= sensitivity and not self._drowned(node, row, rssi_dbm):
                    snr = self.model.snr_db(np.array([rssi_dbm]), np.array([125]), node=True)[0]
                    self.on_downlink(node, end_us, frame.payload, float(snr))

    def _at_node(self, node: int, gateway: int, power_dbm: float, start_us: int) -> float:
        faded = self.model.path_loss.faded_db(
            self._gateway_keys[gateway : gateway + 1], np.array([start_us]), self._node_keys[node : node + 1]
        )
        return power_dbm - float(self._listening.loss_db[node, gateway]) + float(faded[0, 0])

    def _drowned(self, node: int, row: tuple[int, int, int, int, float, int], rssi_dbm: float) -> bool:
        """Tell whether another downlink known by now is too strong beside this one."""
        start_us, end_us, freq_hz, sf = row[:4]
        return any(
            other is not row
            and other[0] < end_us
            and other[1] > start_us
            and other[2:4] == (freq_hz, sf)
            and rssi_dbm - self._at_node(node, other[5], other[4], other[0]) < _CAPTURE_DB
            for other in self._downlinks
        )


_NAMES = {int(outcome): outcome.name.lower() for outcome in Outcome}


class _GatewayAir:
    """A `Channel` for one forwarder: it only sends here; what it hears is delivered to it."""

    def __init__(self, air: FleetAir, index: int) -> None:
        self._air, self._index = air, index

    def transmit(self, frame: Frame) -> None:
        """Send a downlink."""
        self._air.transmit(self._index, frame)

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Nothing is asked for here."""
        return []

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Nothing is asked for here."""
        return -200.0, -30.0

    def received(self, frame: Frame, receiver: object) -> bool:
        """Nothing is asked for here."""
        return False

    def subscribe(self, listener: Listener) -> None:
        """Frames are delivered when they have ended."""
