"""What `meetnet publish check` and `retry` do with a publisher, outside of a follower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from gateway.model import PublicObservation, PublicReader
from gateway.publish.base import Outcome, Publisher, Rejection

CLOCK_S = 60.0  # openSenseMap refuses what is more than a minute in the future; others are as strict


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check: what was looked at, whether it is well, and what to do."""

    what: str
    is_good: bool
    text: str


async def check_clock(url: str, now_ms: int) -> Finding:
    """Compare our clock with the Date header of a platform."""
    try:
        async with httpx.AsyncClient(timeout=20) as client:
            answer = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        return Finding("reach", False, f"{url}: {type(error).__name__} {error}; check `url` and the network")
    try:
        theirs_s = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return Finding("clock", True, "it does not tell its time")
    off_s = now_ms / 1000 - theirs_s
    good = abs(off_s) <= CLOCK_S
    return Finding(
        "clock", good, f"{off_s:+.0f} s against the platform" + ("" if good else ": set the clock")
    )


def check_mapping(publisher: Publisher, reader: PublicReader) -> Iterator[Finding]:
    """Say which sites and newest values would go out."""
    sites = reader.sites()
    yield Finding(
        "consent", bool(sites), f"{len(sites)} sites agreed" + ("" if sites else ": nothing is sent")
    )
    rows = sorted(reader.latest(), key=lambda row: row.position)
    packed = publisher.pack(rows, reader)
    sent = {row.quantity for parcel in packed.parcels for row in parcel.rows}
    unsent = sorted({row.quantity for row in rows} - sent)
    text = f"{len(rows)} newest values: takes {', '.join(sorted(sent)) or 'none'}"
    text += f"; leaves {', '.join(unsent)}" if unsent else ""
    yield Finding("mapping", bool(sent) or not rows, text)
    for rejection in packed.rejections:
        yield Finding("value", False, f"{_named(rejection.row)}: {rejection.reason}")


async def check_sending(publisher: Publisher, reader: PublicReader) -> Finding:
    """Send the newest observations that the platform takes: it knows them or will, so nothing is doubled."""
    packed = publisher.pack(sorted(reader.latest(), key=lambda row: row.position), reader)
    if not packed.parcels:
        return Finding("sending", False, "there is nothing to send yet")
    parcel = packed.parcels[0]
    outcome = await publisher.send(parcel, 1)
    if outcome.remaining is not None:
        return Finding("sending", False, outcome.reason)
    if outcome.rejections:
        return Finding("sending", False, outcome.rejections[0].reason)
    return Finding("sending", True, f"{len(parcel.rows)} observations taken, up to {_named(parcel.rows[-1])}")


async def send_again(
    publisher: Publisher, reader: PublicReader, rejections: Sequence[Rejection]
) -> tuple[set[int], list[Rejection]]:
    """Send rows of the side list again; return the positions that are done, and what is refused again.

    Rows of sites that no longer agree are done: they must not go.
    """
    agreed = {site.site_id for site in reader.sites()}
    rows = sorted({one.row.position: one.row for one in rejections}.values(), key=lambda row: row.position)
    done = {row.position for row in rows if row.site_id not in agreed}
    packed = publisher.pack([row for row in rows if row.position not in done], reader)
    again = list(packed.rejections)
    for parcel in packed.parcels:
        outcome: Outcome = await publisher.send(parcel, 1)
        again += outcome.rejections
        if outcome.remaining is not None:
            again += [Rejection(row, outcome.reason) for row in outcome.remaining.rows]
    failed = {rejection.row.position for rejection in again}
    return {row.position for row in rows} - failed, again


def _named(row: PublicObservation) -> str:
    return f"{row.site_id} {row.quantity} {row.value} {row.unit}"
