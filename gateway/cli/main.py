"""The group of commands. `simulate` is the simulator's own and is only imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from gateway.cli.alerts import alerts
from gateway.cli.codec import codec
from gateway.cli.config import config
from gateway.cli.consent import consent
from gateway.cli.device import device
from gateway.cli.documents import documents
from gateway.cli.energy import energy
from gateway.cli.export import export
from gateway.cli.importing import import_
from gateway.cli.noise import noise
from gateway.cli.publish import publish
from gateway.cli.quality import quality
from gateway.cli.run import gateway
from gateway.cli.secrets import secrets
from gateway.cli.status import status
from gateway.cli.update import update
from gateway.cli.user import user
from gateway.errors import GatewayError

_SIMULATE_HELP = "Run a simulated street: real firmware, real frames."


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "simulate":
            return super().get_command(ctx, cmd_name)
        try:
            found = import_module("simulator.cli").simulate
        except ImportError as error:
            return _unavailable(f"the simulator is not installed ({error}): pip install 'meetnet[simulator]'")
        return found if isinstance(found, click.Command) else None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, found.get_short_help_str(100)) for name, found in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(sorted([*rows, ("simulate", _SIMULATE_HELP)]))


def _unavailable(why: str) -> click.Command:
    @click.command("simulate", context_settings={"ignore_unknown_options": True}, help=_SIMULATE_HELP)
    @click.argument("rest", nargs=-1)
    def simulate(rest: tuple[str, ...]) -> None:
        raise click.ClickException(why)

    return simulate


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="meetnet", prog_name="meetnet")
def main() -> None:
    """Meetnet: a measuring network of a city, from the sensor to the open data.

    \b
    Example:
      meetnet device add --from street.json
      meetnet gateway run

    Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 3 no gateway is running,
    4 some rows of an import were refused.
    """


for _command in (
    alerts,
    codec,
    config,
    consent,
    device,
    energy,
    documents,
    export,
    gateway,
    import_,
    noise,
    publish,
    quality,
    secrets,
    status,
    update,
    user,
):
    main.add_command(_command)
