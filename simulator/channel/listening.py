"""Gateways that listen: frames go in as they are sent, outcomes come out when they have ended.

The same for a batch of a million and frame by frame: who is given all at once and who is asked every
quarter of a second get the same answers, as long as every frame is added before it starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.channel.demodulators import Demodulators
from simulator.channel.model import Outcome, RadioModel
from simulator.channel.transmissions import NOISE, Transmissions
from simulator.places import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FAR_US = np.int64(1 << 62)


@dataclass(frozen=True)
class Ended:
    """Frames that have ended, by start, and what became of each at each gateway, shape (n, gateways)."""

    air: Transmissions
    outcome: NDArray[np.uint8]
    rssi_dbm: Floats
    snr_db: Floats

    @property
    def received(self) -> NDArray[np.bool_]:
        """Return which frames at least one gateway has."""
        return (self.outcome == Outcome.RECEIVED).any(axis=1)


class Listening:
    """Gateways on the air. `senders`: the places that may send, by index; more may be added later."""

    def __init__(self, model: RadioModel, gateways: Places, senders: Places) -> None:
        self.model = model
        self.gateways = gateways
        self._loss_db = model.path_loss.links_db(senders, gateways)
        self._keys = draws.keys(gateways.names)
        self._sender_keys = draws.keys(senders.names)
        self._paths = [Demodulators(model.demodulators) for _ in gateways.names]
        self._sending: list[list[tuple[int, int]]] = [[] for _ in gateways.names]
        self._pending: list[Transmissions] = []
        self._known = Transmissions.none()  # sorted; those from _open on have no outcome yet
        self._done_us = -_FAR_US
        self._found = np.zeros((0, len(gateways)), dtype=np.bool_)
        self._locked = np.zeros(0, dtype=np.bool_)

    @property
    def loss_db(self) -> Floats:
        """Loss of each link, shape (senders, gateways)."""
        return self._loss_db

    def add_sender(self, senders: Places) -> int:
        """Take more places that may send; return the index of the first."""
        first = len(self._loss_db)
        self._loss_db = np.concatenate([self._loss_db, self.model.path_loss.links_db(senders, self.gateways)])
        self._sender_keys = np.concatenate([self._sender_keys, draws.keys(senders.names)])
        return first

    def add(self, air: Transmissions) -> None:
        """Put frames on the air, not later than they start."""
        if len(air):
            self._pending.append(air)

    def gateway_sends(self, gateway: int, start_us: int, end_us: int) -> None:
        """Make a gateway deaf while it sends."""
        self._sending[gateway].append((start_us, end_us))

    def rssi_dbm(self, air: Transmissions) -> Floats:
        """Return what arrives of each frame at each gateway, shape (n, gateways)."""
        fading = self.model.path_loss.faded_db(self._sender_keys[air.sender], air.start_us, self._keys)
        return air.power_dbm[:, None] - self._loss_db[air.sender] + fading

    def ended(self, until_us: int | None = None) -> Ended:
        """Return the frames that have ended since the last call and until now (None: all of them)."""
        until = _FAR_US if until_us is None else np.int64(until_us)
        self._merge()
        air = self._known
        due = (air.end_us <= until) & (air.end_us > self._done_us)
        rssi = self.rssi_dbm(air)
        self._lock(air, rssi, until)
        outcome = np.zeros((0, len(self.gateways)), dtype=np.uint8)
        chosen = air.take(due)
        if len(chosen):
            outcome = self.model.heard(air, rssi)[due]
            self._deaf(chosen, outcome)
            outcome[(outcome == Outcome.RECEIVED) & ~self._found[due]] = Outcome.BUSY
        lora = chosen.sf != NOISE
        result = Ended(
            chosen.take(lora),
            outcome[lora],
            rssi[due][lora],
            self.model.snr_db(rssi[due][lora], chosen.bw_khz[lora], node=False),
        )
        self._done_us = max(self._done_us, until)
        self._forget()
        return result

    def waiting_until_us(self) -> int | None:
        """Return when the next frame that has no outcome yet will have ended, or None without one."""
        ends = [part.end_us.min() for part in self._pending]
        waiting = self._known.end_us > self._done_us
        if waiting.any():
            ends.append(self._known.end_us[waiting].min())
        return int(min(ends)) if ends else None

    def _merge(self) -> None:
        """Sort what has come in among what is known."""
        if not self._pending:
            return
        air = Transmissions.joined([self._known, *self._pending])
        old = len(self._known)
        self._pending = []
        order = np.argsort(air.start_us, kind="stable")
        extra = len(air) - old
        found = np.concatenate([self._found, np.zeros((extra, len(self.gateways)), dtype=np.bool_)])
        locked = np.concatenate([self._locked, np.zeros(extra, dtype=np.bool_)])
        self._known, self._found, self._locked = air.take(order), found[order], locked[order]

    def _lock(self, air: Transmissions, rssi: Floats, until: np.int64) -> None:
        """Give demodulators to the preambles seen until now, in their order."""
        fresh = np.flatnonzero((air.critical_us <= until) & ~self._locked & (air.sf != NOISE))
        if not len(fresh):
            return
        fresh = fresh[np.argsort(air.critical_us[fresh], kind="stable")]
        self._locked[fresh] = True
        lock_us, end_us = air.critical_us[fresh], air.end_us[fresh]
        audible = rssi[fresh] >= self.model.sensitivity_dbm(air.take(fresh), node=False)[:, None]
        audible &= ~air.inverted[fresh][:, None]
        for k, paths in enumerate(self._paths):
            heard = audible[:, k]
            self._found[fresh[heard], k] = paths.take(lock_us[heard], end_us[heard])

    def _deaf(self, air: Transmissions, outcome: NDArray[np.uint8]) -> None:
        for k, sending in enumerate(self._sending):
            if not sending:
                continue
            sending.sort()
            starts = np.array([row[0] for row in sending], dtype=np.int64)
            ends = np.maximum.accumulate(np.array([row[1] for row in sending], dtype=np.int64))
            after = np.searchsorted(ends, air.start_us, side="right")  # the first that ends later
            hit = (after < len(starts)) & (starts[np.minimum(after, len(starts) - 1)] < air.end_us)
            outcome[hit & (outcome[:, k] != Outcome.WEAK), k] = Outcome.DEAF

    def _forget(self) -> None:
        """Drop what can no longer overlap a frame without an outcome."""
        air = self._known
        waiting = air.end_us > self._done_us
        first_us = air.start_us[waiting].min() if waiting.any() else self._done_us
        keep = air.end_us > min(first_us, self._done_us)
        self._known, self._found, self._locked = air.take(keep), self._found[keep], self._locked[keep]
        for sending in self._sending:
            sending[:] = [row for row in sending if row[1] > min(first_us, self._done_us)]
