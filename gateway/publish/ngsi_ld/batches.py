"""Which entities travel together, and in which order.

A batch names an entity at most once (brokers keep only the last of two), holds one model (one @context), and
no moment of a site overtakes an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gateway.model import PublicObservation, PublicRecord
from gateway.publish.base import RecordRows, Selection
from gateway.publish.ngsi_ld.entities import Entity
from gateway.publish.ngsi_ld.models import Model


class Item(msgspec.Struct, frozen=True, gc=False):
    """One entity on its way as JSON text without @context, and what it carries: observations, or of a record.

    part: a record and what of it goes out. own: which of its attributes are terms of ours; None: unknown.
    """

    id: str
    text: str
    model: Model
    single: Sequence[PublicObservation] = ()
    part: tuple[PublicRecord, Selection] | None = None
    own: frozenset[str] | None = None

    @property
    def rows(self) -> Sequence[PublicObservation]:
        """Return the observations that it carries."""
        return self.single if self.part is None else RecordRows([self.part])

    @property
    def entity(self) -> Entity:
        """Return the entity as a tree."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Batch:
    """Entities of one model for one request; late ones are a request each.

    is_news: what changed of sites. gone: ids to delete instead.
    """

    items: tuple[Item, ...]
    is_late: bool = False
    is_news: bool = False
    gone: tuple[str, ...] = ()


def is_late(row: PublicObservation, newest: PublicObservation | None) -> bool:
    """Say whether a newer value of the same series stands earlier in the store: it was sent before."""
    return (
        newest is not None and newest.observed_at_ms > row.observed_at_ms and newest.position < row.position
    )


def once_each(rows: Sequence[PublicObservation]) -> list[list[PublicObservation]]:
    """Split rows of one moment so that a quantity comes once each time (two devices at one site)."""
    layers: list[dict[str, PublicObservation]] = []
    for row in rows:
        for layer in layers:
            if row.quantity not in layer:
                layer[row.quantity] = row
                break
        else:
            layers.append({row.quantity: row})
    return [list(layer.values()) for layer in layers]


def batches_of(items: Sequence[Item], most: int) -> list[Batch]:
    """Cut items, in time order, into batches of one model, each entity once a batch, order kept a site.

    An item may join a batch only when no later batch holds its entity already.
    """
    batches: list[list[Item]] = []
    models: list[Model] = []
    last: dict[str, int] = {}  # entity id -> number of the last batch that holds it
    full = 0  # all batches before this one are
    for item in items:
        name, model = item.id, item.model
        number = max(full, last.get(name, -1) + 1)
        end = len(batches)
        while number < end and (models[number] is not model or len(batches[number]) >= most):
            number += 1
        if number == end:
            batches.append([])
            models.append(model)
        batches[number].append(item)
        last[name] = number
        while full < len(batches) and len(batches[full]) >= most:
            full += 1
    return [Batch(tuple(batch)) for batch in batches]
