"""Observations into a SensorThings server: data arrays, read row by row, and nothing twice.

Servers differ on duplicates: some keep them, some refuse them. So before rows go out, the highest position
among them is written down; rows at or below what was ever written down may be there already, and the server
is asked which of their times it has. New rows are never asked about.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx

from gateway.counters import Counters
from gateway.exports import iso_utc
from gateway.model import PublicObservation, PublicReader, PublicSite
from gateway.publish.base import Outcome, Packed, Parcel, Rejection
from gateway.publish.mqtt_link import BrokerSettings, Message, MqttLink
from gateway.publish.posting import HttpClient, Verdict, judge, reason, retry_after_s
from gateway.publish.sensorthings.entities import Entities, EntityError, Id, literal
from gateway.publish.sensorthings.settings import SensorThingsSettings
from gateway.publish.sensorthings.vocabulary import Stream, parameters, quality, results
from gateway.publish.sitebook import News

COMPONENTS = ["phenomenonTime", "resultTime", "result", "resultQuality", "parameters", "FeatureOfInterest/id"]
MQTT_TRIES = 2  # what MQTT did not bring there by then goes over HTTP, which says why
ASK_ROWS = 100  # a page that every server allows


@dataclass(frozen=True, slots=True)
class Point:
    """One observation of one Datastream on its way."""

    stream: Stream
    result: float
    row: PublicObservation


@dataclass(frozen=True, slots=True)
class _Place:
    datastream: Id
    feature: Id


@dataclass(frozen=True, slots=True)
class _Load:
    """A parcel's content."""

    points: tuple[Point, ...]
    sites: dict[str, PublicSite]


class SensorThingsPublisher:
    """Publisher for one server. folder: where ids and the mark are kept."""

    def __init__(
        self,
        settings: SensorThingsSettings,
        counters: Counters,
        folder: Path,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        headers = {"accept": "application/json", "content-type": "application/json"}
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token}"
        elif settings.username:
            pair = b64encode(f"{settings.username}:{settings.password}".encode()).decode()
            headers["authorization"] = f"Basic {pair}"
        self._client = HttpClient(settings.url, headers, settings.timeout_s, transport)
        folder.mkdir(parents=True, exist_ok=True)
        self._entities = Entities(settings, self._client, folder / f"{settings.name}.entities.json")
        self._mark = folder / f"{settings.name}.sent"
        self._has_arrays = settings.data_arrays
        self._link: MqttLink | None = None
        if settings.mqtt_host:
            self._link = MqttLink(
                BrokerSettings(
                    settings.mqtt_host,
                    settings.mqtt_port,
                    settings.mqtt_username,
                    settings.mqtt_password,
                    settings.mqtt_tls,
                    timeout_s=settings.timeout_s,
                )
            )
        self.chunk_rows = max(500, settings.max_rows)

    @property
    def name(self) -> str:
        """Return the name under which position, counters and side list are kept."""
        return self._settings.name

    def pack(self, rows: Sequence[PublicObservation], reader: PublicReader) -> Packed:
        """Make parcels in time order, a moment of a series once."""
        sites = {site.site_id: site for site in reader.sites()}
        known: set[tuple[Stream, int]] = set()
        parcels: list[Parcel] = []
        rejections: list[Rejection] = []
        points: list[Point] = []
        for row in sorted(rows, key=lambda row: (row.observed_at_ms, row.position)):
            found = [Point(stream, result, row) for stream, result in results(row)]
            if row.site_id not in sites or not found:
                continue
            if not all(math.isfinite(point.result) for point in found):
                rejections.append(Rejection(row, "is not a finite number"))
                continue
            for point in found:
                key = (point.stream, row.observed_at_ms)
                if key in known:
                    self._counters.count(f"publish.{self.name}.same_moment")
                else:
                    known.add(key)
                    points.append(point)
            if len(points) >= self._settings.max_rows:
                parcels.append(_parcel(points, sites))
                points = []
        if points:
            parcels.append(_parcel(points, sites))
        return Packed(parcels, rejections)

    def announce(self, news: News, reader: PublicReader) -> Sequence[Parcel]:
        """Bring Things, Locations and Datastreams of changed sites up to date; forget those that are gone.

        What the server has of them stays there: it is theirs to delete.
        """
        sites = {site.site_id: site for site in reader.sites()}
        changed = [Parcel((), sites[one.site_id]) for one in news.changed if one.site_id in sites]
        return [*changed, *(Parcel((), site_id) for site_id in news.gone)]

    async def send(self, parcel: Parcel, attempt: int) -> Outcome:
        """Send one parcel."""
        if isinstance(parcel.content, str):
            self._entities.forget_site(parcel.content)
            return Outcome()
        if isinstance(parcel.content, PublicSite):
            try:
                await self._entities.tell(parcel.content, parcel.content.quantities)
            except EntityError as error:
                return Outcome((), parcel, str(error))
            return Outcome()
        load: _Load = parcel.content
        try:
            places = await self._places(load)
            points = await self._unknown(load.points, places)
        except EntityError as error:
            return Outcome((), parcel, str(error))
        if self._link is not None and attempt < MQTT_TRIES:
            return await self._publish(self._link, points, places, load.sites)
        outcome = await self._send(points, places, load.sites)
        if outcome.rejections and not await self._is_there(places):
            await asyncio.get_running_loop().run_in_executor(None, self._entities.forget)
            return Outcome((), parcel, "the server lost our Datastreams: they are made again")
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        if self._link is not None:
            await self._link.close()

    # -- what is there

    async def _places(self, load: _Load) -> dict[Stream, _Place]:
        found: dict[Stream, _Place] = {}
        for point in load.points:
            if point.stream not in found:
                site = load.sites[point.stream.site_id]
                found[point.stream] = _Place(
                    *await self._entities.datastream(point.stream, point.row.unit, site)
                )
        return found

    async def _is_there(self, places: dict[Stream, _Place]) -> bool:
        place = next(iter(places.values()))
        return await self._entities.exists("Datastreams", place.datastream)

    async def _unknown(self, points: Sequence[Point], places: dict[Stream, _Place]) -> list[Point]:
        """Return the points that the server lacks; raise EntityError when it cannot say."""
        newest = max(point.row.position for point in points)
        loop = asyncio.get_running_loop()
        mark = await loop.run_in_executor(None, self._raise_mark, newest)
        doubtful = [point for point in points if point.row.position <= mark]
        left = set(await self._missing(doubtful, places))
        if len(left) < len(doubtful):
            self._counters.count(f"publish.{self.name}.there_already", n=len(doubtful) - len(left))
        return [point for point in points if point.row.position > mark or point in left]

    async def _missing(self, doubtful: Sequence[Point], places: dict[Stream, _Place]) -> list[Point]:
        """Return the points of which the server has no time; raise EntityError when it cannot say."""
        known: set[tuple[Stream, int]] = set()
        for stream in {point.stream for point in doubtful}:
            times = [point.row.observed_at_ms for point in doubtful if point.stream == stream]
            there = set(await self._times(places[stream].datastream, min(times), max(times)))
            cuts = not any(at_ms % 1000 for at_ms in there)  # some servers keep whole seconds only
            found = {at for at in times if at in there or (cuts and at // 1000 * 1000 in there)}
            known |= {(stream, at_ms) for at_ms in found}
        return [point for point in doubtful if (point.stream, point.row.observed_at_ms) not in known]

    def _raise_mark(self, newest: int) -> int:
        try:
            mark = int(self._mark.read_text(encoding="ascii"))
        except (OSError, ValueError):
            mark = 0
        if newest > mark:
            fresh = self._mark.with_suffix(".new")
            with fresh.open("w", encoding="ascii") as file:
                file.write(str(newest))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._mark)
        return mark

    async def _times(self, datastream: Id, first_ms: int, last_ms: int) -> list[int]:
        # Whole seconds around them: some servers do not compare fractions.
        first, last = iso_utc(first_ms // 1000 * 1000), iso_utc(-(-last_ms // 1000) * 1000)
        wanted = quote(f"phenomenonTime ge {first} and phenomenonTime le {last}")
        path = f"/Datastreams({literal(datastream)})/Observations?$filter={wanted}&$top={ASK_ROWS}"
        found: list[int] = []
        while path:
            answer = await self._client.request("GET", path)
            if isinstance(answer, str):
                raise EntityError(answer)
            if answer.status_code == 404:
                return []
            if judge(answer) is not Verdict.TAKEN:
                raise EntityError(f"which observations are there: {reason(answer)}")
            try:
                content: Any = answer.json()
                found += [_start_ms(one["phenomenonTime"]) for one in content["value"]]
                path = str(content.get("@iot.nextLink") or "")
            except (ValueError, KeyError, TypeError, AttributeError):
                raise EntityError("which observations are there: the answer is not SensorThings") from None
        return found

    # -- sending

    async def _send(
        self, points: Sequence[Point], places: dict[Stream, _Place], sites: dict[str, PublicSite]
    ) -> Outcome:
        if not points:
            return Outcome()
        if not self._has_arrays or len(points) == 1:
            return await self._send_each(points, places, sites)
        series: dict[Stream, list[Point]] = {}
        for point in points:
            series.setdefault(point.stream, []).append(point)
        order = [point for mine in series.values() for point in mine]
        body = ",".join([_array(places[stream], mine) for stream, mine in series.items()])
        answer = await self._client.request("POST", "/CreateObservations", f"[{body}]".encode())
        if isinstance(answer, str):
            return Outcome((), _parcel(points, sites), answer)
        if answer.status_code in (404, 405, 501):
            self._has_arrays = False
            return await self._send_each(points, places, sites)
        if judge(answer) is Verdict.RETRY:
            return Outcome((), _parcel(points, sites), reason(answer), retry_after_s(answer))
        if judge(answer) is Verdict.REFUSED:
            half = len(order) // 2
            parts = [await self._send(part, places, sites) for part in (order[:half], order[half:])]
            return _merged(parts, sites)
        rows = _rows(answer)
        if rows is None or len(rows) != len(order):
            return Outcome((), _parcel(points, sites), "the answer does not tell what became of each row")
        # Success is an address; anything else is an error. Some servers give up all rows for one bad one.
        failed = [point for point, said in zip(order, rows, strict=True) if not _is_address(said)]
        return await self._send_each(failed, places, sites)

    async def _publish(
        self,
        link: MqttLink,
        points: Sequence[Point],
        places: dict[Stream, _Place],
        sites: dict[str, PublicSite],
    ) -> Outcome:
        """Publish by MQTT, and ask over HTTP until the server shows it: a broker's word is not a server's."""
        root = self._settings.mqtt_root
        messages = [
            Message(
                f"{root}/Datastreams({literal(places[point.stream].datastream)})/Observations",
                _json(_single(point, places[point.stream])),
            )
            for point in points
        ]
        why = await link.publish(messages)
        if why:
            return Outcome((), _parcel(points, sites), why)
        left, wait_s, waited_s = points, 0.1, 0.0
        while left:
            try:
                left = await self._missing(left, places)
            except EntityError as error:
                return Outcome((), _parcel(left, sites), str(error))
            if left and waited_s >= self._settings.confirm_s:
                return Outcome((), _parcel(left, sites), "the server does not show what was published")
            if left:
                await asyncio.sleep(wait_s)
                waited_s, wait_s = waited_s + wait_s, min(wait_s * 2, 5.0)
        return Outcome()

    async def _send_each(
        self, points: Sequence[Point], places: dict[Stream, _Place], sites: dict[str, PublicSite]
    ) -> Outcome:
        rejections: list[Rejection] = []
        for number, point in enumerate(points):
            answer = await self._client.request(
                "POST", "/Observations", _json(_single(point, places[point.stream]))
            )
            if isinstance(answer, str):
                return Outcome(rejections, _parcel(points[number:], sites), answer)
            verdict = judge(answer)
            if verdict is Verdict.RETRY and answer.status_code != 404:
                why = reason(answer)
                return Outcome(rejections, _parcel(points[number:], sites), why, retry_after_s(answer))
            is_duplicate = answer.status_code == 409 or "duplicate" in answer.text[:2000].lower()
            if verdict is not Verdict.TAKEN and not is_duplicate:
                rejections.append(Rejection(point.row, reason(answer)))
        return Outcome(_once(rejections))


def _parcel(points: Sequence[Point], sites: dict[str, PublicSite]) -> Parcel:
    rows = {point.row.position: point.row for point in points}
    return Parcel(tuple(rows.values()), _Load(tuple(points), sites))


def _merged(parts: Sequence[Outcome], sites: dict[str, PublicSite]) -> Outcome:
    left = [point for part in parts if part.remaining for point in part.remaining.content.points]
    return Outcome(
        _once([rejection for part in parts for rejection in part.rejections]),
        _parcel(left, sites) if left else None,
        next((part.reason for part in parts if part.reason), ""),
        max((part.after_s for part in parts if part.after_s is not None), default=None),
    )


def _once(rejections: Sequence[Rejection]) -> list[Rejection]:
    """Keep one rejection a row: a row may be two results."""
    return list({rejection.row.position: rejection for rejection in rejections}.values())


def _array(place: _Place, points: Sequence[Point]) -> str:
    """Return a data array of COMPONENTS as JSON text."""
    feature = _text(place.feature)
    rows: list[str] = []
    for point in points:
        row = point.row
        time = iso_utc(row.observed_at_ms)
        worth = _worth(row.state, row.flags, row.method, row.method_version, point.stream.is_raw)
        rows.append(f'["{time}","{time}",{point.result!r},{worth},{feature}]')
    return (
        f'{{"Datastream":{{"@iot.id":{_text(place.datastream)}}},"components":{_text(COMPONENTS)},'
        f'"dataArray@iot.count":{len(points)},"dataArray":[{",".join(rows)}]}}'
    )


@lru_cache(4096)
def _worth(state: str, flags: tuple[str, ...], method: str, version: int, is_raw: bool) -> str:
    """Return resultQuality and parameters as JSON text: the same for most rows of a series."""
    row = PublicObservation(0, "", "", "", None, None, state, flags, method, version, 0, 0)
    return f"{_text(quality(row))},{_text(parameters(row, is_raw))}"


def _single(point: Point, place: _Place) -> dict[str, Any]:
    return {
        **_values(point),
        "Datastream": {"@iot.id": place.datastream},
        "FeatureOfInterest": {"@iot.id": place.feature},
    }


def _values(point: Point) -> dict[str, Any]:
    time = iso_utc(point.row.observed_at_ms)
    return {
        "phenomenonTime": time,
        "resultTime": time,
        "result": point.result,
        "resultQuality": quality(point.row),
        "parameters": parameters(point.row, point.stream.is_raw),
    }


def _rows(answer: httpx.Response) -> list[object] | None:
    try:
        found: Any = answer.json()
    except ValueError:
        return None
    return cast("list[object]", found) if isinstance(found, list) else None


def _is_address(said: object) -> bool:
    return isinstance(said, str) and "Observations(" in said


def _start_ms(time: str) -> int:
    """Return the start of a time, which may be an interval, in milliseconds; raise ValueError."""
    start = datetime.fromisoformat(time.split("/")[0])
    return round(start.timestamp() * 1000)


def _text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _json(content: Any) -> bytes:
    return _text(content).encode()
