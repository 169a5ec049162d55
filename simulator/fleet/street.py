"""A fleet on the world's clock: measures in columns, sends frame by frame, hears what gateways answer.

    async with FleetStreet(FleetConfig(folder, planned, gateways, semtech_udp=("127.0.0.1", 1700))) as fleet:
        await fleet.run(until_us)
        fleet.tally()

It is a `simulator.interfaces.Population` like the street of real firmware, on the same `VirtualLoop`.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from simulator.channel import draws
from simulator.channel.forwarder import Forwarder
from simulator.channel.model import RadioModel
from simulator.city import Town
from simulator.fleet.air import BURST, FleetAir
from simulator.fleet.node import FleetNode, Habits
from simulator.fleet.sensors import LEAD_MS, KindSensors
from simulator.interfaces import City, Observer, Tally
from simulator.loop import VirtualLoop
from simulator.nodeproc import SimulatorError
from simulator.places import Place, Places
from simulator.plan import PlannedNode, write_provisioning
from wire.lorawan import airtime, eu868
from wire.record import OK, TIME_NETWORK, TIME_NEVER_SET, Record

_BOOT_US = 450_000
_KEEP_TICKS = 2000
_ACT, _CLOSE, _MEASURE, _POWER, _DOWN = range(5)
_EARLY = 1 << 40  # refs above it: records of a time before the clock was set
_KEEPALIVE_S, _STAT_S = 30.0, 60.0
_PATIENCE_S = 5.0  # of reality: a network server may be busy storing; or it is not there


@dataclass
class FleetConfig:
    """A fleet. power_on_s: within this time all are switched on. habits_of: by kind, beside the default.

    settle_ms: how often gateways are handed the frames that have ended. 250 leaves time for an answer in RX1
    after one second; with an RX1 delay of 5 s (lns.rx1_delay_s) 3000 does, and many share a commit.
    """

    folder: Path
    planned: Sequence[PlannedNode]
    gateways: Sequence[Place] = (Place("gateway", 0.0, 0.0, 30.0),)
    seed: int = 1
    semtech_udp: tuple[str, int] | None = None
    city: City | None = None
    radio: RadioModel = field(default_factory=RadioModel)
    habits: Habits = field(default_factory=Habits)
    habits_of: dict[str, Habits] = field(default_factory=dict[str, Habits])
    power_on_s: float = 60.0
    settle_ms: int = 250
    forwarder: Callable[..., Forwarder] = Forwarder


@dataclass(slots=True)
class _Tick:
    """Raw values of one kind at one time: row k is its k-th node."""

    time_s: int
    values: NDArray[np.int64]


class FleetStreet:
    """A running fleet; `nodes` by number. digest: a hash of every event so far."""

    def __init__(self, config: FleetConfig, *, on_event: Observer | None = None) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise SimulatorError("a fleet needs a VirtualLoop: run it with simulator.loop.run()")
        if any(node.transport != "lorawan" for node in config.planned):
            raise SimulatorError("planned: a fleet has LoRaWAN nodes only; give the others to a Street")
        self.loop = loop
        self.config = config
        self.planned = list(config.planned)
        self.start_us = loop.now_us()
        self.city: City = config.city if config.city is not None else Town(config.seed, self.start_us)
        self.air = FleetAir(config.radio, Places.of([n.place for n in self.planned]), config.gateways)
        self.air.on_downlink = self._on_downlink
        self._observer = on_event
        self._hash = hashlib.sha256()
        self._tally = Tally(nodes=len(self.planned))
        self._queue: list[tuple[int, int, int, int]] = []
        self._due = np.zeros(len(self.planned), dtype=np.int64).tolist()
        self._seqs: dict[int, dict[int, int]] = {}
        self._first: dict[int, NDArray[np.int64]] = {}  # what nodes will measure as they start
        self._early: list[dict[int, tuple[int, NDArray[np.int64]]]] = [{} for _ in self.planned]
        self._sleeps_us = 0
        self._awake: asyncio.Future[None] | None = None
        self._unheard = 0  # datagrams that nobody will acknowledge any more
        self._gave_up_at = -1  # acknowledgements by then
        self._downlinks: dict[int, tuple[bytes, float]] = {}
        self._down_number = 0
        self._hearing: dict[int, int] = {}
        self._make()
        write_provisioning(self.provisioning, self.planned)

    def _make(self) -> None:
        config = self.config
        self.nodes: list[FleetNode] = []
        self._kinds: dict[str, KindSensors] = {}
        self._rows: list[int] = []
        self._members: dict[str, list[int]] = {}
        for k, planned in enumerate(self.planned):
            habits = config.habits_of.get(planned.kind, config.habits)
            seed = draws.key(f"fleet/{config.seed}/{planned.dev_eui}")
            self.nodes.append(FleetNode(self, k, planned, habits, seed))
            members = self._members.setdefault(planned.kind, [])
            self._rows.append(len(members))
            members.append(k)
        for kind, members in self._members.items():
            nodes = [self.planned[k] for k in members]
            self._kinds[kind] = KindSensors(kind, nodes, self.city, self.start_us)
        self._ticks: dict[str, dict[int, _Tick]] = {kind: {} for kind in self._kinds}
        self._tick_of: dict[str, int] = {}

    @property
    def provisioning(self) -> Path:
        """The file that the gateway's `device add --from` reads."""
        return self.config.folder / "fleet.json"

    @property
    def digest(self) -> str:
        """Return the hash of all events so far."""
        return self._hash.hexdigest()

    async def __aenter__(self) -> FleetStreet:
        server = self.config.semtech_udp
        for k in range(len(self.config.gateways)):
            forwarder = self.config.forwarder(
                self.air.gateway(k),
                server or ("127.0.0.1", 9),
                self.loop.now_us,
                eui=(0x0000E2FFFE000001 + k).to_bytes(8, "big"),
                keepalive_s=_KEEPALIVE_S,
                stat_s=_STAT_S,
            )
            self.air.forwarders.append(forwarder)
            if server is not None:
                await forwarder.start()
        spread_us = self.config.power_on_s * 1e6 / max(1, len(self.nodes))
        order = np.argsort(draws.mixed(self.config.seed, np.arange(len(self.nodes))), kind="stable")
        starts_us = {k: self.start_us + round(i * spread_us) for i, k in enumerate(order.tolist())}
        for k, at_us in starts_us.items():
            self.switch(k, on=True, at_us=at_us)
        for kind, members in self._members.items():
            lead_us = _BOOT_US + LEAD_MS[kind] * 1000
            times = np.array([starts_us[k] + lead_us for k in members], dtype=np.int64)
            values = self._kinds[kind].measure_each(np.arange(len(members)), times)
            self._first.update(zip(members, values, strict=True))
        for kind in self._kinds:
            self._next_tick(kind, self.start_us)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for forwarder in self.air.forwarders:
            await forwarder.stop()

    def tally(self) -> Tally:
        """Return what has been done so far."""
        return self._tally

    def switch(self, node: int, *, on: bool, at_us: int | None = None) -> None:
        """Cut or give power; a node that comes back joins again."""
        at_us = self.loop.now_us() if at_us is None else at_us
        self._push((at_us, node, _POWER, int(on)))

    # -- the clock ---------------------------------------------------------------------------

    async def run(self, until_us: int, progress: Callable[[float], None] | None = None) -> None:
        """Let the fleet live until a time (microseconds UTC); progress is told the part done, 0 to 1."""
        begin_us = self.loop.now_us()
        told = 0
        tick_us = self.config.settle_ms * 1000
        while True:
            await self._sleep(self._next_us(until_us))
            now_us = self.loop.now_us()
            self._run_queue(now_us)
            end_us = self.air.next_end_us
            if end_us is not None and -(-end_us // tick_us) * tick_us <= now_us:
                await self.settle(now_us)
            part = (now_us - begin_us) * 200 // max(1, until_us - begin_us)
            if progress is not None and part > told:
                told = part
                progress(part / 200)
            if now_us >= until_us:
                return

    async def settle(self, now_us: int) -> None:
        """Hand what has ended on the air to the network server, as fast as it takes it."""
        for _ in self.air.settle(now_us):
            await self._acknowledged()

    async def _acknowledged(self) -> None:
        """Wait, in reality, until the network server has acknowledged about all that it was sent.

        A hundred thousand nodes that measure on the hour are heard by more gateways than a socket can hold
        datagrams of. On real lines they come one after the other.
        """
        forwarders = self.air.forwarders
        heard, until_s = -1, time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            now = sum([one.counters.push_acks for one in forwarders])
            pushed = sum([one.counters.pushed for one in forwarders])
            self._unheard = min(self._unheard, pushed - now)  # some were acknowledged after all
            if now == self._gave_up_at or pushed - now - self._unheard <= BURST // 2:
                return
            if now > heard:
                heard, until_s = now, time.monotonic() + _PATIENCE_S
            await asyncio.sleep(0)
        # Nobody is there, or a line is cut: not waited for again, nor anything else before somebody answers.
        self._gave_up_at = heard
        self._unheard = sum([one.counters.pushed for one in forwarders]) - heard

    async def _sleep(self, due_us: int) -> None:
        """Wait until a time, or until something earlier has come into the queue."""
        self._sleeps_us, self._awake = due_us, self.loop.create_future()
        timer = self.loop.call_at_us(due_us, _wake, self._awake)
        try:
            while not self._awake.done():
                await self._awake
                if self._sleeps_us < due_us and self.loop.now_us() < self._sleeps_us:
                    due_us, self._awake = self._sleeps_us, self.loop.create_future()
                    timer.cancel()
                    timer = self.loop.call_at_us(due_us, _wake, self._awake)
        finally:
            timer.cancel()

    def _push(self, entry: tuple[int, int, int, int]) -> None:
        """Put something into the queue, and wake whoever sleeps longer than that."""
        heapq.heappush(self._queue, entry)
        if entry[0] < self._sleeps_us:
            self._sleeps_us = entry[0]
            _wake(self._awake)

    def _next_us(self, until_us: int) -> int:
        """Return when something is next to be done: events at their time, ended frames at whole ticks."""
        due_us = until_us
        if self._queue:
            due_us = min(due_us, self._queue[0][0])
        end_us = self.air.next_end_us
        if end_us is not None:
            tick_us = self.config.settle_ms * 1000
            due_us = min(due_us, -(-end_us // tick_us) * tick_us)
        return due_us

    def _run_queue(self, now_us: int) -> None:
        queue = self._queue
        while queue and queue[0][0] <= now_us:
            at_us, k, what, argument = heapq.heappop(queue)
            if what == _MEASURE:
                if k >= 0:
                    self._measure_alone(k, at_us, argument)
                else:
                    self._measure_all(list(self._kinds)[-k - 1], at_us)
            elif what == _DOWN:
                self._heard(k, at_us, *self._downlinks.pop(argument))
            elif what == _POWER:
                self._power(k, at_us, on=bool(argument))
            elif self._due[k] == at_us:
                node = self.nodes[k]
                if what == _ACT:
                    node.act(at_us, self._next_measurement(node))
                elif self._hearing.get(k, 0) > at_us:  # a frame has begun in its window: it listens on
                    self.again(k, self._hearing[k] + 1, closing=True)
                else:
                    self._close(node)
                    if not node.repeat(at_us):
                        node.closed(at_us)

    # -- what nodes ask (simulator.fleet.node.World) -----------------------------------------

    def again(self, node: int, at_us: int, *, closing: bool = False) -> None:
        """Call a node at a time; a later call replaces the one before."""
        self._due[node] = at_us
        self._push((at_us, node, _CLOSE if closing else _ACT, 0))

    def transmit(self, node: int, at_us: int, freq_hz: int, dr: int, power_dbm: float, payload: bytes) -> int:
        """Put a frame on the air; return when it ends."""
        sf, bw = eu868.modulation(dr)
        air_us = airtime.time_on_air_us(sf, bw, len(payload))
        self.air.send(node, at_us, air_us, freq_hz, sf, power_dbm, payload)
        tally = self._tally
        tally.air_us += air_us
        if payload[0] >> 5:
            tally.frames += 1
        else:
            tally.joins += 1
        return at_us + air_us

    def listen(self, node: int, at_us: int, freq_hz: int, dr: int) -> None:
        """Open a receive window."""
        self.air.open_window(node, at_us, freq_hz, eu868.modulation(dr)[0])

    def _close(self, node: FleetNode) -> None:
        for at_us in node.windows:
            self.air.close_window(node.index, at_us)

    def wait_us(self, node: int, freq_hz: int, air_us: int, now_us: int) -> int:
        """Return how long the duty cycle wants silence."""
        return self.air.duty.wait_us(node, freq_hz, air_us, now_us)

    def event(self, node: int, at_us: int, kind: str, text: str = "") -> None:
        """Hash an event and tell the observer."""
        name = self.planned[node].name
        self._hash.update(f"{at_us} {name} {kind} {text}\n".encode())
        if self._observer is not None:
            self._observer(at_us, name, kind, text)

    def record(self, node: int, ref: int) -> Record:
        """Return the record of a ref."""
        fleet_node = self.nodes[node]
        seq = self._seqs[ref][node] if ref in self._seqs else self._early_seq(node, ref)
        kind = self.planned[node].kind
        ids = self._kinds[kind].ids
        if ref >= _EARLY:
            at_us, values = self._early[node][ref]
            known = fleet_node.time_known
            time_s = (at_us if known else at_us - fleet_node.power_on_us) // 1_000_000
            quality = TIME_NETWORK if known else TIME_NEVER_SET
            row = values
        else:
            tick = self._ticks[kind][ref]
            time_s, quality, row = tick.time_s, TIME_NETWORK, tick.values[self._rows[node]]
        return Record(seq, time_s, quality, [(i, v, OK) for i, v in zip(ids, row.tolist(), strict=True)])

    def _early_seq(self, node: int, ref: int) -> int:
        return ref & 0xFFFFFFFF

    # -- measuring ---------------------------------------------------------------------------

    def _power(self, k: int, at_us: int, *, on: bool) -> None:
        node = self.nodes[k]
        if not on:
            self._due[k] = 0
            node.power_off(at_us)
            return
        up_us = at_us + _BOOT_US
        node.power_on(up_us)
        self.air.duty.book_half(k, up_us)
        lead_us = LEAD_MS[node.planned.kind] * 1000
        self._push((up_us + lead_us, k, _MEASURE, 0))

    def _measure_alone(self, k: int, at_us: int, argument: int) -> None:
        """A node whose clock is not set yet measures by its uptime, or for the first time."""
        node = self.nodes[k]
        if not node.powered or (argument and node.time_known):
            return
        kind = self._kinds[node.planned.kind]
        values = self._first.pop(k, None) if not argument else None
        if values is None:
            values = kind.measure(at_us, np.array([self._rows[k]], dtype=np.int64))[0]
        seq = node.outbox.next_seq
        ref = _EARLY + seq
        self._early[k][ref] = (at_us, values)
        node.measured(ref, 0, at_us)
        self._tally.records += 1
        interval_us = node.habits.interval_s * 1_000_000
        uptime_us = at_us - node.power_on_us
        next_us = node.power_on_us + (uptime_us // interval_us + 1) * interval_us
        if next_us - at_us < interval_us // 10:
            next_us += interval_us
        self._push((next_us, k, _MEASURE, 1))
        node.plan(at_us)

    def _next_tick(self, kind: str, now_us: int) -> None:
        """Plan the next measurement of all nodes of a kind that know the time."""
        index = list(self._kinds).index(kind)
        habits = self.config.habits_of.get(kind, self.config.habits)
        interval_us = habits.interval_s * 1_000_000
        at_us = (now_us // interval_us + 1) * interval_us
        self._tick_of[kind] = at_us
        self._push((at_us, -index - 1, _MEASURE, 0))

    def _next_measurement(self, node: FleetNode) -> tuple[int, int]:
        """Return when the next acquisition of a node begins and ends; it may have begun."""
        lead_us = LEAD_MS[node.planned.kind] * 1000
        if node.time_known:
            end_us = self._tick_of[node.planned.kind]
            return end_us - lead_us, end_us
        interval_us = node.habits.interval_s * 1_000_000
        uptime_us = self.loop.now_us() - node.power_on_us
        end_us = node.power_on_us + (uptime_us // interval_us + 1) * interval_us
        return end_us - lead_us, end_us

    def _measure_all(self, kind: str, at_us: int) -> None:
        sensors = self._kinds[kind]
        ticks = self._ticks[kind]
        ref = at_us // 1_000_000
        due = [k for k in self._members[kind] if self.nodes[k].powered and self.nodes[k].time_known]
        self._next_tick(kind, at_us)
        if not due:
            return
        ticks[ref] = _Tick(ref, sensors.measure(at_us))
        seqs = self._seqs.setdefault(ref, {})
        for k in due:
            node = self.nodes[k]
            seqs[k] = node.measured(ref, ref, at_us)
            node.plan(at_us)
        self._tally.records += len(due)
        if len(ticks) > _KEEP_TICKS:
            oldest = next(iter(ticks))
            del ticks[oldest]
            self._seqs.pop(oldest, None)

    def _on_downlink(self, k: int, end_us: int, phy: bytes, snr_db: float) -> None:
        self._down_number += 1
        self._downlinks[self._down_number] = phy, snr_db
        self._hearing[k] = max(end_us, self._hearing.get(k, 0))
        self._push((end_us, k, _DOWN, self._down_number))

    def _heard(self, k: int, end_us: int, phy: bytes, snr_db: float) -> None:
        node = self.nodes[k]
        if not node.busy or not node.powered:
            return
        self._tally.downlinks += 1
        windows = node.windows
        node.heard(end_us, phy, snr_db)
        if node.windows != windows or not node.busy:
            for at_us in windows:
                self.air.close_window(k, at_us)


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
