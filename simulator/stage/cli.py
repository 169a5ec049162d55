"""`meetnet simulate SCENARIO`: plays it, shows how far it is, and says what became of each reading."""

from __future__ import annotations

import json
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from simulator.nodeproc import SimulatorError
from simulator.plan import plan_groups
from simulator.stage import map as terminal_map
from simulator.stage.scenario import Scenario, find, load
from simulator.stage.shorter import shorter
from simulator.stage.stage import Result, Stage, command_of, play
from simulator.stage.units import duration_us

FAILED = 1


def play_scenario(
    name: str,
    *,
    seed: int | None,
    until: str | None,
    speed: float | None,
    out: Path | None,
    as_json: bool,
    show_map: bool,
    short: bool = False,
) -> int:
    """Play a scenario by file or name; return the exit code. out None: a folder that goes afterwards."""
    scenario = load(find(name))
    if short:
        scenario = shorter(scenario)
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    if until is not None:
        _fits(scenario, until)
        scenario = msgspec.structs.replace(scenario, until=until, faults=_within(scenario, until))
    if speed is None and (scenario.gateway.semtech_udp or scenario.gateway.mqtt):
        speed = 1.0  # what answers from another process lives in real time
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meetnet-")))
        shown = stack.enter_context(_Shown(scenario, as_json, show_map))
        result = play(
            scenario,
            folder,
            speed=speed,
            reproduce=command_of(name, scenario, short=short),
            progress=shown.progress,
            on_stage=shown.take,
            on_ready=shown.ready,
        )
    if as_json:
        click.echo(json.dumps(asdict(result), indent=1))
    else:
        _say(result, out)
    for failure in result.failures:
        click.echo(f"meetnet: {failure}", err=True)
    if result.failures:
        click.echo(f"To see it again: {result.reproduce}", err=True)
    return FAILED if result.failures else 0


def _fits(scenario: Scenario, until: str) -> None:
    if duration_us(until, "--until") <= duration_us(scenario.settle, "settle", 0):
        raise SimulatorError(f"--until: {until} is not longer than the scenario's settle, {scenario.settle}")


def _within(scenario: Scenario, until: str) -> list[dict[str, Any]]:
    """Return the faults that a shorter run has room for; the others would begin after its end."""
    from simulator.stage.faults import read

    whole_us = duration_us(until) - duration_us(scenario.settle, "settle", 0)
    kept: list[dict[str, Any]] = []
    for row in scenario.faults:
        try:
            read(row).check(whole_us)
        except SimulatorError as error:
            click.echo(f"left out: {row['do']}: {error}", err=True)
            continue
        kept.append(row)
    return kept


class _Shown:
    """Progress bar and map on stderr; nothing where nobody looks. Ctrl-C ends the scenario in good order."""

    def __init__(self, scenario: Scenario, as_json: bool, show_map: bool) -> None:
        self._scenario = scenario
        self._console = Console(stderr=True)
        quiet = as_json or not self._console.is_terminal
        self._live: Live | None = None
        self._map = show_map
        self._stage: Stage | None = None
        self._places = terminal_map.places(plan_groups(scenario.nodes, scenario.seed)) if show_map else {}
        self._map = show_map and bool(scenario.nodes)  # a fleet has too many for a terminal
        if not quiet:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task(scenario.title[:40], total=None, note="")
            self._live = Live(self._bar, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> _Shown:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._map and self._stage is not None:
            self._console.print(self._drawn())

    def take(self, stage: Stage) -> None:
        """Know the stage, and stop it when asked to."""
        self._stage = stage
        for number in (signal.SIGINT, signal.SIGTERM):
            stage.loop.add_signal_handler(number, stage.stopping.set)

    def ready(self, ports: dict[str, int]) -> None:
        """Say where the page is."""
        if self._live is not None and "web" in ports:
            self._console.print(f"The page of the gateway, with its map: http://localhost:{ports['web']}/")

    def progress(self, done_us: int, whole_us: int, note: str) -> None:
        """Show how far it is."""
        if self._live is None:
            return
        self._bar.update(self._task, completed=done_us, total=whole_us, note=note)
        self._live.update(Group(self._drawn(), self._bar) if self._map else self._bar)

    def _drawn(self) -> Any:
        assert self._stage is not None
        return terminal_map.draw(self._places, self._stage.states())


def _say(result: Result, out: Path | None) -> None:
    click.echo(
        f"{result.scenario}: {result.virtual_s / 3600:.1f} h of {result.nodes} nodes in {result.real_s:.0f} s"
    )
    accounts = result.accounts
    if accounts is not None:
        if "received" in accounts:
            click.echo(
                f"{accounts['acquired']} records measured, {accounts['received']} received by the gateways' "
                f"radios in {accounts['frames_sent']} frames, {accounts['stored']} stored"
            )
            click.echo(
                f"{result.fleet['cpu_s'] + result.fleet['gateway_cpu_s']:.0f} s of processor time; simulator "
                f"{result.rss_mb['simulator']:.0f} MB, {result.fleet['kb_a_node']} KB a node; gateway "
                f"{result.rss_mb['gateway']:.0f} MB"
            )
        else:
            click.echo(
                f"{accounts['acquired']} acquisitions at the sensors, {accounts['in_flash']} records in "
                f"flash, {accounts['frames_acknowledged']} frames acknowledged, {accounts['stored']} stored"
            )
        click.echo(
            f"lost {accounts['lost']}, twice {accounts['twice']}, never measured {accounts['invented']}"
        )
    faults = result.events.get("fault.begins", 0)
    click.echo(
        f"{faults} faults; event log {result.sha256[:16]}" + (f" in {out / 'events.jsonl'}" if out else "")
    )
