"""`meetnet gateway run`: the service itself."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

import click

from gateway.cli.common import config_option, configuration, json_option, print_json
from gateway.config import Config


@click.group()
def gateway() -> None:
    """Run the gateway."""


@gateway.command()
@config_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def run(config_file: Path | None, data: Path | None, as_json: bool, verbose: bool) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    With --json, one line of JSON names the ports once it is ready.

    \b
    Example:
      meetnet gateway run -c meetnet.toml

    Exit codes: 0 stopped as asked, 1 it could not start.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    asyncio.run(serve(configuration(config_file, data), as_json))


def settle_down() -> None:
    """Make the interpreter ready for a long run of many small objects, most of which refer to nothing.

    What is there now stays, so the collector need not look at it again; and a thread that waits for the
    interpreter gets it after 1 ms instead of 5: whoever answers a broker or a platform is no heavy worker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(0.001)


async def serve(config: Config, as_json: bool) -> None:
    """Run a gateway until a signal asks it to stop."""
    from gateway.app import Gateway

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = Gateway(config)
    await service.start()
    settle_down()
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
        await service.stop()
