"""The group of commands."""

from __future__ import annotations

import errno
from importlib import import_module

import click

from gateway.cli.alerts import alerts
from gateway.cli.broker import broker
from gateway.cli.codec import codec
from gateway.cli.common import AS_JSON, Failure, tell_failure
from gateway.cli.config import config
from gateway.cli.consent import consent
from gateway.cli.device import device
from gateway.cli.documents import documents
from gateway.cli.energy import energy
from gateway.cli.explain import explain
from gateway.cli.export import export
from gateway.cli.importing import import_
from gateway.cli.noise import noise
from gateway.cli.privacy import privacy
from gateway.cli.profile import profile
from gateway.cli.publish import publish
from gateway.cli.quality import quality
from gateway.cli.register import register
from gateway.cli.reload import reload
from gateway.cli.run import gateway
from gateway.cli.secrets import secrets
from gateway.cli.status import status
from gateway.cli.store import store
from gateway.cli.update import update
from gateway.cli.user import user
from gateway.errors import GatewayError

# Commands of other rooms, only imported when they are asked for: module, what it is for, extra.
_ELSEWHERE = {
    "flash": ("tools.flash.cli", "Make devices of blank boards: write, test, register, label.", "flash"),
    "simulate": ("simulator.cli", "Run a simulated street: real firmware, real frames.", "simulator"),
}


# What a person can mend at a disk or a path.
_OF_FILES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT,
    errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EIO,
)  # fmt: skip


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, extra = _ELSEWHERE[cmd_name]
        try:
            found = getattr(import_module(module), cmd_name)
        except ImportError as error:
            why = f"{cmd_name} is not installed ({error}): pip install 'meetnet[{extra}]'"
            return _unavailable(cmd_name, why)
        return found if isinstance(found, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (GatewayError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _OF_FILES:
                raise  # the pipe of a `| head`, too: click ends quietly
            failure = Failure(_sentence(error))
            tell_failure(ctx, failure)
            raise failure from error
        except click.ClickException as error:
            tell_failure(ctx, error)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, found.get_short_help_str(100)) for name, found in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(sorted([*rows, *((name, row[1]) for name, row in _ELSEWHERE.items())]))


def _sentence(error: Exception) -> str:
    """Return what a person can act on; a disk that is full or a file that is locked names itself."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; see to the path, its rights and free space"
    return str(error)


def _unavailable(name: str, why: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True}, help=_ELSEWHERE[name][1])
    @click.argument("rest", nargs=-1)
    def missing(rest: tuple[str, ...]) -> None:
        raise click.ClickException(why)

    return missing


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="meetnet", prog_name="meetnet")
def main() -> None:
    """Meetnet: a measuring network of a city, from the sensor to the open data.

    \b
    Example:
      meetnet device add --from street.json
      meetnet gateway run

    With --json a failure is {"error": ..., "exit_code": ...} on stdout, too, where nothing else is there.

    Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 3 no gateway is running,
    4 some rows of an import were refused.
    """


for _command in (
    alerts,
    broker,
    store,
    codec,
    config,
    consent,
    device,
    energy,
    documents,
    explain,
    export,
    gateway,
    import_,
    noise,
    privacy,
    profile,
    publish,
    register,
    quality,
    reload,
    secrets,
    status,
    update,
    user,
):
    main.add_command(_command)
