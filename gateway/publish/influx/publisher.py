"""Observations as lines: `pm2_5,kind=air,site=plein-1,unit=ug/m3 value=7.0,quality="good" 1795000000000`.

Numbers are always floats (7 would make the field an integer and refuse 7.5 later). Tags and time name the
point: writing it again overwrites it. A batch with one bad line is refused though its good lines
are stored, so it is halved and written again until the line stands alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from operator import attrgetter
from urllib.parse import urlencode

import httpx

from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.model import PublicObservation, PublicReader, PublicRecord, PublicSite, RecordReader
from gateway.publish.base import Chosen, Outcome, Packed, Parcel, RecordRows, Rejection
from gateway.publish.posting import (
    HttpClient,
    Verdict,
    check_address,
    check_between,
    judge,
    reason,
    retry_after_s,
)
from gateway.shapes import Form


@dataclass(frozen=True, slots=True)
class InfluxSettings:
    """Settings of one database.

    version: 1 (database, username, password) or 2 (org, bucket, token).
    """

    url: str
    name: str = "influx"
    version: int = 2
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    org: str = ""
    bucket: str = ""
    token: str = field(default="", repr=False)
    max_rows: int = 2000
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        check_address(f"{key}.url", self.url, "http://127.0.0.1:8086")
        if self.version not in (1, 2):
            raise ConfigError(f"{key}.version", "must be 1 or 2")
        for needed in ("database",) if self.version == 1 else ("org", "bucket"):
            if not getattr(self, needed):
                raise ConfigError(f"{key}.{needed}", f"is needed for version {self.version}")
        check_between(f"{key}.max_rows", self.max_rows, 1, 10_000, "2000")
        check_between(f"{key}.timeout_s", self.timeout_s, 0.1, 600, "20")


class InfluxPublisher:
    """Publisher for one database."""

    def __init__(
        self, settings: InfluxSettings, counters: Counters, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._counters = counters
        headers = {"content-type": "text/plain; charset=utf-8"}
        if settings.version == 2:
            query = {"org": settings.org, "bucket": settings.bucket, "precision": "ms"}
            self._path = "/api/v2/write?" + urlencode(query)
            if settings.token:
                headers["authorization"] = f"Token {settings.token}"
        else:
            self._path = "/write?" + urlencode({"db": settings.database, "precision": "ms"})
            if settings.username:
                pair = f"{settings.username}:{settings.password}".encode()
                headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        self._lines = Lines()
        self.chunk_rows = max(500, settings.max_rows)

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make lines in time order."""
        sites = {site.site_id: site for site in reader.sites()}
        found: list[tuple[PublicObservation, str]] = []
        rejections: list[Rejection] = []
        line = self._lines.line
        for row in sorted(rows, key=_order):
            value, raw_value = row.value, row.raw_value
            if value is None or row.site_id not in sites:
                continue
            if not isfinite(value) or (raw_value is not None and not isfinite(raw_value)):
                rejections.append(Rejection(row, "is not a finite number"))
            else:
                found.append((row, line(row, sites[row.site_id])))
        most = self._settings.max_rows
        return Packed([_parcel(found[at : at + most]) for at in range(0, len(found), most)], rejections)

    @property
    def chunk_records(self) -> int:
        """Return how many records the follower should hand over at once."""
        return max(100, self._settings.max_rows)

    def pack_records(self, records: Sequence[PublicRecord], reader: RecordReader) -> Packed:
        """Make the same lines of whole records: what records of a shape share is made once."""
        sites = reader.places_of(list({record.site_id for record in records}))
        parts: list[tuple[PublicRecord, Chosen]] = []
        texts: list[str] = []
        parcels: list[Parcel] = []
        rejections: list[Rejection] = []
        most, frames_of = self._settings.max_rows, self._lines.frames
        for record in sorted(records, key=_order):
            site = sites.get(record.site_id)
            if site is None:
                continue
            frames = frames_of(site, record.forms)
            lines, chosen = frames.lines(record), frames.whole
            if lines is None:
                lines, chosen, refused = frames.some_lines(record)
                rejections += refused
            if not lines:
                continue
            if texts and len(texts) + len(lines) > most:
                parcels.append(Parcel(RecordRows(parts), texts))
                parts, texts = [], []
            parts.append((record, chosen))
            texts += lines
        if texts:
            parcels.append(Parcel(RecordRows(parts), texts))
        return Packed(parcels, rejections)

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one batch of lines."""
        lines: list[str] = parcel.content
        answer = await self._client.request("POST", self._path, "\n".join(lines).encode())
        if isinstance(answer, str):
            return Outcome((), parcel, answer)
        verdict = judge(answer)
        if verdict is Verdict.TAKEN:
            return Outcome()
        if verdict is Verdict.RETRY:
            return Outcome((), parcel, reason(answer), retry_after_s(answer))
        if len(lines) == 1:
            return Outcome([Rejection(parcel.rows[0], reason(answer))])
        half = len(lines) // 2
        first = await self.send(Parcel(parcel.rows[:half], lines[:half]), attempt)
        second = await self.send(Parcel(parcel.rows[half:], lines[half:]), attempt)
        left = [part.remaining for part in (first, second) if part.remaining]
        rows = tuple(row for part in left for row in part.rows)
        content = [one for part in left for one in part.content]
        return Outcome(
            [*first.rejections, *second.rejections],
            Parcel(rows, content) if rows else None,
            first.reason or second.reason,
            first.after_s or second.after_s,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


_order = attrgetter("observed_at_ms", "position")


class Frames:
    """Lines of records with the same forms at one site: only numbers and the time differ."""

    def __init__(self, site: PublicSite, forms: tuple[Form, ...]) -> None:
        self.site = site
        self.forms = forms
        self.whole = Chosen(tuple(range(len(forms))), tuple([form.quantity for form in forms]))
        self._ends = [_frame(form, site) for form in forms]

    def lines(self, record: PublicRecord) -> list[str] | None:
        """Return the lines of a record all of whose values are finite; None for any other."""
        values, raws = record.values, record.raws
        try:
            if not isfinite(sum(values) + sum(raws)):  # type: ignore[arg-type] # None is the TypeError
                return None
        except TypeError:
            return None
        tail, texts, write = record.observed_at_ms, list[str](), float.__repr__
        for (head, middle), value, raw in zip(self._ends, values, raws, strict=True):
            assert value is not None
            assert raw is not None
            text = write(float(value or 0.0))
            # A number that nobody corrected is written once.
            texts.append(
                f"{head}{text},raw={text if raw == value else write(float(raw or 0.0))}{middle}{tail}"
            )
        return texts

    def some_lines(self, record: PublicRecord) -> tuple[list[str], Chosen, list[Rejection]]:
        """Return the lines of a record's finite values, which they are, and what is refused."""
        lines: list[str] = []
        indexes: list[int] = []
        rejections: list[Rejection] = []
        for at, ((head, middle), value, raw) in enumerate(
            zip(self._ends, record.values, record.raws, strict=True)
        ):
            if value is None:
                continue
            if not isfinite(value) or (raw is not None and not isfinite(raw)):
                rejections.append(Rejection(record.rows()[at], "is not a finite number"))
                continue
            told = "" if raw is None else f",raw={float(raw or 0.0)!r}"
            lines.append(f"{head}{float(value or 0.0)!r}{told}{middle}{record.observed_at_ms}")
            indexes.append(at)
        return lines, Chosen(indexes, tuple([self.forms[at].quantity for at in indexes])), rejections


class Lines:
    """Writes lines. What rows of a series share is written once and kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], tuple[str, str]] = {}
        self._frames: dict[tuple[str, int], Frames] = {}

    def frames(self, site: PublicSite, forms: tuple[Form, ...]) -> Frames:
        """Return what the lines of records of these forms at a site share."""
        key = site.site_id, id(forms)
        found = self._frames.get(key)
        if found is None or found.forms is not forms or found.site is not site:
            if len(self._frames) >= 20_000:
                self._frames.clear()
            found = self._frames[key] = Frames(site, forms)
        return found

    def line(self, row: PublicObservation, site: PublicSite) -> str:
        """Return an observation with a value as one line."""
        key = (row.site_id, site.kind, row.quantity, row.unit, row.state, row.method, str(row.method_version),
               *row.flags)  # fmt: skip
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= 20_000:
                self._kept.clear()
            found = self._kept[key] = _frame(row, site)
        head, tail = found
        raw = "" if row.raw_value is None else f",raw={float(row.raw_value or 0.0)!r}"
        return f"{head}{float(row.value or 0.0)!r}{raw}{tail}{row.observed_at_ms}"


def line(row: PublicObservation, site: PublicSite) -> str:
    """Return an observation with a value as one line."""
    return Lines().line(row, site)


def _frame(row: PublicObservation | Form, site: PublicSite) -> tuple[str, str]:
    """Return what stands before the value and after the raw one."""
    tags = {"kind": site.kind, "site": site.site_id, "unit": row.unit}
    named = "".join(f",{name}={_tag(value)}" for name, value in tags.items() if value)
    quality = "doubtful" if row.flags or row.state != "ok" else "good"
    texts = {"quality": quality, "state": row.state, "flags": " ".join(row.flags), "method": row.method}
    fields = [f'{name}="{_text(value)}"' for name, value in texts.items()]
    fields.append(f"method_version={float(row.method_version)!r}")
    return f"{_tag(row.quantity)}{named} value=", f",{','.join(fields)} "


def _parcel(found: Sequence[tuple[PublicObservation, str]]) -> Parcel:
    return Parcel(tuple(row for row, _ in found), [text for _, text in found])


def _tag(text: str) -> str:
    clean = text.replace("\n", " ").rstrip("\\")
    return clean.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
