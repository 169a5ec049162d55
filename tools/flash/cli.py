"""`meetnet flash`: from a box of boards to devices with labels."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.errors import GatewayError
from gateway.labels import FORMATS
from gateway.provision.benchbook import BenchBook
from gateway.provision.trust import broker_of, trust_of
from node.version import VERSION
from tools.flash import application, ports, rows
from tools.flash.base import BaseImage
from tools.flash.bench import WRITING, Bench, Event
from tools.flash.chips import CHIPS
from tools.flash.errors import FlashError
from tools.flash.journal import DONE, FAILED, Journal
from tools.flash.register import NetworkServer, Registrar
from tools.flash.screen import Screen
from tools.flash.steps import Printer, RealHands
from tools.flash.store import ImageStore

SOME_RED = 4
_path = click.Path(path_type=Path)


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (FlashError, GatewayError) as error:
            raise Failure(str(error)) from error


@click.group(cls=_Group, invoke_without_command=True)
@click.pass_context
@config_option
@json_option
@click.option(
    "--bench", type=_path, help="CSV file, one row a device; boards as many at once as are plugged in."
)
@click.option("--board", help="One device: which board (see `meetnet flash boards`).")
@click.option(
    "--set", "cells", multiple=True, metavar="COLUMN=VALUE", help="One device: a column of the CSV file."
)
@click.option(
    "--port",
    "named",
    multiple=True,
    help="Port, pattern or pyserial URL; default: all USB ports with a board.",
)
@click.option(
    "--image", "image_name", help="Base image by SHA-256 or its beginning; default: the newest kept."
)
@click.option("--journal", type=_path, help="What was done [default: beside the CSV file, .journal].")
@click.option(
    "-o", "--out", type=_path, default=Path("flashed"), show_default=True, help="Folder for labels and cards."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    default=("pdf", "png"),
    show_default=True,
)
@click.option(
    "--address", default="http://localhost:8080", show_default=True, help="Address of the gateway's pages."
)
@click.option(
    "--log-kib",
    type=click.IntRange(0, 4096),
    default=512,
    show_default=True,
    help="Flash for records that wait.",
)
@click.option("--again", is_flag=True, help="Also write boards that are done.")
@click.option(
    "--release", multiple=True, metavar="ROW", help="Give this row to another board than the one it had."
)
@click.option("--once", is_flag=True, help="End when the boards that are plugged in are finished.")
@click.option("--server", help="host:port of ChirpStack's API: register there too.")
@click.option(
    "--token-file", type=click.Path(path_type=Path, exists=True), help="File with an API key of ChirpStack."
)
@click.option("--application", "application_id", help="Id of the application at ChirpStack.")
@click.option("--device-profile", help="Id of the device profile at ChirpStack.")
@click.option("--tls-ca", type=click.Path(path_type=Path, exists=True), help="Certificates (PEM) to trust.")
def flash(ctx: click.Context, **options: Any) -> None:
    """Make devices of boards: write, self-test, register, label.

    Base image (`meetnet flash image FILE` keeps one), the firmware compiled for the chip, keys and
    configuration go on the board by esptool; then the board tests its sensors and radio, is registered with
    the gateway's registry (and ChirpStack with --server), and gets a label and a claim card. What was done
    is in a journal: a run that was cut off goes on where it was.

    \b
    Example:
      meetnet flash image ESP32_GENERIC_S3-v1.29.0.bin
      meetnet flash --bench rows.csv --address https://meetnet.example.org
      meetnet flash --board t3s3_garden --set kind=garden --set transport=lorawan --set site_id=tuin-1 \\
          --set longitude=4.89 --set latitude=52.37

    Exit codes: 0 done, 1 failed, 2 wrong usage, 4 some boards are red.
    """
    if ctx.invoked_subcommand is not None:
        return
    bench_file: Path | None = options["bench"]
    if (bench_file is None) == (options["board"] is None):
        raise click.UsageError("give --bench FILE.csv, or --board BOARD with --set for one device")
    todo = rows.read(bench_file) if bench_file else [_single(options)]
    journal_file: Path = options["journal"] or (
        bench_file.with_suffix(".journal") if bench_file else options["out"] / f"{todo[0].name}.journal"
    )
    _run(todo, journal_file, options)


def _single(options: dict[str, Any]) -> rows.Row:
    cells = {"board": str(options["board"])}
    for text in options["cells"]:
        name, equals, value = str(text).partition("=")
        if not equals:
            raise click.UsageError(f"--set {text}: write COLUMN=VALUE")
        cells[name] = value
    cells.setdefault("row", cells.get("site_id", "device"))
    return rows.one(cells)


def _run(todo: list[rows.Row], journal_file: Path, options: dict[str, Any]) -> None:
    found = configuration(options["config_file"], options["data"])
    todo = [rows.with_trust(row, trust_of(found), lambda: broker_of(found)) for row in todo]
    image_for = _images(options["image_name"])
    for chip in sorted({row.chip for row in todo}):
        image_for(chip)  # before the first board: what is missing is said now
        application.compiled(image_for(chip).chip.architecture)
    server = _server(options)
    journal_file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        journal = Journal(journal_file)
        stack.callback(journal.close)
        registrar = Registrar(found.directory, server)
        stack.callback(registrar.close)
        _release(options["release"], todo, journal, registrar, again=options["again"])
        as_json: bool = options["as_json"]
        done = sum(journal.state(row.name).event == DONE for row in todo)
        screen = None if as_json else Screen(len(todo), done)
        named: tuple[str, ...] = options["named"]
        once: bool = options["once"] or options["bench"] is None
        if once and done < len(todo) and not ports.present(named):
            wanted = " ".join(named) or "a USB port"
            raise Failure(f"no board at {wanted}: plug one in, by a cable that carries data")
        book = BenchBook(found.directory)
        stack.callback(book.close)
        name = options["bench"].name if options["bench"] else todo[0].name
        run = book.begin(name, len(todo), done, _now_ms())
        shown = _print_event if screen is None else screen.event

        def tell(event: Event) -> None:
            shown(event)
            with suppress(GatewayError):  # what the page shows is no reason to hold a board up
                book.event(run, event.told(), _now_ms())

        bench = Bench(
            todo,
            journal,
            image_for,
            RealHands(options["log_kib"]),
            registrar,
            Printer(options["out"], options["formats"], options["address"].rstrip("/")),
            lambda: ports.present(named),
            tell,
            options["again"],
        )
        with screen or nullcontext():
            try:
                bench.run(once)
            except KeyboardInterrupt:
                bench.stop.set()
        with suppress(GatewayError):
            book.end(run, _now_ms())
        _summary(bench, as_json)
        if bench.red or (bench.left() and options["bench"] is None):
            raise SystemExit(SOME_RED)


def _release(
    names: Sequence[str], todo: Sequence[rows.Row], journal: Journal, registrar: Registrar, again: bool
) -> None:
    """Give rows to other boards: what a lost one left in the registry is out of service."""
    known = {row.name: row for row in todo}
    for name in names:
        state = journal.state(name)
        if name not in known:
            raise FlashError("rows", f"--release {name}: no row of the list is called so")
        if state.event == DONE and not again:
            wrong = f"--release {name}: done by {state.dev_eui}; what broke later: meetnet device replace"
            raise FlashError("rows", wrong)
        if state.dev_eui is not None and state.dev_eui != known[name].dev_eui:
            registrar.take_out(state.dev_eui)
        journal.add(name, FAILED, reason="released")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _print_event(event: Event) -> None:
    if event.step != WRITING or event.share in (0.0, 1.0):
        click.echo(json.dumps(event.told(), ensure_ascii=False))


def _summary(bench: Bench, as_json: bool) -> None:
    done = len(bench.rows) - bench.left()
    if as_json:
        click.echo(json.dumps({"done": done, "left": bench.left(), "red": bench.red}))
    else:
        click.echo(f"{done} of {len(bench.rows)} devices done, {bench.red} boards red in this run")
        for row in bench.rows:
            state = bench.journal.state(row.name)
            if state.event != DONE and state.reason:
                click.echo(f"  {row.name} (line {row.line}): {state.reason}", err=True)


def _images(name: str | None) -> Callable[[str], BaseImage]:
    store, found = ImageStore(), dict[str, BaseImage]()

    def image_for(chip: str) -> BaseImage:
        if chip not in found:
            found[chip] = store.get(name) if name else store.newest_for(chip)
        return found[chip]

    return image_for


def _server(options: dict[str, Any]) -> NetworkServer | None:
    if not options["server"]:
        return None
    from gateway.provision.chirpstack import ChirpStackDevices, Target

    missing = [name for name in ("token_file", "application_id", "device_profile") if not options[name]]
    if missing:
        raise click.UsageError("--server also needs --token-file, --application and --device-profile")
    server: str = options["server"]
    local = server.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")
    target = Target(
        server,
        options["application_id"],
        options["device_profile"],
        tls=options["tls_ca"] is not None or not local,
        tls_ca=options["tls_ca"],
    )
    return ChirpStackDevices(target, options["token_file"].read_text(encoding="utf-8").strip())


@flash.command()
@click.argument("source", type=_path, required=False)
@click.option("--url", help="Download it once, from this address.")
@click.option("--sha256", help="What it must be; needed with --url.")
@json_option
def image(source: Path | None, url: str | None, sha256: str | None, as_json: bool) -> None:
    """Keep a base image: MicroPython for an ESP32, from a file or downloaded once, verified.

    \b
    Example:
      meetnet flash image ESP32_GENERIC_S3-v1.29.0.bin --sha256 SUM
    """
    store = ImageStore()
    if url is not None and sha256 is not None and source is None:
        found = store.fetch(url, sha256)
    elif source is not None and url is None:
        found = store.add(source, sha256)
    else:
        raise click.UsageError("give a FILE, or --url URL with --sha256 SUM")
    _show([found], as_json)


@flash.command()
@json_option
def images(as_json: bool) -> None:
    """List the base images that are kept.

    \b
    Example:
      meetnet flash images
    """
    _show(ImageStore().all(), as_json)


def _show(found: list[BaseImage], as_json: bool) -> None:
    if as_json:
        print_json([{"chip": one.chip.name, "version": one.version, "sha256": one.sha256} for one in found])
        return
    for one in found:
        click.echo(f"{one.chip.name}  {one.version}  {one.sha256}")


@flash.command()
@json_option
def boards(as_json: bool) -> None:
    """List the boards that can be flashed, and their chips.

    \b
    Example:
      meetnet flash boards
    """
    found = application.boards()
    if as_json:
        print_json(found)
        return
    for name, chip in found.items():
        click.echo(f"{name}  {chip}")


@flash.command("application")
@click.argument("architecture", type=click.Choice(sorted({chip.architecture for chip in CHIPS.values()})))
@click.option("-o", "--out", type=_path, required=True, help="New folder.")
@json_option
def application_files(architecture: str, out: Path, as_json: bool) -> None:
    """Compile the firmware into a folder, for `meetnet update sign application`.

    xtensawin is for ESP32, S2 and S3; rv32imc for C3 and C6.

    \b
    Example:
      meetnet flash application xtensawin -o release/xtensawin
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FlashError("out", f"{out} is there already: give a folder that is new")
    made = {name: content for name, content in application.compiled(architecture).items() if "/" in name}
    for name, content in made.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    version = ".".join(map(str, VERSION))
    if as_json:
        print_json({"folder": str(out), "files": len(made), "version": version})
        return
    click.echo(f"{len(made)} files of version {version} in {out}")


@flash.command("web")
@click.option("--board", "board_names", multiple=True, required=True, help="Board; may be given again.")
@click.option(
    "-o", "--out", type=_path, default=Path("flasher"), show_default=True, help="Folder for web.flasher."
)
@click.option("--log-kib", type=click.IntRange(0, 4096), default=512, show_default=True)
@json_option
def web_images(board_names: tuple[str, ...], out: Path, log_kib: int, as_json: bool) -> None:
    """Prepare firmware for the page /flash of the gateway (and for ESP Web Tools): no key is in it.

    A node that is flashed by it keeps what it knows of itself; a blank board gets its identity by
    `meetnet flash`. Name the folder in web.flasher.

    \b
    Example:
      meetnet flash web --board t3s3_garden --board c3_air -o flasher
    """
    from tools.flash import web

    known = application.boards()
    store = ImageStore()
    made: list[Path] = []
    for board in board_names:
        if board not in known:
            raise FlashError("board", f"board {board!r} is none of {', '.join(known)}")
        version = ".".join(map(str, VERSION))
        made.append(web.prepare(out, store.newest_for(known[board]), board, version, log_kib))
    if as_json:
        print_json([str(path / "manifest.json") for path in made])
        return
    for path in made:
        click.echo(str(path))
