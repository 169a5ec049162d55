"""The rows of the map's table: what each site has to say in a layer, now or in an hour of the last week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.insight.noise import parts
from gateway.model import Bucket
from gateway.web.context import Context
from gateway.web.freshness import FRESH, MISSING, SUSPECT
from gateway.web.hours import HOUR_MS, Hours
from gateway.web.languages import N_, NO_VALUE, Tongue
from gateway.web.layers import ALL, Layer, classed
from gateway.web.view import GRADES, SiteView, ValueView

WEEK_HOURS = 168


@dataclass(frozen=True, slots=True)
class MapRow:
    """One site in a layer. klass: 0 without one. parts: levels of day, evening and night of the last 24 h."""

    site_id: str
    name: str
    kind_label: str
    longitude: float
    latitude: float
    what: str
    number: str
    symbol: str
    grade: str
    grade_label: str
    age: str
    iso: str
    reasons: str
    klass: int = 0
    words: str = ""
    parts: tuple[str, ...] = ()


class MapRows:
    """Makes the rows."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hours = Hours(context.reader)

    def moment(self, back: int, tongue: Tongue, now_ms: int) -> str:
        """Return which hour is shown, "" for now."""
        if not back:
            return ""
        start = _hour(back, now_ms)
        return tongue.hour(start)

    async def rows(
        self, views: Sequence[SiteView], layer: Layer, back: int, tongue: Tongue, now_ms: int
    ) -> list[MapRow]:
        """Return the sites that have something of the layer, in the order of the views."""
        if layer is ALL and not back:
            return [_plain(view, view.headline, tongue) for view in views]
        wanted = [view for view in views if layer is ALL or set(layer.quantities) & set(view.quantities)]
        if not back and not layer.index:
            found = [self._now(view, layer, tongue, now_ms) for view in wanted]
            if layer.name == "laeq":
                return await self._context.read(lambda: self._with_parts(found, tongue, now_ms))
            return found
        start_ms = _hour(back, now_ms) if back else now_ms - now_ms % 60_000 - HOUR_MS
        return await self._context.read(lambda: self._hour(wanted, layer, start_ms, back, tongue, now_ms))

    def _now(self, view: SiteView, layer: Layer, tongue: Tongue, now_ms: int) -> MapRow:
        value = next(value for value in view.values if value.quantity == layer.quantities[0])
        found = None if value.value is None else classed(layer, {value.quantity: value.value}, now_ms, tongue)
        return _plain(view, value, tongue, found.klass if found else 0, found.words if found else "")

    def _hour(
        self,
        views: Sequence[SiteView],
        layer: Layer,
        start_ms: int,
        back: int,
        tongue: Tongue,
        now_ms: int,
    ) -> list[MapRow]:
        if layer is ALL:
            return [
                self._of_hour(view, layer, {name: bucket}, start_ms, tongue, now_ms)
                for view in views
                for name in [view.headline.quantity if view.headline else ""]
                for bucket in [self._hours.hour([view.site_id], name, start_ms, now_ms).get(view.site_id)]
            ]
        means = {
            name: self._hours.hour((view.site_id for view in views), name, start_ms, now_ms)
            for name in layer.quantities
        }
        return [
            self._of_hour(
                view,
                layer,
                {name: found.get(view.site_id) for name, found in means.items()},
                start_ms,
                tongue,
                now_ms,
            )
            for view in views
        ]

    def _of_hour(
        self,
        view: SiteView,
        layer: Layer,
        buckets: dict[str, Bucket | None],
        start_ms: int,
        tongue: Tongue,
        now_ms: int,
    ) -> MapRow:
        """Return the row of a site for an hour. An index takes no hour in which everything was doubtful."""
        known = {name: bucket for name, bucket in buckets.items() if bucket is not None}
        good = {name: bucket.mean for name, bucket in known.items() if bucket.flagged < bucket.n}
        grade = MISSING if not known else FRESH if good else SUSPECT
        name = next(iter(known), next(iter(buckets)))
        value = next((value for value in view.values if value.quantity == name), view.headline)
        number, klass, words = NO_VALUE, 0, ""
        if layer is ALL and known:
            number = tongue.number(known[name].mean, 1)
        elif found := classed(
            layer, good if layer.index else {n: b.mean for n, b in known.items()}, start_ms, tongue
        ):
            number, klass, words = found.number, found.klass, found.words
        n = sum(bucket.n for bucket in known.values())
        symbol = "" if layer.index or number == NO_VALUE or value is None else value.symbol
        return MapRow(
            site_id=view.site_id,
            name=view.name,
            kind_label=view.kind_label,
            longitude=view.longitude,
            latitude=view.latitude,
            what=tongue.gettext(layer.label) if layer.index else (value.label if value else ""),
            number=number,
            symbol=symbol,
            grade=grade,
            grade_label=tongue.gettext(GRADES[grade])
            if grade != FRESH
            else tongue.gettext(N_("mean of the hour")),
            age=tongue.ngettext("%(num)d value", "%(num)d values", n) % {"num": n},
            iso=tongue.iso(start_ms),
            reasons="",
            klass=klass,
            words=words,
        )

    def _with_parts(self, rows: Sequence[MapRow], tongue: Tongue, now_ms: int) -> list[MapRow]:
        """Add day, evening and night of the last 24 whole hours."""
        found: list[MapRow] = []
        end_ms = now_ms - now_ms % HOUR_MS
        for row in rows:
            hours = self._hours.stretch(row.site_id, "laeq", end_ms - 24 * HOUR_MS, end_ms)
            levels = parts([(b.start_ms, b.mean) for b in hours if b.flagged < b.n], tongue.zone)
            texts = tuple(tongue.number(level, 1) for level in (levels.day, levels.evening, levels.night))
            found.append(replace(row, parts=texts))
        return found


def _plain(
    view: SiteView, value: ValueView | None, tongue: Tongue, klass: int = 0, words: str = ""
) -> MapRow:
    return MapRow(
        site_id=view.site_id,
        name=view.name,
        kind_label=view.kind_label,
        longitude=view.longitude,
        latitude=view.latitude,
        what=value.label if value else "",
        number=value.number if value else NO_VALUE,
        symbol=value.symbol if value else "",
        grade=value.grade if value else MISSING,
        grade_label=value.grade_label if value else tongue.gettext(N_("nothing received yet")),
        age=value.age if value else "",
        iso=value.iso if value else "",
        reasons=value.reasons if value else "",
        klass=klass,
        words=words,
    )


def _hour(back: int, now_ms: int) -> int:
    """Return the start of the whole hour that lies `back` hours behind the running one."""
    return now_ms - now_ms % HOUR_MS - back * HOUR_MS
