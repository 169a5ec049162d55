"""Records to entities by templates: what all records of one shape have in common is worked out once.

A plan holds for the records of a kind of site with the same forms. It knows which values go out, what stands
between them, and which of them must be looked at. A record that is out of the ordinary (a value missing or
beyond its model, a set of bits, a noise day to tell) is left to EntityWriter, row by row, which writes the
same text (tests/gateway/publish/test_ngsi_ld_plans.py).
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

from gateway.exports import iso_utc
from gateway.model import PublicRecord, PublicSite
from gateway.publish.ngsi_ld.entities import EntityWriter, entity_id
from gateway.publish.ngsi_ld.models import MODELS, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.shapes import Form

_BY_ROWS = frozenset(("noise",))  # kinds of which an entity is more than its record
_MOST_PLANS = 5000
_MOST_KEPT = 10_000
_MOMENT = "\ue000"
_VALUE = "\ue001"
_ID, _NAME, _DEVICE = "\ue002", "\ue003", "\ue004"
_LON, _LAT = "1111.0625", "2222.0625"  # no place on Earth


class Plan:
    """How records of one kind of site and one tuple of forms become entities.

    model: None when nothing of them goes out. indexes: of the observations that do. unmapped, valueless: how
    many do not, for the counters. is_plain False: leave them to EntityWriter.
    """

    def __init__(self, kind: str, forms: tuple[Form, ...], writer: EntityWriter) -> None:
        self.forms = forms
        self.quantities = frozenset(form.quantity for form in forms)
        self.model: Model | None = MODELS.get(kind)
        self.indexes: list[int] = []
        self._values: list[tuple[bool, int, float]] = []  # (raw?, index, scale)
        self._bounded: list[tuple[int, float, float]] = []  # (which of these, least, greatest)
        self.is_plain = kind not in _BY_ROWS
        parts: list[str] = []
        seen: set[str] = set()
        for at, form in enumerate(forms):
            attribute = self.model.attributes.get(form.quantity) if self.model else None
            if attribute is None:
                continue
            if attribute.words or form.quantity == "events" or form.quantity in seen:
                self.is_plain = False
            seen.add(form.quantity)
            self.indexes.append(at)
            tail, raw_tail = writer.tails(attribute, form)
            has_raw = form.method != "none"
            one = f'{{"type":"Property","value":{_VALUE},"observedAt":"{_MOMENT}"'
            shown = one + tail
            for is_raw in (False, True) if has_raw else (False,):
                if math.isfinite(attribute.low) or math.isfinite(attribute.high):
                    self._bounded.append((len(self._values), attribute.low, attribute.high))
                self._values.append((is_raw, at, attribute.scale))
            parts.append(f',"{attribute.name}":' + (f"[{shown},{one}{raw_tail}]" if has_raw else shown))
        self.unmapped = len(forms) - len(self.indexes)
        self._text = "".join(parts).replace("%", "%%").replace(_VALUE, "%r") + "}"

    def text(self, record: PublicRecord, moment: str) -> str | None:
        """Return the attributes of a record as JSON text; None for a record out of the ordinary."""
        values, raws = record.values, record.raws
        numbers: list[float] = []
        for is_raw, at, scale in self._values:
            value = raws[at] if is_raw else values[at]
            if value is None:
                return None
            numbers.append(value if scale == 1.0 else round(value * scale, 6))
        if not math.isfinite(sum(numbers)):
            return None
        for at, low, high in self._bounded:
            if not low <= numbers[at] <= high:
                return None
        return (self._text % tuple(numbers)).replace(_MOMENT, moment)


class Planner:
    """The plans of one publisher, and the heads of its entities. Belongs to one thread at a time."""

    def __init__(self, settings: NgsiLdSettings, writer: EntityWriter) -> None:
        self._settings = settings
        self._writer = writer
        self._plans: dict[tuple[str, int], Plan] = {}
        self._heads: dict[tuple[str, int, str], str] = {}
        self._kept: dict[tuple[object, ...], tuple[str, str]] = {}  # id and head of a site

    def plan(self, kind: str, forms: tuple[Form, ...]) -> Plan:
        """Return the plan of a kind of site and forms."""
        key = kind, id(forms)
        found = self._plans.get(key)
        if found is None or found.forms is not forms:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            found = self._plans[key] = Plan(kind, forms, self._writer)
        return found

    def entity(self, site: PublicSite, record: PublicRecord, plan: Plan) -> tuple[str, str] | None:
        """Return (id, JSON text without @context) of a record; None when it is to be done row by row."""
        model = plan.model
        assert model is not None
        moment = iso_utc(record.observed_at_ms)
        attributes = plan.text(record, moment) if plan.is_plain else None
        if attributes is None:
            return None
        key = (
            site.site_id,
            model.type,
            site.name,
            site.longitude,
            site.latitude,
            site.precision_m,
            site.licence,
        )
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            name = entity_id(model.type, site.site_id, self._settings)
            kept = self._kept[key] = name, self._head(name, site, model)
        return kept[0], kept[1] + self._writer.times(model, record.observed_at_ms, moment) + attributes

    def _head(self, name: str, site: PublicSite, model: Model) -> str:
        key = model.type, site.precision_m, site.licence
        found = self._heads.get(key)
        if found is None:
            found = self._heads[key] = self._blank_head(model, site)
        label = json.dumps(site.name or site.site_id, ensure_ascii=False)[1:-1]
        text = found.replace(_ID, name).replace(_LON, repr(site.longitude)).replace(_LAT, repr(site.latitude))
        if _DEVICE in text:
            text = text.replace(_DEVICE, entity_id("Device", site.site_id, self._settings))
        return text.replace(_NAME, label)  # last: a name may say anything

    def _blank_head(self, model: Model, site: PublicSite) -> str:
        """Return what an entity says of its site, with marks for what differs between sites."""
        blank = replace(site, name=_NAME, longitude=float(_LON), latitude=float(_LAT))
        text = self._writer.head(_ID, blank, model)
        own = entity_id("Device", site.site_id, self._settings)
        return text.replace(f'"object":"{own}"', f'"object":"{_DEVICE}"')
