"""`meetnet import`: our own CSV back into a store."""

from __future__ import annotations

import itertools
from pathlib import Path

import click
import msgspec

from gateway.cli.common import SOME_REFUSED, Failure, config_option, configuration, json_option, print_json
from gateway.datadir import DataDirectory
from gateway.errors import RegistryError
from gateway.imports import ImportedSite, ImportReport, read_csv
from gateway.model import Observation, judged
from gateway.registry import Registry, Site
from gateway.registry.model import DEFAULT_ORGANISATION
from gateway.store import Store, open_store

BATCH = 2000


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@json_option
@click.option("--public", is_flag=True, help="The hosts agreed: show the sites of the file to everybody.")
def import_(file: Path, config_file: Path | None, data: Path | None, as_json: bool, public: bool) -> None:
    """Import observations from a CSV file that `meetnet export` or the page wrote.

    What is there already stays as it is: importing a file twice adds nothing. Sites that are not registered
    yet are, at the published position; they are only shown with --public.

    \b
    Example:
      meetnet import november.csv --public

    Exit codes: 0 done, 1 failed, 4 some rows were refused.
    """
    found = configuration(config_file, data)
    directory = DataDirectory(found.directory)
    directory.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    registry = Registry(directory.path)
    store = open_store(directory.store, found.text("data.postgres"))
    report = ImportReport()
    added = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            records = read_csv(source, report)
            known: dict[str, str] = {}
            while batch := list(itertools.islice(records, BATCH)):
                for site, _, _ in batch:
                    if site.site_id not in known:
                        known[site.site_id] = _register(registry, site, public)
                accepted = [record for record in batch if not known[record[0].site_id]]
                report.refused += [(0, known[site.site_id]) for site, _, _ in batch if known[site.site_id]]
                fresh = [
                    # A record of which a part was imported before needs a number of its own.
                    (
                        decoded
                        if len(rows) == len(observations)
                        else msgspec.structs.replace(decoded, seq=decoded.seq + 128),
                        site.site_id,
                        judged(rows),
                    )
                    for site, decoded, observations in accepted
                    if (rows := _unknown(store, site.site_id, observations))
                ]
                store.put_imported(fresh)
                added += sum(len(found.raws) for _, _, found in fresh)
    except UnicodeDecodeError as error:
        raise Failure(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except RegistryError as error:
        raise Failure(f"{file}: {error}") from error
    finally:
        store.close()
        registry.close()
    refused = [{"line": line, "reason": reason} for line, reason in report.refused]
    if as_json:
        print_json({"rows": report.rows, "added": added, "refused": refused})
    else:
        click.echo(f"{report.rows} rows: {added} added, {len(refused)} refused")
        for one in refused[:20]:
            click.echo(f"  line {one['line']}: {one['reason']}", err=True)
    if refused:
        raise SystemExit(SOME_REFUSED)


def _register(registry: Registry, found: ImportedSite, public: bool) -> str:
    """Add a site that is not known; return why it cannot be, "" when it is there."""
    try:
        if registry.site(found.site_id) is None:
            registry.put_site(
                Site(
                    found.site_id, DEFAULT_ORGANISATION, found.name or found.site_id, found.kind,
                    found.longitude, found.latitude, found.precision_m, found.licence,
                )
            )  # fmt: skip
            if public:
                registry.consent(found.site_id)
    except RegistryError as error:
        return str(error)
    return ""


def _unknown(store: Store, site_id: str, observations: list[Observation]) -> list[Observation]:
    """Return what the store does not hold yet of a record."""
    at_ms = observations[0].observed_at_ms
    there = {
        (row.form.quantity, row.received_at_ms, row.value, row.raw, row.form.method)
        for row in store.between(at_ms, at_ms + 1, 10_000, [site_id])
    }
    return [
        one
        for one in observations
        if (one.quantity, one.received_at_ms, one.value, one.raw_value, one.method) not in there
    ]
