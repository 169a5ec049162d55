"""`meetnet simulate`: a scenario with its own gateway, or a street against a gateway of yours."""

from __future__ import annotations

import asyncio
import json
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
from simulator.stage import replaying
from simulator.stage.faults import KINDS
from simulator.stage.scenario import find, load, names, schema
from simulator.stage.units import duration_us
from simulator.street import Street, StreetConfig

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


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None:
            duration_us(value)
    except SimulatorError:
        raise click.BadParameter(f"{value!r} is no duration; write 90m, 24h or 7d") from None
    return value


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Return None where nothing was said, 0 for max."""
    if not value:
        return None
    if value == "max":
        return 0.0
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"{value!r} is no speed; write a number above 0, or max")
    return speed


@click.command()
@click.argument("scenario", required=False)
@click.option(
    "--until",
    "--duration",
    "until",
    callback=_duration,
    metavar="DURATION",
    help="How long, in the simulation's time: 90m, 24h, 7d. Default: the scenario's; a street lives on.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Another seed is another city. Default: the scenario's, or 1."
)
@click.option(
    "--speed",
    callback=_speed,
    default="",
    help="Virtual seconds a second, or max. Default: max with a gateway of our own, else 1.",
)
@click.option(
    "--short",
    is_flag=True,
    help="SCENARIO in the length of a CI job: 135 minutes, three nodes of a group, the same faults.",
)
@click.option("--map", "show_map", is_flag=True, help="Show the nodes on a map in the terminal.")
@click.option(
    "--list", "listing", is_flag=True, help="List the scenarios that come along, and the faults there are."
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a scenario, for editors.")
@click.option("--check", "only_check", is_flag=True, help="Only say whether SCENARIO can be played.")
@click.option(
    "--gateway",
    callback=_address,
    metavar="HOST:PORT",
    help="A street: UDP address of a LoRaWAN gateway server (Semtech protocol).",
)
@click.option(
    "--mqtt",
    callback=_address,
    metavar="HOST:PORT",
    help="A street: address of the MQTT broker for Wi-Fi nodes.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    help="An event log or a gateway's data folder plays again, same bytes and times, into a fresh "
    "gateway; a CSV file of readings is what the sensors of a street then meet.",
)
@click.option(
    "--nodes", type=click.IntRange(1, 5000), default=12, show_default=True, help="A street: how many."
)
@click.option(
    "--interval",
    "interval_s",
    type=click.IntRange(10, 86400),
    default=300,
    show_default=True,
    help="A street: seconds from record to record.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for events.jsonl, street.json, each node's flash and log, the gateway's data. Default: "
    "a street writes to ./street, a scenario keeps nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
@click.pass_context
def simulate(ctx: click.Context, scenario: str | None, **options: Any) -> None:
    """Run a simulated city: real firmware, real frames.

    SCENARIO is a TOML file, or the name of one that comes along (--list). It is played with a gateway of
    its own, as fast as it goes, with the faults that it names; at the end each reading is counted at the
    sensor, in the node's flash, on the air and in the store. The same seed gives the same event log.

    Without SCENARIO it is a street of --nodes that send to --gateway (LoRaWAN, through a simulated packet
    forwarder) and --mqtt (Wi-Fi) of your own. Let the gateway know them first: `meetnet device add --from
    OUT/street.json`; the file follows from --nodes and --seed alone. A gateway in another process lives in
    real time: above speed 4 its answers come too late.

    \b
    Examples:
      meetnet simulate --list
      meetnet simulate first --until 1h
      meetnet simulate soak --short
      meetnet simulate city.toml --seed 7 --map --out run7
      meetnet simulate --replay run7/events.jsonl --out again
      meetnet simulate --until 1s --out street        # writes street/street.json
      meetnet simulate --gateway 127.0.0.1:1700 --mqtt 127.0.0.1:1883

    Exit codes: 0 done or stopped with Ctrl-C, 1 failed (a node's traceback, a wrong field, accounts that do
    not balance; with the command that shows it again), 2 wrong usage.
    """
    as_json = options["as_json"]
    try:
        if options.pop("listing"):
            _list(as_json)
        elif options.pop("schema"):
            click.echo(json.dumps(schema(), indent=1))
        elif scenario is None and options["replay"] and replaying.is_recording(options["replay"]):
            out = options["out"] or Path("replayed")
            told = replaying.replay(options["replay"], out, speed=options["speed"] or None)
            text = f"{told['uplinks']} uplinks again, {told['records']} records stored; see {out}"
            click.echo(json.dumps(told, indent=1) if as_json else text)
        elif scenario is None:
            if options.pop("only_check"):
                raise click.UsageError("--check: give a SCENARIO")
            options.pop("schema", None)
            _play_street(options)
        elif options["only_check"]:
            found = load(find(scenario))
            told = {
                "title": found.title,
                "nodes": found.count,
                "until": found.until,
                "faults": len(found.faults),
            }
            click.echo(json.dumps(told, indent=1) if as_json else f"{found.title}: can be played")
        else:
            _refuse_street_options(ctx)
            from simulator.stage.cli import play_scenario

            ctx.exit(
                play_scenario(
                    scenario,
                    seed=options["seed"],
                    until=options["until"],
                    speed=options["speed"] or None,
                    out=options["out"],
                    as_json=as_json,
                    show_map=options["show_map"],
                    short=options["short"],
                )
            )
    except (SimulatorError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _refuse_street_options(ctx: click.Context) -> None:
    for name in ("gateway", "mqtt", "replay", "nodes", "interval_s"):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.removesuffix("_s")
            raise click.UsageError(f"{option} is for a street without SCENARIO: write it into the scenario")


def _list(as_json: bool) -> None:
    rows = [(name, load(find(name))) for name in names()]
    if as_json:
        told = {
            "scenarios": {name: {"title": s.title, "nodes": s.count, "until": s.until} for name, s in rows},
            "faults": {name: kind.DOES for name, kind in KINDS.items()},
        }
        click.echo(json.dumps(told, indent=1))
        return
    click.echo("Scenarios (meetnet simulate NAME):")
    for name, found in rows:
        click.echo(f"  {name:<20} {found.count:>4} nodes {found.until:>5}   {found.title}")
    click.echo("\nFaults (`do` of a row [[faults]]; at, for, every, times, and its own fields):")
    for name, kind in KINDS.items():
        click.echo(f"  {name:<20} {kind.DOES}")


def _play_street(options: dict[str, Any]) -> None:
    until = options.pop("until")
    del options["show_map"], options["short"]
    options["duration_s"] = duration_us(until, "--until") / 1e6 if until else None
    options["seed"] = 1 if options["seed"] is None else options["seed"]
    options["out"] = options["out"] or Path("street")
    speed = options["speed"]
    options["speed"] = 1.0 if speed is None else speed or None
    chosen = _Options(**options)
    outside = chosen.gateway or chosen.mqtt
    if outside and (chosen.speed is None or chosen.speed > _OUTSIDE_LIMIT):
        click.echo(
            f"--speed: a gateway in another process answers in real time; above {_OUTSIDE_LIMIT:g} "
            "its answers come too late for the nodes' receive windows, and nodes will not join",
            err=True,
        )
    result = run(_simulate(chosen), start_us=time.time_ns() // 1000, speed=chosen.speed)
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
