"""`meetnet quality review`: hold what was measured against the network again."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.common import Failure, config_option, configuration, json_option, print_json
from gateway.clock import SystemClock
from gateway.counters import Counters
from gateway.datadir import DataDirectory
from gateway.model import Assessment
from gateway.quality.review import NETWORK_CHECKS
from gateway.quality.table import HOUR_MS
from gateway.registry import Registry
from gateway.reviewing import DAY_MS, Review
from gateway.store import open_store
from gateway.store.assessments import Assessments


@click.command("review")
@config_option
@json_option
@click.option("--from", "start", type=click.DateTime(), required=True, help="Since when (UTC), a whole hour.")
@click.option("--to", "stop", type=click.DateTime(), help="Until when (UTC) [default: the last whole hour].")
@click.option("--month", is_flag=True, help="The checks of a month, for each day of the time.")
@click.option("--dry-run", is_flag=True, help="Only say what would change; keep nothing.")
def review(
    config_file: Path | None,
    data: Path | None,
    as_json: bool,
    start: datetime,
    stop: datetime | None,
    month: bool,
    dry_run: bool,
) -> None:
    """Hold a time against the network again: late records, new checks, sites that were added since.

    A running gateway does this by itself each hour and each day. Values are never touched: flags are added,
    and those that the same version of a check gave before and would not give now are taken away.

    \b
    Example:
      meetnet quality review --from 2026-11-01 --to 2026-12-01 --dry-run
    """
    settings = configuration(config_file, data)
    directory = DataDirectory(settings.directory)
    if not directory.store.exists():
        raise Failure(f"no store in {directory.path}: run the gateway first, or give --data")
    step_ms = DAY_MS if month else HOUR_MS
    start_ms = -(-_ms(start) // step_ms) * step_ms
    end_ms = _ms(stop) // step_ms * step_ms
    if end_ms <= start_ms:
        raise Failure(f"--from and --to: there is no whole {'day' if month else 'hour'} between them")
    registry, store = Registry(directory.path), open_store(directory.store, settings.text("data.postgres"))
    assessments = Assessments(directory.review)
    try:
        looking = Review(store, registry.places, assessments, SystemClock(), Counters())
        before = {_key(one) for one in assessments.between(start_ms, end_ms)}
        found: list[Assessment] = []
        seen = 0
        with click.progressbar(range(start_ms, end_ms, DAY_MS), label="days", file=sys.stderr) as days:
            for day_ms in days:
                until_ms = min(day_ms + DAY_MS, end_ms)
                look = looking.month(until_ms) if month else looking.hours(day_ms, until_ms)
                seen += look.seen
                found += [one for rows in look.found.values() for one in rows]
                if not dry_run:
                    looking.keep(look, period=month)
    finally:
        assessments.close()
        store.close()
        registry.close()
    new = sorted({_key(one) for one in found} - before)
    mine = {check.name for check in NETWORK_CHECKS if check.period == month}
    gone = len({one for one in before if one[3] in mine} - {_key(one) for one in found})
    if as_json:
        print_json({"seen": seen, "found": [asdict(one) for one in found], "new": len(new), "gone": gone,
                    "kept": not dry_run})  # fmt: skip
        return
    for flag, number in Counter(one.flag for one in found).most_common():
        click.echo(f"{number:6} {flag}")
    kept = " (nothing was kept)" if dry_run else ""
    click.echo(f"{seen} values looked at; {len(new)} flags new, {gone} gone{kept}")


def _key(one: Assessment) -> tuple[str, str, int, str]:
    return one.site_id, one.quantity, one.from_ms, one.flag


def _ms(moment: datetime | None) -> int:
    return (
        time.time_ns() // 1_000_000 if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    )
