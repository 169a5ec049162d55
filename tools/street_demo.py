"""The demo: a street of simulated nodes and a gateway, on one clock, with a page to look at.

Started by `sh tools/demo`. The real firmware runs in MicroPython; its frames reach the gateway's own
network server as UDP datagrams of a packet forwarder, or its broker as MQTT. Time is real unless
`--speed` or `--virtual` say otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.config import Config
from gateway.errors import ConfigError, GatewayError
from gateway.registry import Registry, import_devices
from simulator import loop as virtual
from simulator.nodeproc import SimulatorError
from simulator.plan import plan, write_provisioning
from simulator.replay import Recording
from simulator.street import Street, StreetConfig

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "demo-data"
PAGE_PORT = 8600
HOUR_US = 3_600_000_000
FAILED = 3


@dataclass(slots=True)
class Options:
    """What the demo is asked to do. data None is a fresh folder each time."""

    port: int = PAGE_PORT
    nodes: int = 12
    speed: float = 1.0
    replay: Path | None = None
    data: Path | None = None
    seed: int = 1
    virtual_h: float | None = None
    until_value: bool = False
    as_json: bool = False


@dataclass(slots=True)
class Result:
    """What a run came to. Times are real seconds since the demo began to start."""

    page: str = ""
    ready_s: float = 0.0
    first_value_s: float | None = None
    run_s: float = 0.0
    virtual_s: float = 0.0
    records: int = 0
    uplinks: int = 0
    bus_transactions: int = 0
    rss_mb: float = 0.0
    counters: dict[str, int] = field(default_factory=dict[str, int])


class Say:
    """Tells what happens: sentences for people, lines of JSON for programs."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._line = sys.stdout.isatty() and not as_json

    def event(self, name: str, sentence: str, **facts: Any) -> None:
        """Say one thing that happened."""
        if self._as_json:
            print(json.dumps({"event": name, **facts}), flush=True)
        else:
            print(("\r\033[K" if self._line else "") + sentence, flush=True)

    def progress(self, sentence: str) -> None:
        """Show where it stands, on one line that is written over."""
        if self._line:
            print("\r\033[K" + sentence, end="", flush=True)


class Demo:
    """One run of gateway and street."""

    def __init__(self, options: Options, say: Say) -> None:
        self.options = options
        self.say = say
        self.result = Result()
        self._began_s = time.monotonic()
        self._stop = asyncio.Event()

    async def run(self) -> Result:
        """Start everything, live until the end or a signal, stop everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        folder = self._folder()
        async with AsyncExitStack() as stack:
            gateway, street = await self._start(stack, folder)
            self.result.ready_s = self._since_s()
            self.say.event(
                "ready",
                f"The page is at {self.result.page}   (Ctrl-C stops everything)",
                page=self.result.page,
                seconds=round(self.result.ready_s, 2),
            )
            await self._live(gateway, street)
            self._measure(gateway, street)
        return self.result

    def _folder(self) -> Path:
        if self.options.data is not None:
            return self.options.data
        shutil.rmtree(DATA, ignore_errors=True)
        return DATA

    async def _start(self, stack: AsyncExitStack, folder: Path) -> tuple[Gateway, Street]:
        options = self.options
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        provisioning = folder / "street" / "street.json"
        write_provisioning(provisioning, plan(options.nodes, options.seed))
        registry = Registry(folder / "gateway")
        try:
            refused = [row for row in import_devices(registry, provisioning) if row.outcome == "refused"]
        finally:
            registry.close()
        if refused:
            raise SimulatorError(f"{refused[0].dev_eui}: {refused[0].message}")
        gateway = Gateway(demo_config(folder / "gateway", options.port), virtual.LoopClock(loop))
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        self.result.page = f"http://localhost:{gateway.ports['web']}/"
        street = Street(
            StreetConfig(
                folder=folder / "street",
                nodes=options.nodes,
                seed=options.seed,
                semtech_udp=("127.0.0.1", gateway.ports["semtech_udp"]),
                mqtt=("127.0.0.1", gateway.ports["broker"]),
                replay=Recording.load(options.replay) if options.replay else None,
            )
        )
        await stack.enter_async_context(street)
        return gateway, street

    async def _live(self, gateway: Gateway, street: Street) -> None:
        start_us = street.start_us
        hours = self.options.virtual_h
        end_us = start_us + (round(hours * HOUR_US) if hours is not None else 1 << 60)
        living = asyncio.create_task(street.run(end_us))
        watching = asyncio.create_task(self._watch(gateway, street, end_us))
        stopping = asyncio.create_task(self._stop.wait())
        tasks = {living, stopping, watching}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self.result.virtual_s = (street.world.loop.now_us() - start_us) / 1e6
        self.result.run_s = self._since_s()
        await gateway.drained()

    async def _watch(self, gateway: Gateway, street: Street, end_us: int) -> None:
        """Follow the store; end when the first value was all that is wanted."""
        total_s = (end_us - street.start_us) / 1e6
        while True:
            if self.result.first_value_s is None and any(
                o.value is not None for o in gateway.reader.latest()
            ):
                self.result.first_value_s = self._since_s()
                self.say.event(
                    "first_value",
                    f"First value on the page after {self.result.first_value_s:.0f} s.",
                    seconds=round(self.result.first_value_s, 2),
                )
                if self.options.until_value:
                    return
            elapsed_s = (street.world.loop.now_us() - street.start_us) / 1e6
            seen = len(gateway.store.devices_seen())
            records = gateway.counters.get("pipeline.records")
            line = f"{seen} of {self.options.nodes} nodes heard, {records} records stored"
            if self.options.virtual_h is not None:
                line += f", {100 * elapsed_s / total_s:.0f} % of the time"
            self.say.progress(line)
            await asyncio.sleep(0.5 * max(1.0, street.world.loop.speed or 120.0))

    @staticmethod
    def _has_value(gateway: Gateway) -> bool:
        return any(observation.value is not None for observation in gateway.reader.latest())

    def _measure(self, gateway: Gateway, street: Street) -> None:
        result = self.result
        result.records = gateway.counters.get("pipeline.records")
        result.uplinks = gateway.pipeline.durable
        result.bus_transactions = street.transactions()
        result.rss_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        counters = gateway.counters.snapshot()
        result.counters = {name: int(row["count"]) for name, row in counters.items()}

    def _since_s(self) -> float:
        return time.monotonic() - self._began_s


def demo_config(directory: Path, page_port: int) -> Config:
    """Return a gateway of embedded parts on loopback: only the page's port is fixed."""
    return Config(
        {
            "data.directory": str(directory),
            "data.segment_mib": 4,
            "semtech_udp.port": 0,
            "broker.port": 0,
            "web.port": page_port,
            "web.title": "Proefstraat",
            "web.time_zone": "Europe/Brussels",
            "web.refresh_s": 5,
            "web.outlines": str(ROOT / "gateway/web/static/outlines.geojson"),
        }
    )


def parse(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="sh tools/demo", description="A living street of simulated nodes.")
    parser.add_argument("--port", type=int, default=PAGE_PORT, help="port of the page (%(default)s)")
    parser.add_argument("--nodes", type=int, default=12, help="how many nodes (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds a second (%(default)s)")
    parser.add_argument("--replay", type=Path, help="folder or CSV of a recording to play")
    parser.add_argument("--data", type=Path, help="keep the street's data in this folder")
    parser.add_argument("--seed", type=int, default=1, help="another street (%(default)s)")
    parser.add_argument("--virtual", dest="virtual_h", type=float, help="run so many hours, fast, then stop")
    parser.add_argument("--until-value", action="store_true", help="stop after the first value")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print lines of JSON")
    options = Options(**vars(parser.parse_args(arguments)))
    if not options.speed > 0:
        parser.error(f"--speed: {options.speed:g} is not above 0")
    if options.virtual_h is not None and not 0 < options.virtual_h <= 24 * 366:
        parser.error(f"--virtual: {options.virtual_h:g} is not between 0 and a year of hours")
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: {options.port} is not 0 to 65535")
    return options


def live(options: Options, say: Say) -> Result:
    """Run a demo on a loop of its own. A virtual run ends now, so its values are of the last hours."""
    start_us = time.time_ns() // 1000
    speed: float | None = options.speed
    if options.virtual_h is not None:
        start_us -= round(options.virtual_h * HOUR_US)
        speed = None

    async def main() -> Result:
        return await Demo(options, say).run()

    return virtual.run(main(), start_us=start_us, speed=speed)


def main(arguments: list[str]) -> int:
    """Run the demo; 0 stopped as asked, 3 it could not run (one sentence says why)."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    options = parse(arguments)
    say = Say(options.as_json)
    try:
        result = live(options, say)
    except ConfigError as error:
        remedy = " (try: sh tools/demo --port 0)" if error.key == "web.port" else ""
        print(f"\nmeetnet: {error}{remedy}", file=sys.stderr)
        return FAILED
    except (GatewayError, SimulatorError, OSError) as error:
        print(f"\nmeetnet: {error}", file=sys.stderr)
        return FAILED
    facts = asdict(result)
    say.event(
        "stopped", f"Stopped: {result.records} records from {result.uplinks} frames were stored.", **facts
    )
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        raise SystemExit(main(sys.argv[1:]))
