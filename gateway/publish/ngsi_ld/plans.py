"""Records to entities by templates: what all records of one shape have in common is worked out once.

A plan holds for the records of a kind of site with the same forms. It knows which values go out, what stands
between them, and which of them must be looked at. A record that is out of the ordinary (a value missing or
beyond its model, a set of bits, a noise day to tell) is left to EntityWriter, row by row, which writes the
same text (tests/gateway/publish/test_ngsi_ld_plans.py).
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from gateway.exports import iso_utc
from gateway.model import PublicRecord, PublicSite
from gateway.publish.ngsi_ld.devices import device
from gateway.publish.ngsi_ld.entities import EntityWriter, dumps, entity_id
from gateway.publish.ngsi_ld.models import MODELS, Model
from gateway.publish.ngsi_ld.settings import NgsiLdSettings
from gateway.publish.ngsi_ld.templates import NumberTemplate, Template, quoted
from gateway.shapes import Form

_BY_ROWS = frozenset(("noise",))  # kinds of which an entity is more than its record
_MOST_PLANS = 5000
_MOST_KEPT = 4000
_VALUE = '{"type":"Property","value":'
_ID, _NAME, _DEVICE = "\ue002", "\ue003", "\ue004"
_LON, _LAT = "1111.0625", "2222.0625"  # no place on Earth
_MARKS = (_ID, _NAME, _DEVICE, _LON, _LAT)


class Plan:
    """How records of one kind of site and one tuple of forms become entities.

    model: None when nothing of them goes out. indexes: of the observations that do, sent: what they are, own:
    names of their attributes that are terms of ours. unmapped: how many do not, for the counters. is_plain
    False: leave them to EntityWriter.
    """

    def __init__(self, kind: str, forms: tuple[Form, ...], writer: EntityWriter) -> None:
        self.forms = forms
        self.quantities = frozenset(form.quantity for form in forms)
        self.model: Model | None = MODELS.get(kind)
        self.indexes: list[int] = []
        self._picked: list[int] = []  # of the values and the raw ones behind them
        self._scaled: list[tuple[int, float]] = []  # (which of these, scale)
        self._bounded: list[tuple[int, float, float]] = []  # (which of these, least, greatest)
        self.is_plain = kind not in _BY_ROWS
        before: list[str] = []
        behind = ""
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
            has_raw = form.method != "none" and writer.has_twins
            for index in (at, len(forms) + at) if has_raw else (at,):
                which = len(self._picked)
                if math.isfinite(attribute.low) or math.isfinite(attribute.high):
                    self._bounded.append((which, attribute.low, attribute.high))
                if attribute.scale != 1.0:
                    self._scaled.append((which, attribute.scale))
                self._picked.append(index)
            before.append(f'{behind},"{attribute.name}":{"[" if has_raw else ""}{_VALUE}')
            behind = '"' + tail
            if has_raw:
                before.append(f"{behind},{_VALUE}")
                behind = f'"{raw_tail}]'
        attributes = self.model.attributes if self.model else {}
        used = [attributes[forms[at].quantity] for at in self.indexes]
        self.own = frozenset(attribute.name for attribute in used if attribute.is_own)
        self.sent = tuple([forms[at].quantity for at in self.indexes])
        self.unmapped = len(forms) - len(self.indexes)
        self._text = NumberTemplate(before, ',"observedAt":"', behind + "}")

    def text(self, record: PublicRecord, moment: str) -> str | None:
        """Return the attributes of a record as JSON text; None for a record out of the ordinary."""
        both = record.values + record.raws
        numbers = [both[at] for at in self._picked]
        try:
            for which, scale in self._scaled:
                numbers[which] = round(numbers[which] * scale, 6)  # type: ignore[operator]
            if not math.isfinite(sum(numbers)):  # type: ignore[arg-type]
                return None
        except TypeError:  # a value that is not there
            return None
        for which, low, high in self._bounded:
            if not low <= numbers[which] <= high:  # type: ignore[operator]
                return None
        return self._text.fill(numbers, moment)  # type: ignore[arg-type]


class Planner:
    """The plans of one publisher, and the heads of its entities. Belongs to one thread at a time."""

    def __init__(self, settings: NgsiLdSettings, writer: EntityWriter) -> None:
        self._settings = settings
        self._writer = writer
        self._plans: dict[tuple[str, int], Plan] = {}
        self._heads: dict[tuple[str, int, str], Template] = {}
        self._devices: dict[tuple[str, tuple[str, ...], int, str], Template] = {}
        self._kept: dict[str, tuple[PublicSite, str, str]] = {}  # a site as it is, id and head of its entity

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
        kept = self._kept.get(site.site_id)
        if kept is None or kept[0] is not site:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            name = entity_id(model.type, site.site_id, self._settings)
            kept = self._kept[site.site_id] = site, name, self._head(name, site, model)
        return kept[1], f"{kept[2]}{self._writer.times(model, record.observed_at_ms, moment)}{attributes}"

    def device(self, site: PublicSite) -> tuple[str, str]:
        """Return (id, JSON text) of the device at a site, the same as `devices.device` makes."""
        key = site.kind, site.quantities, site.precision_m, site.licence
        found = self._devices.get(key)
        if found is None:
            if len(self._devices) >= _MOST_PLANS:
                self._devices.clear()
            blank = replace(site, site_id=_ID, name=_NAME, longitude=float(_LON), latitude=float(_LAT))
            text = dumps(device(blank, self._settings)).replace(
                entity_id("Device", _ID, self._settings), _DEVICE
            )
            found = self._devices[key] = Template(text, _MARKS)
        return self._filled(found, entity_id("Device", site.site_id, self._settings), site)

    def _filled(self, found: Template, name: str, site: PublicSite) -> tuple[str, str]:
        own = entity_id("Device", site.site_id, self._settings)
        label = quoted(site.name or site.site_id)
        return name, found.fill(name, label, own, repr(site.longitude), repr(site.latitude))

    def _head(self, name: str, site: PublicSite, model: Model) -> str:
        key = model.type, site.precision_m, site.licence
        found = self._heads.get(key)
        if found is None:
            if len(self._heads) >= _MOST_PLANS:
                self._heads.clear()
            found = self._heads[key] = Template(self._blank_head(model, site), _MARKS)
        return self._filled(found, name, site)[1]

    def _blank_head(self, model: Model, site: PublicSite) -> str:
        """Return what an entity says of its site, with marks for what differs between sites."""
        blank = replace(site, name=_NAME, longitude=float(_LON), latitude=float(_LAT))
        text = self._writer.head(_ID, blank, model)
        own = entity_id("Device", site.site_id, self._settings)
        return text.replace(f'"object":"{own}"', f'"object":"{_DEVICE}"')
