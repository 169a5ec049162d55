"""The map's table as HTML: each row written once for all who look at the same layer and hour."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from gateway.web.context import Context
from gateway.web.languages import Tongue
from gateway.web.layers import Layer
from gateway.web.map_rows import MapRow, MapRows
from gateway.web.now import Snapshot

MOST_KEPT = 60  # tables: layers and hours that people look at within a few seconds
FEW = 200  # sites up to which a row is fetched without loading the page anew
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a layer. write: makes a row that is the chosen one."""

    snapshot: Snapshot
    rows: list[MapRow]
    texts: list[str]
    write: Callable[[MapRow, int, bool], str]

    @property
    def has_parts(self) -> bool:
        """Tell whether rows say day, evening and night."""
        return bool(self.rows and self.rows[0].parts)

    @property
    def is_short(self) -> bool:
        """Tell whether rows are fetched one by one."""
        return len(self.rows) <= FEW

    def html(self, chosen: str) -> Markup:
        """Return all rows, that of one site marked."""
        texts = self.texts
        at = next((i for i, row in enumerate(self.rows) if row.site_id == chosen), None)
        if at is not None:
            texts = [*texts[:at], self.write(self.rows[at], at + 1, True), *texts[at + 1 :]]
        return Markup("".join(texts))  # noqa: S704 - written by the template


class MapTable:
    """Makes tables, and keeps them as long as the snapshot that they were made of."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows = MapRows(context)
        self._kept: OrderedDict[Key, Table] = OrderedDict()

    def moment(self, back: int, tongue: Tongue, now_ms: int) -> str:
        """Return which hour is shown, "" for now."""
        return self._rows.moment(back, tongue, now_ms)

    async def rows(self, snapshot: Snapshot, layer: Layer, back: int, tongue: Tongue) -> Table:
        """Return the table of a layer, now or an hour of the last week."""
        key = (tongue.language, layer.name, back)
        known = self._kept.get(key)
        if known is not None and known.snapshot is snapshot:
            self._kept.move_to_end(key)
            return known
        context = self._context
        views = await context.read(lambda: snapshot.views(tongue, context.settings))
        rows = await self._rows.rows(views, layer, back, tongue, snapshot.now_ms)
        macro = context.environments[tongue.language].get_template("site_row.html").module
        few = len(rows) <= FEW

        def write(row: MapRow, n: int, is_chosen: bool) -> str:
            return macro.row(row, n, layer, back, few, is_chosen)  # type: ignore[attr-defined]  # pyright: ignore

        texts = await context.read(lambda: [write(row, n, False) for n, row in enumerate(rows, 1)])
        found = self._kept[key] = Table(snapshot, rows, texts, write)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found
