"""`meetnet simulate`: a street of real firmware against a gateway of your own."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from simulator.loop import VirtualLoop, run
from simulator.nodeproc import SimulatorError
from simulator.replay import Recording
from simulator.street import Street, StreetConfig

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OUTSIDE_LIMIT = (
    4.0  # above it an answer over UDP misses the receive window: RX1 opens after 1/4 s of reality
)
_PATIENCE_S = 0.2
_FOR_EVER_US = 1 << 61


@dataclass
class _Options:
    gateway: tuple[str, int] | None
    mqtt: tuple[str, int] | None
    speed: float | None
    replay: Path | None
    nodes: int
    seed: int
    interval_s: int
    duration_s: float | None
    out: Path
    as_json: bool


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{value!r} is no address; write host:port, such as 127.0.0.1:1700")
    return host.strip("[]"), int(port)


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if not found or float(found[1]) <= 0:
        raise click.BadParameter(f"{value!r} is no duration; write 90m, 24h or 7d")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"{value!r} is no speed; write a number above 0, or max")
    return speed


@click.command()
@click.option(
    "--gateway",
    callback=_address,
    metavar="HOST:PORT",
    help="UDP address of a LoRaWAN gateway server (Semtech protocol).",
)
@click.option(
    "--mqtt", callback=_address, metavar="HOST:PORT", help="Address of the MQTT broker for the Wi-Fi nodes."
)
@click.option(
    "--speed", callback=_speed, default="1", show_default=True, help="Virtual seconds a second, or max."
)
@click.option("--replay", type=click.Path(path_type=Path), help="Recording to play: a folder or a CSV file.")
@click.option("--nodes", type=click.IntRange(1, 5000), default=12, show_default=True, help="How many nodes.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another street.")
@click.option(
    "--interval",
    "interval_s",
    type=click.IntRange(10, 86400),
    default=300,
    show_default=True,
    help="Seconds from record to record.",
)
@click.option(
    "--duration",
    "duration_s",
    callback=_duration,
    metavar="DURATION",
    help="How long, in the street's time: 90m, 24h, 7d.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("street"),
    show_default=True,
    help="Folder for street.json, events.jsonl and each node's flash and log.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
def simulate(**options: Any) -> None:
    """Run a simulated street: real firmware, real frames.

    The nodes send to --gateway (LoRaWAN, through a simulated packet forwarder) and --mqtt (Wi-Fi). Let the
    gateway know them first: `meetnet device add --from OUT/street.json`; the file follows from --nodes
    and --seed alone. Without an address the nodes measure, keep their records, and find nobody.

    \b
    Example:
      meetnet simulate --duration 1s --out street     # writes street/street.json
      meetnet device add --from street/street.json
      meetnet simulate --gateway 127.0.0.1:1700 --mqtt 127.0.0.1:1883

    A gateway in another process lives in real time: above speed 4 its answers come too late.

    Exit codes: 0 done or stopped with Ctrl-C, 1 failed (a node's traceback is shown), 2 wrong usage.
    """
    chosen = _Options(**options)
    outside = chosen.gateway or chosen.mqtt
    if outside and (chosen.speed is None or chosen.speed > _OUTSIDE_LIMIT):
        click.echo(
            f"--speed: a gateway in another process answers in real time; above {_OUTSIDE_LIMIT:g} "
            "its answers come too late for the nodes' receive windows, and nodes will not join",
            err=True,
        )
    try:
        result = run(_simulate(chosen), start_us=time.time_ns() // 1000, speed=chosen.speed)
    except (SimulatorError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if chosen.as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        click.echo(
            f"{result['virtual_s']:.0f} s of {result['nodes']} nodes in {result['real_s']:.1f} s; "
            f"{result['frames']} frames on the air; see {chosen.out}"
        )


async def _simulate(options: _Options) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    recording = Recording.load(options.replay) if options.replay else None
    options.out.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    with (options.out / "events.jsonl").open("w", encoding="utf-8") as events:
        street = Street(
            StreetConfig(
                folder=options.out,
                nodes=options.nodes,
                seed=options.seed,
                interval_s=options.interval_s,
                semtech_udp=options.gateway,
                mqtt=options.mqtt,
                replay=recording,
                patience_s=_PATIENCE_S if options.mqtt else 0.0,
            ),
            on_event=partial(_write_event, events),
        )
        async with street:
            await _live(street, options, stop)
            return {
                "virtual_s": (loop.now_us() - street.start_us) / 1e6,
                "real_s": round(time.monotonic() - began_s, 3),
                "nodes": len(street.nodes),
                "boots": sum(node.boots for node in street.nodes.values()),
                "bus_transactions": street.transactions(),
                "frames": street.channel.frames_sent,
                "forwarder": street.forwarders[0].counters.as_dict() if street.forwarders else None,
                "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "stopped_by_signal": stop.is_set(),
            }


def _write_event(file: TextIO, at_us: int, node: str, kind: str, text: str) -> None:
    file.write(json.dumps({"t_us": at_us, "node": node, "event": kind, "text": text}) + "\n")


async def _live(street: Street, options: _Options, stop: asyncio.Event) -> None:
    """Let the street live until its time is over, a node breaks, or somebody presses Ctrl-C."""
    end_us = street.start_us + (round(options.duration_s * 1e6) if options.duration_s else _FOR_EVER_US)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    quiet = options.as_json or not console.is_terminal
    with nullcontext(None) if quiet else Progress(*columns, console=console, transient=True) as progress:
        living = asyncio.create_task(street.run(end_us))
        stopping = asyncio.create_task(stop.wait())
        showing = asyncio.create_task(_show(street, progress, options.duration_s)) if progress else None
        try:
            await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
        finally:
            tasks: list[asyncio.Task[Any]] = [t for t in (living, stopping, showing) if t is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _show(street: Street, progress: Progress, duration_s: float | None) -> None:
    loop = street.world.loop
    total = duration_s
    bar = progress.add_task("street", total=total, note="")
    while True:
        passed_s = (loop.now_us() - street.start_us) / 1e6
        clock = time.strftime("%Y-%m-%d %H:%M", time.gmtime(loop.now_us() / 1e6))
        lag = f", {loop.lag_s():.0f} s behind" if loop.lag_s() > 5 else ""
        note = f"{clock} UTC, {street.channel.frames_sent} frames{lag}"
        progress.update(bar, completed=passed_s if total else None, note=note)
        await asyncio.sleep(0.5 * (loop.speed or 600.0))
