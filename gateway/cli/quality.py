"""`meetnet quality`: methods, corrections on record, co-locations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click

from gateway import sheet
from gateway.cli.common import Failure, config_option, configuration, json_option, print_json, table
from gateway.cli.review import review
from gateway.exports import iso_utc
from gateway.quality import ASSIGNABLE, CHECKS, DEFAULTS, METHODS, Assignable
from gateway.quality.colocation import Agreement, Report, report
from gateway.quality.correct import assignment
from gateway.quality.pairs import Columns, read
from gateway.quality.review import NETWORK_CHECKS, NetworkCheck
from gateway.quality.table import Check, Method
from gateway.registry import Correction, Registry
from gateway.registry.rules import eui


@click.group()
def quality() -> None:
    """See how values are judged and corrected, and put corrections on record."""


quality.add_command(review)


@quality.command("methods")
@json_option
def methods(as_json: bool) -> None:
    """List every check, derivation and correction with version, parameters and source.

    \b
    Example:
      meetnet quality methods --json
    """
    checks = [_plain(check) for check in (*CHECKS, *NETWORK_CHECKS)]
    derived = [_plain(method) for method in (*METHODS, *(default.method for default in DEFAULTS))]
    assignable = [_plain(row) for row in ASSIGNABLE]
    if as_json:
        print_json({"checks": checks, "methods": derived, "assignable": assignable})
        return
    table([(c["name"], c["version"], c["quantity"], _words(c["parameters"]), c["source"]) for c in checks],
          ("CHECK", "V", "QUANTITY", "PARAMETERS", "SOURCE"))  # fmt: skip
    click.echo()
    table([(m["name"], m["version"], m["quantity"], _words(m["parameters"]), ", ".join(m["inputs"]))
           for m in derived], ("METHOD", "V", "QUANTITY", "PARAMETERS", "INPUTS"))  # fmt: skip
    click.echo("\nCan be put on record for a device (meetnet quality correct):")
    table([(a["name"], ", ".join(a["quantities"]), ", ".join(a["parameters"]) or "-", a["text"])
           for a in assignable], ("METHOD", "QUANTITIES", "PARAMETERS", "WHAT"))  # fmt: skip


@quality.command("correct")
@config_option
@json_option
@click.argument("dev_eui")
@click.argument("quantity")
@click.argument("method")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--from", "start", type=click.DateTime(), help="Values observed from then on (UTC) [default: now]."
)
@click.option("--evidence", default="", help="What it rests on: a co-location, a paper, a report.")
def correct(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    quantity: str,
    method: str,
    parameters: tuple[str, ...],
    start: datetime | None,
    evidence: str,
) -> None:
    """Put a correction of a device on record; the one before it ends then. Raw values are never touched.

    \b
    Example:
      meetnet quality correct 70b3d57ed0000001 pm2_5 linear_rh slope=0.52 per_rh=-0.09 intercept=5.8 \\
          --from 2026-12-01 --evidence "co-location at station 42R801, November 2026"
    """
    correction = Correction(
        dev_eui=eui("dev_eui", dev_eui),
        quantity=quantity,
        method=method,
        version=assignment(method, quantity, given := _numbers(parameters)),
        parameters=given,
        from_ms=_ms(start),
        to_ms=None,
        evidence=evidence,
    )
    _keep(configuration(config_file, data).directory, correction, as_json)


@quality.command("corrections")
@config_option
@json_option
@click.argument("dev_eui", required=False)
def corrections(config_file: Path | None, data: Path | None, as_json: bool, dev_eui: str | None) -> None:
    """List the corrections on record, also those that ended.

    \b
    Example:
      meetnet quality corrections 70b3d57ed0000001
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        rows = registry.corrections(None if dev_eui is None else eui("dev_eui", dev_eui))
    finally:
        registry.close()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table([(row.dev_eui, row.quantity, f"{row.method} {row.version}", _words(row.parameters),
            iso_utc(row.from_ms), None if row.to_ms is None else iso_utc(row.to_ms),
            None if row.uncertainty_percent is None else f"{row.uncertainty_percent:.0f} %", row.evidence)
           for row in rows],
          ("DEVICE", "QUANTITY", "METHOD", "PARAMETERS", "FROM", "TO", "U", "EVIDENCE"))  # fmt: skip


@quality.command("end")
@config_option
@json_option
@click.argument("dev_eui")
@click.argument("quantity")
@click.option("--at", type=click.DateTime(), help="Values observed from then on (UTC) [default: now].")
def end(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    dev_eui: str,
    quantity: str,
    at: datetime | None,
) -> None:
    """Let the correction of a quantity end: its default method holds again.

    \b
    Example:
      meetnet quality end 70b3d57ed0000001 pm2_5
    """
    registry = Registry(configuration(config_file, data).directory)
    try:
        ended = registry.end_correction(eui("dev_eui", dev_eui), quantity, _ms(at))
    finally:
        registry.close()
    if not ended:
        raise Failure(
            f"{dev_eui} has no correction of {quantity} that goes on; see meetnet quality corrections"
        )
    if as_json:
        print_json({"dev_eui": dev_eui, "quantity": quantity, "ended": True})
        return
    click.echo(f"{dev_eui}: the correction of {quantity} ended")


@quality.command("colocate")
@config_option
@json_option
@click.argument("pairs", type=click.File("rb"))
@click.option("--quantity", default="pm2_5", show_default=True, help="pm2_5, pm10, no2 or o3.")
@click.option("--time", "time_column", default="time", show_default=True, help="Column of the time.")
@click.option("--raw", default="raw", show_default=True, help="Column of the sensor.")
@click.option("--reference", default="reference", show_default=True, help="Column of the reference.")
@click.option("--humidity", help="Column of the relative humidity [default: rh, if there is one].")
@click.option(
    "--reference-uncertainty", default=0.0, help="Standard uncertainty of the reference (its unit)."
)
@click.option("--save", metavar="DEVEUI", help="Put the correction on record for this device.")
@click.option(
    "--from", "start", type=click.DateTime(), help="With --save: from when on (UTC) [default: now]."
)
def colocate(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    pairs: BinaryIO,
    quantity: str,
    time_column: str,
    raw: str,
    reference: str,
    humidity: str | None,
    reference_uncertainty: float,
    save: str | None,
    start: datetime | None,
) -> None:
    """Fit a correction to a time beside a reference instrument, and say how sure it is.

    The CSV has a time, the sensor's raw value, the reference and, better, humidity. The uncertainty is that
    of days that the fit has not seen, by the European guide to the demonstration of equivalence.

    \b
    Example:
      meetnet quality colocate beside-42R801.csv --raw pm25 --reference vmm
    """
    found = read(sheet.parse(pairs.name, pairs.read()), Columns(time_column, raw, reference, humidity))
    outcome = report(
        quantity, found.times_ms, found.raw, found.reference, found.humidity, reference_uncertainty
    )
    if as_json:
        print_json(outcome.as_dict() | {"left_out": found.left_out})
    else:
        _print_report(outcome, found.left_out)
    if save is not None:
        name, parameters = _as_method(outcome)
        correction = Correction(
            dev_eui=eui("save", save),
            quantity=quantity,
            method=name,
            version=assignment(name, quantity, parameters),
            parameters=parameters,
            from_ms=_ms(start),
            to_ms=None,
            evidence=f"co-location of {outcome.days:.0f} days, {outcome.corrected.pairs} hours",
            uncertainty_percent=round(outcome.corrected.uncertainty_percent, 1),
        )
        _keep(configuration(config_file, data).directory, correction, quiet=as_json)


def _plain(row: Check | NetworkCheck | Method | Assignable) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return values | {"parameters": dict(row.parameters)}


def _as_method(outcome: Report) -> tuple[str, dict[str, float]]:
    parameters = {"slope": outcome.fit.slope, "intercept": outcome.fit.intercept}
    if outcome.quantity.startswith("pm"):
        return "linear_rh", parameters | {"per_rh": outcome.fit.per_rh}
    if outcome.fit.per_rh:
        raise Failure("a gas correction with a humidity term cannot be put on record: leave the humidity out")
    return "linear", parameters


def _keep(directory: Path, correction: Correction, as_json: bool = False, quiet: bool = False) -> None:
    registry = Registry(directory)
    try:
        changed = registry.put_correction(correction)
    finally:
        registry.close()
    if as_json:
        print_json(asdict(correction) | {"changed": changed})
    elif not quiet:
        word = "is on record" if changed else "was on record already"
        click.echo(f"{correction.dev_eui}: {correction.method} for {correction.quantity} {word}")


def _print_report(found: Report, left_out: int) -> None:
    click.echo(
        f"{found.quantity}, {found.corrected.pairs} hours over {found.days:.1f} days ({left_out} rows empty)"
    )
    term = f" {found.fit.per_rh:+.4f} * humidity" if found.fit.per_rh else ""
    click.echo(f"correction: {found.fit.slope:.4f} * raw{term} {found.fit.intercept:+.3f} {found.unit}\n")
    table([_row("raw", found.raw), _row("corrected, unseen days", found.corrected)],
          ("", "SLOPE", "INTERCEPT", "R2", "RMSE", "BIAS", f"U AT {found.limit:g}"))  # fmt: skip
    for name, met in found.objectives.items():
        click.echo(f"{'meets' if met else 'misses'} the data-quality objective of {name}, with these data")
    click.echo(f"({found.source})")
    for remark in found.remarks:
        click.echo(f"note: {remark}")


def _row(name: str, a: Agreement) -> tuple[str, ...]:
    line = (f"{a.slope:.3f}", f"{a.intercept:.2f}", f"{a.r_squared:.3f}")
    return (name, *line, f"{a.rmse:.2f}", f"{a.bias:+.2f}", f"{a.uncertainty_percent:.0f} %")


def _numbers(words: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise Failure(f"{word!r}: give NAME=VALUE with a number, e.g. slope=0.52") from None
    return found


def _words(parameters: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:g}" for name, value in parameters.items()) or "-"


def _ms(moment: datetime | None) -> int:
    if moment is None:
        return time.time_ns() // 1_000_000
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)
