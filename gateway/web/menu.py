"""The pages by name, in the order of the menu, and who sees them there."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.registry.people import HOST, OPERATOR, STAFF, TECHNICIAN
from gateway.web.gate import ANYBODY, Visitor
from gateway.web.languages import N_


@dataclass(frozen=True, slots=True)
class Item:
    """One page: path below the language, label (a message id), roles that see it."""

    path: str
    label: str
    roles: tuple[str, ...] = ANYBODY


MENU = (
    Item("", N_("Map")),
    Item("events", N_("Events")),
    Item("class", N_("Class")),
    Item("quality", N_("Data quality")),
    Item("data", N_("Open data")),
    Item("mine", N_("My sensor"), (HOST,)),
    Item("waste", N_("Waste bins"), (STAFF,)),
    Item("fleet", N_("Technician"), (TECHNICIAN,)),
    Item("operator", N_("Operator"), (OPERATOR,)),
)


# Pages that are reached from one of the menu, and count as part of it.
WITHIN = {"updates": "fleet", "bench": "fleet", "commissioning": "fleet"}


def menu_for(visitor: Visitor) -> list[Item]:
    """Return what somebody sees in the menu."""
    return [item for item in MENU if visitor.has(*item.roles)]
