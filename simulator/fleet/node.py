"""One node of a fleet: when it measures, what it says next, and what it does with an answer.

The rules of firmware/node/core.py and lora_link.py without the hardware: first measure, then send; hold
records until the time is known; a confirmed uplink every so often; spare air for what is asked again.
Times are microseconds UTC.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol, cast

from simulator.fleet.mac import Chance, Downlink, Mac
from simulator.fleet.outbox import Frame, Outbox
from simulator.fleet.telling import status_payload
from simulator.plan import PlannedNode
from wire import backfill, ports
from wire.errors import WireError
from wire.lorawan import airtime, eu868
from wire.measurements import BATTERY
from wire.record import TIME_NETWORK, TIME_NEVER_SET, Record

MS = 1000
_TIME_TRIES = 3
_RETRY_MS, _RETRY_MAX_MS = 2000, 600_000
_BUDGET, _LEAST = 90, 3  # of 10,000
_HOUR_MS = 3_700_000
_LISTEN_MS = 8000
_TIME_RETRY_MS = 15_000
_TIME_LATER_MS, _TIME_DOUBLINGS = 240_000, 4
_SPREAD_PART = 10
_JITTER_MS = 3000
_TRIES = 4
_REJOIN_AFTER, _REJOIN_EVERY = 4, 12
_JOIN_PAUSE_MS, _JOIN_DOUBLINGS = 4000, 6
_MAC_BYTES = 13
_JOIN_LENGTH = 23
_ANTENNA_CDB = 215
_CLOSED_US = 250_000  # after RX2 has opened nobody begins any more
_WORTH_WAITING_US = 10_000_000
NEVER_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Habits:
    """What a node's configuration says; the names are those of config.json."""

    interval_s: int = 900
    batch: int = 4
    codec: int = 2
    confirm_every: int = 16
    status_s: int = 86_400
    time_s: int = 86_400


class World(Protocol):
    """What a node needs of its fleet."""

    def transmit(self, node: int, at_us: int, freq_hz: int, dr: int, power_dbm: float, payload: bytes) -> int:
        """Put a frame on the air; return when it ends."""
        ...

    def listen(self, node: int, at_us: int, freq_hz: int, dr: int) -> None:
        """Open a receive window."""
        ...

    def wait_us(self, node: int, freq_hz: int, air_us: int, now_us: int) -> int:
        """Return how long the duty cycle wants silence."""
        ...

    def again(self, node: int, at_us: int, *, closing: bool = False) -> None:
        """Call `act`, or `closed`, at a time; a later call replaces the one before."""
        ...

    def record(self, node: int, ref: int) -> Record:
        """Return what was measured at a tick."""
        ...

    def event(self, node: int, at_us: int, kind: str, text: str = "") -> None:
        """Tell the observer."""
        ...


@dataclass(slots=True)
class _Flight:
    """An exchange that is under way."""

    phy: bytes
    joining: bool
    port: int | None
    frame: Frame | None
    confirmed: bool
    tries: int
    dr: int
    acked: bool = False
    heard: bool = False


class FleetNode:
    """One node; `index` is its number in the fleet."""

    __slots__ = (
        "_link_at_us", "_live_air_ms", "again_at_us", "boots", "chance", "failures", "flight", "habits",
        "index", "last_failure", "link_failures", "mac", "more", "newest", "outbox", "planned", "power_on_us",
        "powered", "records", "rejoin", "since_confirm", "status_due_us", "time_due_us", "time_known",
        "time_set_us", "time_tries", "unconfirmed", "windows", "world",
    )  # fmt: skip

    def __init__(self, world: World, index: int, planned: PlannedNode, habits: Habits, seed: int) -> None:
        self.world = world
        self.index = index
        self.planned = planned
        self.habits = habits
        self.chance = Chance(seed)
        self.mac = Mac(planned.dev_eui, planned.join_eui, planned.app_key, self.chance)
        self.boots = 0
        self.outbox = Outbox(habits.codec, habits.batch)
        self.records = 0
        self.powered = False
        self.flight: _Flight | None = None
        self._reset(0)

    def _reset(self, now_us: int) -> None:
        """What a start begins with: the session and the log survive, the clock does not."""
        self.power_on_us = now_us
        self.time_known = False
        self.time_set_us = 0
        self.newest: int | None = None
        self.time_tries = self.failures = self.link_failures = self.last_failure = 0
        self.unconfirmed = 0
        self.rejoin = self.more = False
        self.since_confirm = self.habits.confirm_every
        self.status_due_us = self.time_due_us = now_us
        self.again_at_us = 0
        self._live_air_ms = 0
        self._link_at_us = now_us + self.chance.below(_JITTER_MS) * MS
        self.windows: tuple[int, int] = (0, 0)

    def power_on(self, now_us: int) -> None:
        """Start: the first acquisition is due at once."""
        self.powered = True
        self.flight = None
        self._reset(now_us)
        self.records = 0
        self.boots += 1
        self.world.event(self.index, now_us, "power_on")

    def power_off(self, now_us: int) -> None:
        """Cut the power."""
        self.powered = False
        self.flight = None
        self.world.event(self.index, now_us, "power_off")

    @property
    def busy(self) -> bool:
        """Tell whether an exchange is under way."""
        return self.flight is not None

    # -- measuring ---------------------------------------------------------------------------

    def measured(self, ref: int, time_s: int, now_us: int) -> int:
        """Take a record; return its number."""
        interval_s = self.habits.interval_s
        slot = (time_s + interval_s // 2) // interval_s if self.time_known else 0
        seq = self.outbox.take_seq(slot)
        self.outbox.add(ref, seq)
        self.newest = ref
        if self.records:
            spread_ms = interval_s * 1000 // _SPREAD_PART
            self._link_at_us = max(self._link_at_us, now_us + self.chance.below(spread_ms) * MS)
        self.records += 1
        return seq

    # -- what next ---------------------------------------------------------------------------

    def _holding(self) -> bool:
        return not self.time_known and self.time_tries < _TIME_TRIES

    def _again_waits(self) -> bool:
        box = self.outbox
        return bool(box.again or box.gone or box.skipped) and not box.in_doubt and not self._holding()

    @property
    def _called(self) -> bool:
        return self.mac.joined and not self.rejoin and (self.more or self.mac.owes)

    def plan(self, now_us: int) -> None:
        """Say when the node next wants the air."""
        if not self.powered or self.flight is not None:
            return
        wanted_us = min(self.status_due_us, self.time_due_us)
        if self._again_waits():
            wanted_us = min(wanted_us, self.again_at_us)
        if self._called or (self.outbox.ripe and not self._holding()):
            wanted_us = now_us
        self.world.again(self.index, max(wanted_us, self._link_at_us, now_us))

    def act(self, now_us: int, measures_us: tuple[int, int]) -> None:
        """Do one thing on the air, if there is room before the next measurement (its begin and its end)."""
        if not self.powered or self.flight is not None:
            return
        if measures_us[0] - now_us < _LISTEN_MS * MS:
            self.world.again(self.index, max(measures_us[1], now_us) + 1_000_000)
            return
        if not self.mac.joined or self.rejoin:
            self._join(now_us)
        else:
            self._send_one(now_us)

    def _pause(self, now_us: int, good: bool) -> None:
        """Say when the node may next use the air."""
        pause_ms = 0
        if good:
            self.failures = 0
        else:
            longest_ms = min(self.habits.interval_s * 500, _RETRY_MAX_MS)
            pause_ms = min(_RETRY_MS << min(self.failures, 9), longest_ms)
            pause_ms += self.chance.below(pause_ms // 2)
            self.failures += 1
        self._link_at_us = now_us + max(pause_ms * MS, self._wait_us(now_us))
        self.plan(now_us)

    def _wait_us(self, now_us: int) -> int:
        mac = self.mac
        if not mac.joined:
            return 0
        sf, bw = eu868.modulation(mac.dr)
        air_us = airtime.time_on_air_us(sf, bw, eu868.max_phy(mac.dr))
        return min(
            self.world.wait_us(self.index, mac.channels[k][0], air_us, now_us)
            for k in mac.usable() or (0, 1, 2)
        )

    # -- join --------------------------------------------------------------------------------

    def _join(self, now_us: int) -> None:
        self.rejoin = False
        mac = self.mac
        sf, bw = eu868.modulation(mac.join_dr())
        air_us = airtime.time_on_air_us(sf, bw, _JOIN_LENGTH)
        wait_us = self.world.wait_us(self.index, eu868.JOIN_CHANNELS_HZ[0], air_us, now_us)
        if wait_us > 0:
            self._link_at_us = now_us + wait_us
            self.plan(now_us)
            return
        attempts = mac.attempts
        phy, freq_hz, dr = mac.join_request()
        self.flight = _Flight(phy, True, None, None, False, 1, dr)
        pause_ms = _JOIN_PAUSE_MS << min(attempts, _JOIN_DOUBLINGS)
        self._link_at_us = now_us + (pause_ms + pause_ms * self.chance.below(256) // 256) * MS
        self.world.event(self.index, now_us, "join", f"DR{dr}")
        end_us = self.world.transmit(self.index, now_us, freq_hz, dr, _conducted_dbm(0), phy)
        delay_us = eu868.JOIN_ACCEPT_DELAY1_S * 1_000_000
        self._listen(end_us + delay_us, (freq_hz, dr), (eu868.RX2_FREQ_HZ, eu868.RX2_DR))

    # -- uplinks -----------------------------------------------------------------------------

    def _send_one(self, now_us: int) -> None:
        """Send the status if it is due, else an answer, else records, else what was asked for."""
        if now_us >= self.time_due_us:
            self.mac.request_time()
            self.time_tries += 1
            self.time_due_us = now_us + self._time_pause_us()
            waits = self.outbox.ripe if self.time_known else self.time_tries > _TIME_TRIES
            if not waits:
                self.status_due_us = now_us
        limit, now_s = self.mac.max_payload(), now_us // 1_000_000 if self.time_known else None
        if now_us >= self.status_due_us:
            self.status_due_us = now_us + self.habits.status_s * 1_000_000
            self._deliver(now_us, ports.STATUS, self._status(now_us))
            return
        if self._called:
            self._deliver(now_us, None, b"")
            return
        if not self._holding():
            frame = self.outbox.frame(self._fetch, limit, now_s)
            if frame is not None:
                self._live_air_ms = self._air_ms(len(frame.payload))
                self._deliver(now_us, ports.RECORDS, frame.payload, frame)
                return
        if self._again_waits() and now_us >= self.again_at_us:
            self._send_again(now_us, limit, now_s)
            return
        self._link_at_us = max(self._link_at_us, now_us + 1_000_000)
        self.plan(now_us)

    def _time_pause_us(self) -> int:
        pause_us = self.habits.time_s * 1_000_000
        if self.time_known:
            return pause_us
        late = self.time_tries - _TIME_TRIES
        wait_ms = _TIME_RETRY_MS if late < 0 else _TIME_LATER_MS << min(late, _TIME_DOUBLINGS)
        return min(wait_ms * MS, pause_us) + self.chance.below(_TIME_RETRY_MS) * MS

    def _send_again(self, now_us: int, limit: int, now_s: int | None) -> None:
        frame = self.outbox.again_frame(self._fetch, limit, now_s)
        if frame is not None:
            port, payload = ports.RECORDS, frame.payload
        else:
            told = self.outbox.told()
            if told is None or len(told) > limit:
                self.again_at_us = now_us + _RETRY_MAX_MS * MS
                self.plan(now_us)
                return
            port, payload = ports.COMMANDS, told
        budget = _BUDGET if now_us - self.power_on_us > _HOUR_MS * MS else _BUDGET // 2
        every_ms = self.habits.interval_s * self.habits.batch * 1000
        spare = max(budget - self._live_air_ms * 10_000 // every_ms, _LEAST)
        self.again_at_us = now_us + self._air_ms(len(payload)) * 10_000 // spare * MS
        self._deliver(now_us, port, payload, frame)

    def _fetch(self, ref: int) -> Record:
        return self.world.record(self.index, ref)

    def _air_ms(self, length: int) -> int:
        sf, bw = eu868.modulation(self.mac.dr)
        return airtime.time_on_air_us(sf, bw, length + _MAC_BYTES) // 1000

    def _status(self, now_us: int) -> bytes:
        """Return the status uplink of a healthy node."""
        age_h = (now_us - self.time_set_us) // 3_600_000_000 if self.time_known else 255
        return status_payload(
            self.planned,
            asdict(self.habits),
            self.mac.max_payload(),
            boots=self.boots,
            battery_mv=self._battery_mv(),
            uptime_s=(now_us - self.power_on_us) // 1_000_000,
            waiting=len(self.outbox.unsent) + len(self.outbox.again),
            failures=self.link_failures,
            last_failure=self.last_failure,
            time_age_h=min(255, age_h),
        )

    def _battery_mv(self) -> int:
        """Return the battery of the newest record, 0 where none is measured."""
        if self.newest is None:
            return 0
        readings = cast("list[tuple[int, int, int]]", self.world.record(self.index, self.newest).readings)
        return next((raw for measurement, raw, _ in readings if measurement == BATTERY), 0)

    def _deliver(self, now_us: int, port: int | None, payload: bytes, frame: Frame | None = None) -> None:
        ask = port is not None and (
            self.unconfirmed > 0 or self.since_confirm + 1 >= self.habits.confirm_every
        )
        self.more = False
        phy = self.mac.uplink(port, payload, ask)
        tries = max(self.mac.nb_trans, 1 if self.unconfirmed else _TRIES) if ask else self.mac.nb_trans
        self.flight = _Flight(phy, False, port, frame, ask, tries, self.mac.dr)
        if frame is not None:
            self.outbox.left(frame)
        self.world.event(
            self.index, now_us, "uplink", f"port {port} fcnt {self.mac.fcnt_up - 1} {payload.hex()}"
        )
        self._transmit(now_us)

    def _transmit(self, now_us: int) -> None:
        flight, mac = self.flight, self.mac
        assert flight is not None
        flight.tries -= 1
        freq_hz = mac.pick_channel()
        end_us = self.world.transmit(
            self.index, now_us, freq_hz, flight.dr, _conducted_dbm(mac.tx_power), flight.phy
        )
        rx1 = mac.rx1_freq_hz, eu868.rx1_data_rate(flight.dr, mac.rx1_dr_offset)
        self._listen(end_us + mac.rx1_delay_s * 1_000_000, rx1, (mac.rx2_freq_hz, mac.rx2_dr))

    def _listen(self, at_us: int, rx1: tuple[int, int], rx2: tuple[int, int]) -> None:
        self.windows = (at_us, at_us + 1_000_000)
        self.world.listen(self.index, at_us, *rx1)
        self.world.listen(self.index, at_us + 1_000_000, *rx2)
        self.world.again(self.index, at_us + 1_000_000 + _CLOSED_US, closing=True)

    # -- answers -----------------------------------------------------------------------------

    def heard(self, now_us: int, phy: bytes, snr_db: float) -> None:
        """Take a frame that ended in one of the windows."""
        flight = self.flight
        if flight is None or not self.powered:
            return
        if flight.joining:
            if self.mac.take_join_accept(phy):
                self.world.event(self.index, now_us, "joined", f"DR{self.mac.dr}")
                self.unconfirmed = 0
                self.since_confirm = self.habits.confirm_every
                flight.heard = True
                self.closed(now_us)
            return
        down = self.mac.take(phy)
        if down is None:
            return
        self.mac.snr_db = round(snr_db)
        flight.heard = True
        flight.acked = flight.acked or down.acknowledges
        self.more = down.more
        self.world.event(self.index, now_us, "downlink", f"port {down.port} {down.payload.hex()}")
        self._take(now_us, down)
        if not flight.confirmed or flight.acked:
            flight.tries = 0
        self.closed(now_us)

    def _take(self, now_us: int, down: Downlink) -> None:
        if down.time_ms is not None:
            self.time_known = True
            self.time_set_us = now_us
            self.time_tries = 0
            self.time_due_us = now_us + self.habits.time_s * 1_000_000
        if down.port == ports.COMMANDS and down.payload[:1] == bytes([backfill.SEND_RECORDS]):
            try:
                ranges = cast("list[tuple[int, int]]", backfill.unpack_ranges(down.payload)[1])
            except WireError:
                return
            for first, end in ranges:
                self.outbox.want(first, end)

    def closed(self, now_us: int) -> None:
        """The windows are over: repeat, or draw the conclusions."""
        flight = self.flight
        if flight is None or not self.powered:
            return
        if flight.tries > 0 and not flight.joining and (not flight.heard or flight.confirmed):
            pause_ms = eu868.RETRANSMIT_MIN_MS + self.chance.below(2000)
            self.world.again(self.index, now_us + pause_ms * MS, closing=True)
            self.windows = (0, 0)
            flight.heard = False
            return
        self.flight = None
        if flight.joining:
            if not flight.heard:
                self.link_failures += 1
                self.last_failure = 1
            at_us = self._link_at_us
            self._pause(now_us, flight.heard or self.mac.joined)
            if not flight.heard and at_us > self._link_at_us:
                self._link_at_us = at_us  # the join's own pause
                self.plan(now_us)
            return
        if not flight.heard:
            self.mac.silence()
        self._confirmation(flight)
        self._pause(now_us, True)

    def repeat(self, now_us: int) -> bool:
        """Transmit the same frame once more, if that is what is waited for."""
        if self.flight is None or self.windows != (0, 0):
            return False
        if self._wait_us(now_us) > _WORTH_WAITING_US:
            self.flight.tries = 0
            self.closed(now_us)
        else:
            self._transmit(now_us)
        return True

    def _confirmation(self, flight: _Flight) -> None:
        if flight.port is None:
            return
        if not flight.confirmed:
            self.since_confirm += 1
        elif flight.acked:
            self.since_confirm = self.unconfirmed = 0
            self.outbox.confirm(flight.frame)
        else:
            self.unconfirmed += 1
            self.link_failures += 1
            self.last_failure = 2
            self.rejoin = self.unconfirmed % _REJOIN_EVERY == _REJOIN_AFTER
            self.outbox.go_back()

    def time_quality(self) -> int:
        """Return the quality of the time that records carry now."""
        return TIME_NETWORK if self.time_known else TIME_NEVER_SET


def _conducted_dbm(tx_power: int) -> float:
    """Return what the radio is asked for: the EIRP of a TXPower index less the antenna's gain."""
    return float((eu868.eirp_dbm(tx_power) * 100 - _ANTENNA_CDB) // 100)
