"""A scenario brought to life: real firmware, a house behind it, faults on time, accounts at the end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import shlex
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from simulator.channel.model import RadioModel
from simulator.chips.base import Source
from simulator.city import Town
from simulator.ledger import Seen
from simulator.nodeproc import SimulatorError
from simulator.plan import plan_groups, write_provisioning
from simulator.stage.accounts import Accounts, settle
from simulator.stage.addresses import address, local, nobodys_port
from simulator.stage.air import AirFaults, StageForwarder
from simulator.stage.events import EventLog
from simulator.stage.faults import Fault
from simulator.stage.flashlog import Kept
from simulator.stage.hosts import Hosts
from simulator.stage.houses import house_class
from simulator.stage.lockstep import PATIENCE_S, HouseProcess, StageLoop, run_stage
from simulator.stage.map import state
from simulator.stage.mosquitto import Mosquitto
from simulator.stage.overlay import Overlay
from simulator.stage.region import play_region
from simulator.stage.result import Progress, Result
from simulator.stage.scenario import Scenario
from simulator.stage.sinks import HttpSink
from simulator.stage.units import duration_us
from simulator.street import BROKER, Street, StreetConfig

_FLUSH_S = 10.0
_STAGGER_US = 137_000
_APART_US = 5_000_000  # between two acquisitions
_OFF_BEAT_US = 1_237  # faults do not fall on the instants at which timers of others are due
_PATIENCE_S = 0.5  # of reality, for answers of a broker that is not ours
_CATCH_UP_US = 3_000_000
_ASKED_AGAIN_S = 3600
_ASKED_THRICE_S = 3 * 3600
_BROKER_ANSWERS_S = 0.05  # of reality; most of what a client says to a broker has no answer
BROKER_SPEED = 60.0  # virtual seconds a second, where a broker of its own process lives in real time
_ROUND_INTERVALS, _ROUND_MOST_S = 1000, 5 * 86_400.0  # within it no record log goes round


class Stage:
    """One run. `await run()` inside a `StageLoop`; `play` does both."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        *,
        reproduce: str = "",
        progress: Progress | None = None,
        on_ready: Callable[[dict[str, int]], None] | None = None,
    ) -> None:
        """folder: for events.jsonl, street.json, the nodes and the gateway. reproduce: the command line."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StageLoop)
        self.loop, self.scenario, self.folder = loop, scenario, folder
        self.house: HouseProcess | None = None
        self.overlays: dict[str, Overlay] = {}
        self.struck: dict[int, list[str]] = {}
        self.worn: set[str] = set()
        self.platform: HttpSink | None = None
        self.broker: Mosquitto | None = None
        self._stack = contextlib.ExitStack()
        self.lock: sqlite3.Connection | None = None
        self.stopping = asyncio.Event()
        self.acked: set[bytes] = set()
        self._reproduce, self._progress, self._on_ready = reproduce, progress, on_ready
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: asyncio.Future[None] = loop.create_future()
        self._lost_frames = 0
        self._radios: dict[int, str] = {}
        self._stored_us: dict[str, int] = {}
        self._published: dict[str, Any] = {}
        self._final: dict[str, str] | None = None
        self._counters: Counter[str] = Counter()
        self._clock_lied = False
        folder.mkdir(parents=True, exist_ok=True)
        self.events = EventLog(folder / "events.jsonl", scenario.events)
        self._flood: socket.socket | None = None
        self._kept: dict[str, Kept] = {}
        self._town = Town(scenario.seed) if scenario.city == "town" else None

    # -- what faults use -------------------------------------------------------------------------
    def now_us(self) -> int:
        """Return the world's time."""
        return self.loop.now_us()

    async def sleep_us(self, us: int) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(us / 1e6)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen beside the rest; what it raises ends the run."""
        task = self.loop.create_task(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and task.exception() is not None and not self._failure.done():
                self._failure.set_exception(task.exception() or RuntimeError("?"))

        task.add_done_callback(done)

    async def ask_house(self, name: str, *arguments: Any) -> Any:
        """Call something of the house; nothing when there is none, or it does not run."""
        if self.house is not None and self.house.pid is not None:
            return await self.house.call(name, *arguments)
        return None

    def kill_house(self) -> None:
        """kill -9 of the gateway."""
        if self.house is not None and self.house.pid is not None:
            self.house.kill()

    async def start_house(self) -> None:
        """Start the gateway again, at the same ports."""
        if self.house is not None and self.house.pid is None:
            await self.house.start()
            self.events.add(self.now_us(), "gateway", "gateway", "started")

    def broker_away(self, away: bool) -> None:
        """Let the broker refuse, or be there again."""
        there = self.street.config.mqtt
        if there is None:
            return
        self.street.wifi.hosts[BROKER] = ("127.0.0.1", nobodys_port()) if away else there
        if away:
            for node in self.street.nodes.values():
                node.drop_connections()
            self.loop.sent()

    def datagram(self, data: bytes) -> None:
        """Send a stranger's datagram to the gateway's UDP port."""
        if self._flood is None or self.street.config.semtech_udp is None:
            return
        with contextlib.suppress(OSError):
            self._flood.sendto(data, self.street.config.semtech_udp)
        self.loop.sent()

    def states(self) -> dict[str, str]:
        """Return how each site is: good, late, off, new."""
        now_us = self.now_us()
        if self._final is not None:
            return self._final
        found: dict[str, str] = {}
        for planned in self.street.planned if hasattr(self, "street") else []:
            last_us = self._stored_us.get(planned.site_id)
            age_s = None if last_us is None else (now_us - last_us) / 1e6
            found[planned.site_id] = state(
                self.street.nodes[planned.site_id].state, age_s, planned.interval_s or 300
            )
        return found

    # -- life ------------------------------------------------------------------------------------
    async def run(self) -> Result:
        """Live the scenario and settle the accounts."""
        began_s = time.monotonic()
        scenario = self.scenario
        planned = plan_groups(scenario.nodes, scenario.seed)
        write_provisioning(self.folder / "street.json", planned)
        ports = await self._start_house()
        udp = address(scenario.gateway.semtech_udp) or local(ports, "semtech_udp")
        mqtt = address(scenario.gateway.mqtt) or local(ports, "broker")
        if self.broker is not None:
            mqtt = self.broker.address
        self.street = Street(
            StreetConfig(
                folder=self.folder,
                seed=scenario.seed,
                semtech_udp=udp,
                mqtt=mqtt,
                planned=planned,
                radio=None if scenario.radio.model == "ideal" else RadioModel(),
                city=self._town,
                forwarder=partial(StageForwarder, slack_us=scenario.slack_us),
                around=self._around,
                power_on=False,
                patience_s=_PATIENCE_S if scenario.gateway.mqtt or scenario.gateway.broker else 0.0,
                overrides=scenario.overrides,
            ),
            on_event=self._on_node,
        )
        radio, channel = scenario.radio, self.street.channel
        if isinstance(channel, IdealChannel):
            channel.rssi_dbm, channel.snr_db = radio.rssi_dbm, radio.snr_db
        self.air = AirFaults(channel, radio.loss_percent, scenario.seed, self._on_frame)
        failures: list[str] = []
        self._flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._flood.setblocking(False)
        if self._on_ready is not None:
            self._on_ready(ports)
        start_us = self.loop.now_us()
        try:
            async with self.street:
                self._listen()
                await self._live(start_us)
                self._final = self.states()
                for node in self.street.nodes.values():
                    node.power_off()
            await self.sleep_us(_CATCH_UP_US)
            if self.house is not None:
                if self.house.pid is None:
                    await self.start_house()
                    await self.sleep_us(_CATCH_UP_US)
                await self.house.call("drained")
                if self.platform is not None:
                    self._published = await self.house.call("publishers")
        finally:
            for task in list(self._tasks):
                task.cancel()
            self._flood.close()
            self._stack.close()
            if self.house is not None:
                await self.house.stop()
            if self.broker is not None:
                self.broker.kill(signal.SIGTERM)
        self.events.close()
        accounts = self._settle(planned) if self.house is not None else None
        if accounts is not None and not accounts.balanced:
            failures.append(f"the accounts do not balance: {accounts.as_dict()['wrong']}")
        house = self.house
        return Result(
            scenario=scenario.title,
            seed=scenario.seed,
            nodes=len(planned),
            virtual_s=(self.loop.now_us() - start_us) / 1e6,
            real_s=round(time.monotonic() - began_s, 3),
            events=dict(sorted(self.events.counts.items())),
            sha256=self.events.sha256,
            accounts=accounts.as_dict() if accounts else None,
            counters=dict(sorted(self._counters.items())),
            rss_mb={"gateway": round(house.max_rss_kib / 1024, 1)} if house else {},
            flash=self._worst_flash(),
            house_starts=house.starts if house else 0,
            house_steps=house.steps if house else 0,
            platform=self._of_platform(),
            bus_transactions=self.street.transactions(),
            stopped_early=self.stopping.is_set(),
            failures=failures,
            reproduce=self._reproduce,
        )

    async def _live(self, start_us: int) -> None:
        scenario = self.scenario
        settle_us = duration_us(scenario.settle, "settle", 0)
        whole_us = scenario.until_us
        scripts = scenario.scripts
        for at, fault in enumerate(scripts):
            rng = random.Random(f"{scenario.seed}/{at}/{fault.name}")  # noqa: S311 - a repeatable draw
            for n, (begin_us, end_us) in enumerate(fault.occurrences(rng, whole_us - settle_us)):
                seed = f"{scenario.seed}/{at}/{fault.name}/{n}"
                from_us = start_us + _OFF_BEAT_US + begin_us
                self.spawn(self._play(fault, from_us, from_us + end_us - begin_us, seed))
        await self.sleep_us(_OFF_BEAT_US + 1)  # what begins with the start comes before power
        for planned in self.street.planned:
            node = self.street.nodes[planned.site_id]
            if node.state == "off":
                node.power_on(start_us + 2000 + planned.index * _STAGGER_US)
            self._kept[planned.site_id] = Kept(node.folder / "partition-log.bin")
        self.spawn(self._look_at_flash())
        if scenario.hosts:
            self.spawn(self._hosts().run(self.now_us))
        end_us = start_us + whole_us
        living = asyncio.ensure_future(self.street.world.run_until(end_us))
        stopping = asyncio.ensure_future(self.stopping.wait())
        telling = asyncio.ensure_future(self._tell(start_us, end_us))
        try:
            done, _ = await asyncio.wait(
                {living, stopping, self._failure}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            for task in (living, stopping, telling):
                task.cancel()
            await asyncio.wait({living, stopping, telling})

    async def _tell(self, start_us: int, end_us: int) -> None:
        while True:
            self.events.flush(self.now_us())
            if self._progress is not None:
                counts = self.events.counts
                note = f"{counts['radio.up']} frames, {counts['store.record']} records stored"
                self._progress(self.now_us() - start_us, end_us - start_us, note)
            flush_s = max(_FLUSH_S, self.scenario.slack_us / 1e6)
            await asyncio.sleep(flush_s if self.loop.speed is None else max(0.5 * self.loop.speed, 0.5))

    def _hosts(self) -> Hosts:
        def told(site_id: str, on: bool) -> None:
            self.events.add(self.now_us(), "node", site_id, "router", on=on)

        town = self._town or Town(self.scenario.seed)
        return Hosts(town, self.street.planned, self.street.nodes, told)

    async def _look_at_flash(self) -> None:
        """Count what the nodes' flash holds before newer records take its place."""
        shortest_s = min(planned.interval_s or 300 for planned in self.street.planned)
        while True:
            await asyncio.sleep(min(_ROUND_INTERVALS * shortest_s, _ROUND_MOST_S))
            for kept in self._kept.values():
                kept.look()

    async def _play(self, fault: Fault, begin_us: int, end_us: int, seed: str) -> None:
        await asyncio.sleep(max(0, begin_us - self.now_us()) / 1e6)
        if fault.name in ("wrong_time_server", "wrong_gateway_clock", "clock_drift"):
            self._clock_lied = True
        text = await fault.begin(self, random.Random(seed))  # noqa: S311
        self.events.add(self.now_us(), "fault", fault.name, "begins", text=text)
        if end_us > begin_us:
            await asyncio.sleep(max(0, end_us - self.now_us()) / 1e6)
            await fault.end(self)
            self.events.add(self.now_us(), "fault", fault.name, "ends")

    # -- parts -----------------------------------------------------------------------------------
    async def _start_house(self) -> dict[str, int]:
        gateway = self.scenario.gateway
        if not gateway.house:
            return {}
        publish = dict(gateway.publish)
        if self.scenario.platform:
            self.platform = self._stack.enter_context(HttpSink())
            publish[self.scenario.platform] = {"url": self.platform.url}
        settings = gateway.settings | ({"publish": publish} if publish else {})
        if gateway.broker:
            self.broker = Mosquitto(self.folder / "broker")
            self.broker.start()
            settings |= {"broker.enabled": False, "mqtt.enabled": True, "mqtt.port": self.broker.port}
        slack_us = self.scenario.slack_us
        patience_s = _BROKER_ANSWERS_S if gateway.broker else PATIENCE_S
        self.house = HouseProcess(
            self.loop, gateway.house, self.folder, settings, self._on_house, slack_us, patience_s
        )
        self.house.on_death = lambda: self.events.add(self.now_us(), "gateway", "gateway", "died")
        return await self.house.start()

    @property
    def forwarders(self) -> list[StageForwarder]:
        """The LoRa gateways on the roofs."""
        return [one for one in self.street.forwarders if isinstance(one, StageForwarder)]

    def _worst_flash(self) -> dict[str, Any]:
        """Return how worn the most worn node's flash is."""
        nodes = self.street.nodes.values()
        worst = max(nodes, key=lambda node: node.wear.worst, default=None)
        return {"node": worst.name, **worst.wear.as_dict()} if worst is not None else {}

    def _of_platform(self) -> dict[str, Any]:
        if self.platform is None:
            return {}
        taken, asked = len(self.platform.accepted), len(self.platform.requests)
        return {"accepted": taken, "refused": asked - taken, "publishers": self._published}

    def _around(self, site_id: str, source: Source) -> Source:
        overlay = self.overlays[site_id] = Overlay(source)
        return overlay

    def _settle(self, planned: list[Any]) -> Accounts:
        rows: dict[str, list[tuple[int, int, bool]]] = {}
        house = house_class(self.scenario.gateway.house)
        asking: dict[str, list[tuple[int, int]]] = (
            house.missing(self.folder) if hasattr(house, "missing") else {}
        )
        for dev_eui, *row in house.records(self.folder):
            rows.setdefault(dev_eui, []).append((row[0], row[1], bool(row[2])))
        nodes = [
            settle(
                node.site_id,
                node.kind,
                self.street.ledgers[node.site_id],
                self._kept[node.site_id].look(),
                rows.get(node.dev_eui, []),
                not_yet=self._under_way(node.interval_s or 300, _ASKED_AGAIN_S),
                asking=asking.get(node.dev_eui, ()),
                may_ask=self._under_way(node.interval_s or 300, _ASKED_THRICE_S),
                clock_true=not self._clock_lied,
            )
            for node in planned
        ]
        return Accounts(nodes, len(self.acked), self.street.channel.frames_sent, self._lost_frames)

    def _under_way(self, interval_s: int, within_s: int) -> int:
        """Return how many of a node's newest records may be on their way when all is stopped.

        What the air loses is asked for half an hour later: of air that loses, none of the last hour counts.
        It may lose the question or its answer, too: that is asked again after an hour, then after two.
        """
        radio = self.scenario.radio
        loses = radio.model != "ideal" or radio.loss_percent > 0
        return max(2, within_s // interval_s) if loses else 2

    # -- events ----------------------------------------------------------------------------------
    def _listen(self) -> None:
        """Hear of each acquisition at the sensor itself, and know the radios by their sites."""
        for site_id, ledger in self.street.ledgers.items():
            ledger.on_seen = partial(self._on_seen, site_id)
        for node in self.street.nodes.values():
            for mount in node.board.spi.values():
                self._radios[id(mount.chip)] = node.name
        for k, forwarder in enumerate(self.forwarders):
            forwarder.on_sent = self.loop.sent
            forwarder.on_acked = self._on_acked
            self._radios[id(forwarder)] = f"gateway-{k + 1}"

    def _on_seen(self, site_id: str, seen: Seen, last: Seen | None) -> None:
        if last is None or seen.at_us - last.at_us > _APART_US:
            facts = {"quantity": seen.quantity, "value": round(seen.value, 6)}
            self.events.add(seen.at_us, "sensor", site_id, "asked", **facts)

    def _on_frame(self, frame: Frame, lost: bool) -> None:
        self._lost_frames += lost
        sender = self._radios.get(id(frame.sender), "stranger")
        what = "down" if frame.inverted else "up"
        self.events.add(
            frame.start_us,
            "radio",
            sender,
            what,
            freq_hz=frame.freq_hz,
            sf=frame.sf,
            payload=frame.payload,
            lost=lost,
        )

    def _on_acked(self, payload: bytes) -> None:
        self.acked.add(hashlib.blake2b(payload, digest_size=12).digest())

    def _on_node(self, t_us: int, name: str, kind: str, text: str) -> None:
        self.events.add(t_us, "node", name, kind, text=text)

    def _on_house(self, event: list[Any]) -> None:
        t_us, kind, who, what, facts = event
        if what == "counted":
            self._counters.update(facts)
        self.events.add(t_us, kind, who, what, **facts)
        if kind == "store":
            self._stored_us[who] = t_us


def play(
    scenario: Scenario,
    folder: Path,
    *,
    speed: float | None = None,
    reproduce: str = "",
    progress: Progress | None = None,
    on_stage: Callable[[Stage], None] | None = None,
    on_ready: Callable[[dict[str, int]], None] | None = None,
) -> Result:
    """Run a scenario on a loop of its own. on_stage: gets the stage before it begins; a fleet has none.

    Raises SimulatorError; its text ends with the command that shows it again.
    """
    folder = folder.resolve()  # the house's process works in it

    async def main() -> Result:
        if scenario.fleet is not None:
            return await play_region(
                scenario, folder, reproduce=reproduce, progress=progress, on_ready=on_ready
            )
        stage = Stage(scenario, folder, reproduce=reproduce, progress=progress, on_ready=on_ready)
        if on_stage is not None:
            on_stage(stage)
        try:
            return await stage.run()
        finally:
            stage.events.close()

    if speed is None and scenario.gateway.broker:
        speed = BROKER_SPEED
    try:
        return run_stage(main(), start_us=scenario.start_us, speed=speed)
    except SimulatorError as error:
        again = f"\nTo see it again: {reproduce}" if reproduce else ""
        raise SimulatorError(f"{error}{again}") from error


def command_of(name: str, scenario: Scenario, *, short: bool = False) -> str:
    """Return the one line that plays this again."""
    length = "--short" if short else f"--until {scenario.until}"
    return f"meetnet simulate {shlex.quote(name)} --seed {scenario.seed} {length}"
