"""`meetnet gateway run`: the service itself."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.common import config_option, configuration, json_option, print_json
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.preflight import CLIENTS
from gateway.settings import Value

if TYPE_CHECKING:
    from gateway.app import Gateway

logger = logging.getLogger("meetnet")


@click.group()
def gateway() -> None:
    """Run the gateway."""


@gateway.command()
@config_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("--worker", default="", help="Name of this one where several share a configuration.")
def run(config_file: Path | None, data: Path | None, as_json: bool, verbose: bool, worker: str) -> None:
    """Run the gateway until Ctrl-C or SIGTERM. SIGHUP reads the configuration again, as `meetnet reload`.

    With --json, one line of JSON names the ports once it is ready. With --worker, the name is that of the
    process (data.worker), of its own directory below data.directory, and ends its names at the brokers.

    \b
    Example:
      meetnet gateway run -c meetnet.toml
      meetnet gateway run -c worker.toml --worker 1

    Exit codes: 0 stopped as asked, 1 it could not start.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    def read() -> Config:
        found = configuration(config_file, data)
        return as_worker(found, worker) if worker else found

    asyncio.run(serve(read(), as_json, read))


def as_worker(config: Config, name: str) -> Config:
    """Return the configuration of one of several workers that share a file; ConfigError for a wrong name."""
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise ConfigError("data.worker", f"{name[:40]!r} is no name: give letters, digits and -")
    own: dict[str, Value] = {"data.worker": name, "data.directory": str(config.directory / name)}
    for section in CLIENTS:
        own[f"{section}.client_id"] = f"{config.text(f'{section}.client_id')}-{name}"
    return config.with_values(own)


# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def settle_down() -> None:
    """Make the collector ready for many small objects: what is there now stays, it need not look again.

    And the allocator of glibc for many threads: by itself it keeps a heap for each, with what a burst left.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        allocator = ctypes.CDLL(None).mallopt
        allocator(_M_ARENA_MAX, 2)
        # A batch for a platform is half a megabyte: given back and taken again, its pages cost as much as it.
        allocator(_M_MMAP_THRESHOLD, 1 << 20)
        allocator(_M_TRIM_THRESHOLD, 8 << 20)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def serve(config: Config, as_json: bool, reread: Callable[[], Config] | None = None) -> None:
    """Run a gateway until a signal asks it to stop. reread: the configuration as it is in its file then."""
    from gateway.app import Gateway

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = Gateway(config)
    service.reread = reread
    await service.start()
    settle_down()
    reloads: set[asyncio.Task[object]] = set()

    def hang_up() -> None:
        task = asyncio.ensure_future(_reload(service))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        if as_json:
            print_json({"ports": service.ports, "data": str(service.directory.path)})
        else:
            for name, port in service.ports.items():
                click.echo(f"{name}: port {port}")
            if "web" in service.ports:
                host = config.text("web.host")
                shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104
                click.echo(f"The page is at http://{shown}:{service.ports['web']}/")
        await stop.wait()
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        await asyncio.gather(*reloads, return_exceptions=True)
        await service.stop()


async def _reload(service: Gateway) -> None:
    found = await service.reload()
    logger.warning("%s", outcome(asdict(found)))


def outcome(found: dict[str, Any]) -> str:
    """Return what came of a reload, in a sentence."""
    if not found["ok"]:
        return f"not reloaded: {found['error']}"
    if not found["changed"] and not found["restarted"]:
        return "reloaded: nothing has changed"
    text = f"reloaded: {', '.join(found['changed']) or 'files'}"
    if found["restarted"]:
        text += f"; started again: {', '.join(found['restarted'])}"
    if found["needs_restart"]:
        text += f"; only after a restart: {', '.join(found['needs_restart'])}"
    return text
