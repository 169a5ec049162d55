"""`meetnet energy`: how long the battery of a node will last, with the assumptions named."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gateway.cli.common import Failure, json_option, print_json

_UNITS = {"s": 1, "m": 60, "h": 3600}


class _Interval(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    name = "interval"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+)\s*([smh]?)", str(value))
        seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else 0
        if not 10 <= seconds <= 86400:
            self.fail(f"{value!r}: give 10s to 24h, such as 15m", param, ctx)
        return seconds


@click.command()
@click.argument("board")
@click.option(
    "--interval",
    type=_Interval(),
    default="15m",
    show_default=True,
    help="From record to record: 90s, 15m, 1h.",
)
@click.option("--sf", type=click.IntRange(7, 12), default=9, show_default=True, help="Spreading factor.")
@click.option("--bytes", "payload", type=click.IntRange(1, 222), default=34, show_default=True)
@click.option(
    "--listens",
    type=click.IntRange(0, 3600),
    default=0,
    show_default=True,
    help="Seconds that a noise node listens for a record (noise_s); 0: all the time.",
)
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the picture to this file."
)
@json_option
def energy(
    board: str, interval: int, sf: int, payload: int, listens: int, svg: Path | None, as_json: bool
) -> None:
    """Predict current and battery life of BOARD (a name of firmware/boards, such as t3s3_bin).

    \b
    Example:
      meetnet energy c3_garden --interval 15m --sf 9 --svg garden.svg
      meetnet energy c3_noise --interval 5m --listens 30

    Exit codes: 0 done, 1 unknown board or no hardware descriptions here, 2 wrong usage.
    """
    try:
        from simulator import energy as model
        from simulator import hardware
    except ImportError as error:
        raise Failure(f"the hardware descriptions are not installed ({error})") from error
    try:
        nodes = hardware.nodes()
    except OSError as error:
        raise Failure(f"hardware/: {error}: run in a checkout of the project") from error
    if board not in nodes:
        raise Failure(
            f"{board}: no such board; known are {', '.join(sorted(nodes)) or 'none (no checkout here)'}"
        )
    prediction = model.predict(nodes[board], interval, sf, payload, listens_s=listens)
    if svg is not None:
        svg.write_text(model.svg(prediction), encoding="utf-8")
    if as_json:
        print_json(prediction.as_json())
    else:
        click.echo(model.table(prediction))
