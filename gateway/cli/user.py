"""`meetnet user`: who may sign in at the page, with which role, and tokens for programs."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.exports import iso_utc
from gateway.registry.accounts import LINK_MS, Accounts
from gateway.registry.people import GRANTED_ROLES, LANGUAGES, SCOPES, Person


@click.group()
def user() -> None:
    """Say who may sign in at the page.

    Nobody has a password: people sign in by a link that works once. Roles are technician, staff (of the city)
    and operator; whoever claims a sensor is its host without a role from here.
    """


@user.command("add")
@config_option
@json_option
@click.argument("email")
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(GRANTED_ROLES), help="May be given more often."
)
@click.option("--name", default="", help="Name as colleagues know it.")
@click.option("--language", type=click.Choice(LANGUAGES), default="nl", show_default=True)
def add(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    email: str,
    roles: tuple[str, ...],
    name: str,
    language: str,
) -> None:
    """Add a person, or give a known one other roles.

    \b
    Example:
      meetnet user add an@example.org --role technician --name "An Peeters"
    """
    with _accounts(config_file, data) as accounts:
        person = accounts.add(email, _now_ms(), name, language)
        accounts.set_roles(person.id, roles)
        accounts.note(None, "roles set", person.email, _now_ms(), " ".join(roles))
        person = _known(accounts, email)
    if as_json:
        print_json(_shown(person))
        return
    click.echo(f"{person.email}: {', '.join(sorted(person.roles)) or 'no role yet'}")


@user.command("list")
@config_option
@json_option
def list_people(config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """List people with their roles and the sites that they host.

    \b
    Example:
      meetnet user list
    """
    with _accounts(config_file, data) as accounts:
        people = accounts.people()
    if as_json:
        print_json([_shown(person) for person in people])
        return
    rows = [(p.email, p.name, ", ".join(sorted(p.roles)), ", ".join(p.sites)) for p in people]
    table(rows, ("EMAIL", "NAME", "ROLES", "SITES"))


@user.command("remove")
@config_option
@json_option
@click.argument("email")
def remove(config_file: Path | None, data: Path | None, as_json: bool, email: str) -> None:
    """Forget a person: sessions, links and tokens end at once.

    \b
    Example:
      meetnet user remove an@example.org
    """
    with _accounts(config_file, data) as accounts:
        person = _known(accounts, email)
        accounts.remove(person.id)
        accounts.note(None, "person removed", f"#{person.id}", _now_ms())
    if as_json:
        print_json({"email": person.email, "removed": True})
        return
    click.echo(f"{person.email}: forgotten")


@user.command("link")
@config_option
@json_option
@click.argument("email")
def link(config_file: Path | None, data: Path | None, as_json: bool, email: str) -> None:
    """Print a link that signs a person in once, within 15 minutes: for networks without a mail server.

    \b
    Example:
      meetnet user link an@example.org
    """
    config = configuration(config_file, data)
    with _accounts(config_file, data) as accounts:
        person = _known(accounts, email)
        secret = accounts.make_link(person.id, _now_ms())
        accounts.note(None, "link printed", person.email, _now_ms())
    base = config.text("web.url").rstrip("/") or f"http://localhost:{config.whole('web.port')}"
    address = f"{base}/{person.language}/sign-in/{secret}"
    if as_json:
        print_json({"email": person.email, "link": address, "until": iso_utc(_now_ms() + LINK_MS)})
        return
    click.echo(address)


@user.command("token")
@config_option
@json_option
@click.argument("email")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES))
@click.option("--name", required=True, help="Which program gets it.")
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True)
def token(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    email: str,
    scopes: tuple[str, ...],
    name: str,
    days: int,
) -> None:
    """Print a token for a program that acts for a person. It is shown this once and kept nowhere.

    \b
    Example:
      meetnet user token an@example.org --scope waste --name "route planner"
    """
    with _accounts(config_file, data) as accounts:
        person = _known(accounts, email)
        secret, made = accounts.make_token(person.id, name, scopes, _now_ms(), days)
        accounts.note(None, "token made", made.id, _now_ms(), " ".join(made.scopes))
    if as_json:
        print_json({"id": made.id, "token": secret, "scopes": made.scopes, "until": iso_utc(made.expires_ms)})
        return
    click.echo(secret)


@user.command("revoke")
@config_option
@json_option
@click.argument("email")
@click.argument("token_id")
def revoke(config_file: Path | None, data: Path | None, as_json: bool, email: str, token_id: str) -> None:
    """Revoke a token by its short id, as the page of its owner shows it.

    \b
    Example:
      meetnet user revoke an@example.org 1f2e3d4c
    """
    with _accounts(config_file, data) as accounts:
        person = _known(accounts, email)
        if not accounts.revoke(person.id, token_id):
            raise Failure(f"{person.email} has no token {token_id}")
        accounts.note(None, "token revoked", token_id, _now_ms())
    if as_json:
        print_json({"id": token_id, "revoked": True})
        return
    click.echo(f"{token_id}: revoked")


@contextmanager
def _accounts(config_file: Path | None, data: Path | None) -> Generator[Accounts]:
    accounts = Accounts(configuration(config_file, data).directory)
    try:
        yield accounts
    finally:
        accounts.close()


def _known(accounts: Accounts, email: str) -> Person:
    person = accounts.find(email)
    if person is None:
        raise Failure(f"nobody here has the address {email}; `meetnet user list` shows who does")
    return person


def _shown(person: Person) -> dict[str, object]:
    return {
        "email": person.email,
        "name": person.name,
        "language": person.language,
        "roles": sorted(person.roles),
        "sites": person.sites,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
