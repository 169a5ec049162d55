"""The air frame by frame: the radio model for a world of real firmware, and gateways on roofs.

radio = RadioChannel(RadioModel(), Places.of([Place("roof", height_m=25)]))
Forwarder(radio.gateway(0), ...)              # one for each gateway
boards.build(..., radio.at(place), ...)       # a node's radio stands at its place
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.channel import draws
from simulator.channel.duty import DutyBook
from simulator.channel.frame import Frame, Listener, Tuning
from simulator.channel.listening import Listening
from simulator.channel.model import Outcome, RadioModel
from simulator.channel.transmissions import NOISE, Transmissions
from simulator.places import Place, Places

_REMEMBER_US = 60_000_000


@dataclass(slots=True)
class _OnAir:
    frame: Frame
    sender: int
    place: Place
    outcomes: tuple[int, ...] = ()
    rssi_dbm: tuple[float, ...] = ()
    snr_db: tuple[float, ...] = ()


@dataclass
class _Registry:
    places: list[Place] = field(default_factory=list[Place])
    by_name: dict[str, int] = field(default_factory=dict[str, int])


class RadioChannel:
    """One air. The places of gateways are fixed; nodes join it with `at`.

    outcomes: how often each thing became of an uplink at a gateway. duty: air time of nodes and gateways.
    """

    def __init__(self, model: RadioModel, gateways: Places, sites: Sequence[Place] = ()) -> None:
        self.model = model
        self.frames_sent = 0
        self.outcomes: Counter[str] = Counter()
        self.duty = DutyBook()
        self._senders = _Registry()
        self._listening = Listening(model, gateways, Places.of([]))
        self._frames: dict[Frame, _OnAir] = {}
        self._order: deque[_OnAir] = deque()
        self._new: list[_OnAir] = []
        self._asked: dict[int, list[_OnAir]] = {}  # by sender, in the order of their starts
        self._listeners: list[Listener] = []
        self.loses: Callable[[Frame], bool] | None = None  # as in IdealChannel: nobody hears such a frame
        self._gateways = [
            Place(name, float(gateways.x_m[k]), float(gateways.y_m[k]), float(gateways.height_m[k]))
            for k, name in enumerate(gateways.names)
        ]
        for site in (*self._gateways, *sites):
            self.sender(site)

    def sender(self, place: Place) -> int:
        """Return the number of a place that may send; places are told apart by name."""
        known = self._senders.by_name.get(place.name)
        if known is None:
            known = self._senders.by_name[place.name] = len(self._senders.places)
            self._senders.places.append(place)
            self._listening.add_sender(Places.of([place]))
        return known

    def at(self, place: Place) -> NodeAir:
        """Return the air as a node's radio at a place has it."""
        return NodeAir(self, place, self.sender(place))

    def gateway(self, index: int) -> GatewayAir:
        """Return the air as a gateway has it."""
        return GatewayAir(self, index, self._gateways[index])

    def disturb(
        self, place: Place, start_us: int, end_us: int, freq_hz: int, bw_khz: int, power_dbm: float
    ) -> None:
        """Have something that is no LoRa send from a place, not earlier than now."""
        burst = Transmissions.of(
            np.array([start_us]),
            np.array([end_us - start_us]),
            np.array([freq_hz]),
            np.array([7]),
            np.array([power_dbm]),
            np.array([self.sender(place)]),
        )
        burst.sf[:] = NOISE
        burst.bw_khz[:] = bw_khz
        burst.critical_us[:] = start_us
        self._listening.add(burst)

    # -- what the views ask ------------------------------------------------------------------

    def put(self, frame: Frame, sender: int, place: Place) -> None:
        """Put a frame on the air."""
        self.frames_sent += 1
        if self.loses is not None and self.loses(frame):
            return
        self.duty.book(sender, frame.freq_hz, frame.start_us, frame.end_us - frame.start_us)
        on_air = _OnAir(frame, sender, place)
        while self._order and self._order[0].frame.end_us < frame.start_us - _REMEMBER_US:
            self._frames.pop(self._order.popleft().frame, None)
        self._frames[frame] = on_air
        self._order.append(on_air)
        self._new.append(on_air)
        self._asked.setdefault(sender, []).append(on_air)
        for listener in self._listeners:
            listener(frame)

    def deafen(self, gateway: int, frame: Frame) -> None:
        """A gateway sends: it hears nothing meanwhile."""
        self._listening.gateway_sends(gateway, frame.start_us, frame.end_us)

    def subscribe(self, listener: Listener) -> None:
        """Tell a gateway, or an observer, of each frame from now on."""
        self._listeners.append(listener)

    def at_gateway(self, frame: Frame, gateway: int) -> tuple[Outcome, float, float]:
        """Return (outcome, RSSI in dBm, SNR in dB) of a frame that has ended."""
        on_air = self._frames.get(frame)
        if on_air is None:
            return Outcome.WEAK, -200.0, -30.0
        if not on_air.outcomes:
            self._settle(frame.end_us)
        if not on_air.outcomes:  # cut short after the air had taken it up as whole
            return Outcome.COLLIDED, -200.0, -30.0
        return Outcome(on_air.outcomes[gateway]), on_air.rssi_dbm[gateway], on_air.snr_db[gateway]

    def _settle(self, until_us: int) -> None:
        if self._new:
            self._listening.add(
                Transmissions.of_frames([row.frame for row in self._new], [row.sender for row in self._new])
            )
            self._new = []
        ended = self._listening.ended(until_us)
        for k, (sender, start_us) in enumerate(
            zip(ended.air.sender.tolist(), ended.air.start_us.tolist(), strict=True)
        ):
            rows = self._asked[sender]
            at = next(i for i, row in enumerate(rows) if row.frame.start_us == start_us)
            row = rows.pop(at)
            row.outcomes = tuple(ended.outcome[k].tolist())
            row.rssi_dbm = tuple(ended.rssi_dbm[k].tolist())
            row.snr_db = tuple(ended.snr_db[k].tolist())
            if not row.frame.inverted:
                self.outcomes.update(Outcome(code).name.lower() for code in row.outcomes)

    def at_node(self, frame: Frame, place: Place) -> tuple[Outcome, float, float]:
        """Return (outcome, RSSI, SNR) of a frame at a node, as far as the air is known now."""
        near = [
            row
            for row in self._order
            if row.frame.start_us < frame.end_us
            and row.frame.end_us > frame.start_us
            and (row.place.name != place.name)
        ]
        near.sort(key=lambda row: row.frame.start_us)
        index = next((k for k, row in enumerate(near) if row.frame is frame), None)
        if index is None:
            return Outcome.WEAK, -200.0, -30.0
        air = Transmissions.of_frames([row.frame for row in near], [row.sender for row in near])
        here = Places.of([place])
        loss = self.model.path_loss.links_db(Places.of([row.place for row in near]), here)
        senders = draws.keys(row.place.name for row in near)
        fading = self.model.path_loss.faded_db(senders, air.start_us, draws.keys([place.name]))
        rssi = air.power_dbm[:, None] - loss + fading
        code = self.model.heard(air, rssi, node=True)[index, 0]
        snr = self.model.snr_db(rssi, air.bw_khz, node=True)[index, 0]
        return Outcome(int(code)), float(rssi[index, 0]), float(snr)

    def downlinks(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Return the frames that a tuning matches and that overlap the interval, by start."""
        found = [
            row.frame
            for row in self._order
            if row.frame.start_us <= until_us
            and row.frame.end_us > since_us
            and row.frame.sender is not receiver
            and tuning.matches(row.frame)
        ]
        found.sort(key=lambda frame: frame.start_us)
        return found


class NodeAir:
    """The air at a node's place: a `Channel` for its radio."""

    def __init__(self, radio: RadioChannel, place: Place, sender: int) -> None:
        self._radio, self._place, self._sender = radio, place, sender

    def transmit(self, frame: Frame) -> None:
        """Put a frame on the air; its start may lie ahead of now."""
        self._radio.put(frame, self._sender, self._place)

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """Return the frames that the node's receiver could demodulate, by start."""
        return [
            frame
            for frame in self._radio.downlinks(tuning, since_us, until_us, receiver)
            if self._radio.at_node(frame, self._place)[0] is Outcome.RECEIVED
        ]

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Return (RSSI in dBm, SNR in dB) of a frame here."""
        return self._radio.at_node(frame, self._place)[1:]

    def received(self, frame: Frame, receiver: object) -> bool:
        """Tell of a frame that has ended whether nothing disturbed it after its preamble was seen."""
        return self._radio.at_node(frame, self._place)[0] is Outcome.RECEIVED

    def subscribe(self, listener: Listener) -> None:
        """Nobody hears everything at a node's place."""
        raise NotImplementedError("a gateway subscribes at RadioChannel.gateway(index)")


class GatewayAir:
    """The air at a gateway: a `Channel` for its concentrator."""

    def __init__(self, radio: RadioChannel, index: int, place: Place) -> None:
        self._radio, self._index, self._place = radio, index, place

    def transmit(self, frame: Frame) -> None:
        """Send, and be deaf meanwhile."""
        self._radio.deafen(self._index, frame)
        self._radio.put(frame, self._radio.sender(self._place), self._place)

    def audible(self, tuning: Tuning, since_us: int, until_us: int, receiver: object) -> list[Frame]:
        """A concentrator listens to all at once: it has subscribed."""
        return []

    def link(self, frame: Frame, receiver: object) -> tuple[float, float]:
        """Return (RSSI in dBm, SNR in dB) of a frame that has ended."""
        return self._radio.at_gateway(frame, self._index)[1:]

    def received(self, frame: Frame, receiver: object) -> bool:
        """Tell of a frame that has ended whether this gateway has it."""
        return self._radio.at_gateway(frame, self._index)[0] is Outcome.RECEIVED

    def subscribe(self, listener: Listener) -> None:
        """Be told of each frame from now on."""
        self._radio.subscribe(listener)
