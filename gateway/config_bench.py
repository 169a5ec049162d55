"""Changing nodes' configuration: one way for the command line and the pages.

What a node is asked is kept first (gateway.registry.answers), so that everybody sees what is wanted, what the
node last told, and what waits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.clock import Clock
from gateway.downlinks import Downlinks
from gateway.errors import RegistryError
from gateway.node_config import Key, keys
from gateway.registry import Registry
from gateway.registry.model import NodeAnswer, NodeOrder
from wire import commands, ports

QUEUED, ON_TRIAL, KEPT = "queued", "on_trial", "kept"
OPEN = frozenset({QUEUED, ON_TRIAL})
_TRIAL_MIN, _TRIAL_INTERVALS = 60, 3
_INTERVAL_S = 300


@dataclass(frozen=True, slots=True)
class Standing:
    """How one key of a node stands. reported: what it last told, at reported_ms. wanted: of the last order.

    state: "" without an order, else queued, on_trial, or one of wire.commands.OUTCOMES.
    """

    key: Key
    reported: int | None = None
    reported_ms: int | None = None
    wanted: int | None = None
    wanted_ms: int | None = None
    state: str = ""

    @property
    def is_pending(self) -> bool:
        """Tell whether the node has not said yet whether it keeps what is wanted."""
        return self.state in OPEN

    @property
    def now(self) -> int:
        """Return what a form begins with: what is on its way, else what runs, else the default."""
        if self.is_pending and self.wanted is not None:
            return self.wanted
        return self.reported if self.reported is not None else int(self.key.rules["default"])


def over_the_air() -> dict[str, Key]:
    """Return the keys that can be had and set over the air, by name."""
    return {name: key for name, key in keys().items() if key.downlink is not None}


def fresh_token(registry: Registry, dev_eui: str, taken: Iterable[int] = ()) -> int:
    """Return a token that no known order or answer has: what comes with it is the answer to this command."""
    used = {found.token for found in registry.node_answers(dev_eui)} | set(taken)
    used |= {order.token for order in registry.node_orders(dev_eui)}
    return secrets.choice([n for n in range(256) if n not in used])


def trial_minutes(values: Mapping[str, int], interval_s: int) -> int:
    """Return how long a node may try values: three of its intervals, before or after, at least an hour."""
    longest_s = max(interval_s, values.get("interval_s", 0))
    wanted = -(-_TRIAL_INTERVALS * longest_s // 60)
    return min(max(wanted, _TRIAL_MIN), commands.MAX_TRIAL_MIN)


def state_of(order: NodeOrder, answers: Sequence[NodeAnswer]) -> str:
    """Return what came of an order so far."""
    found = [answer.outcome for answer in answers if answer.token == order.token]
    return found[-1] if found else QUEUED


class ConfigBench:
    """gateway.web.house.ConfigBench over the registry and the queue of downlinks."""

    def __init__(self, registry: Registry, downlinks: Downlinks, clock: Clock) -> None:
        self._registry = registry
        self._downlinks = downlinks
        self._clock = clock

    def standing(self, dev_eui: str) -> list[Standing]:
        """Return how each key that this device has a use for stands. Blocks."""
        device = self._registry.device(dev_eui)
        if device is None:
            return []
        known = (self._registry.node_config(dev_eui) or {"values": {}})["values"]
        answers = self._registry.node_answers(dev_eui)
        orders = self._registry.node_orders(dev_eui)
        found: list[Standing] = []
        for name, key in over_the_air().items():
            if not key.is_of(device.kind, device.transport):
                continue
            told = known.get(name, {})
            order = next((order for order in reversed(orders) if name in order.values), None)
            found.append(
                Standing(
                    key,
                    told.get("value"),
                    told.get("at_ms"),
                    order and order.values[name],
                    order and order.at_ms,
                    state_of(order, answers) if order else "",
                )
            )
        return found

    async def change(self, dev_eui: str, values: Mapping[str, int], who: str) -> None:
        """Ask a node to take values, all or none; RegistryError or DownlinkError where it cannot be asked."""
        if not 1 <= len(values) <= commands.MAX_SET:
            raise RegistryError(f"{len(values)} values: give 1..{commands.MAX_SET}")
        for name, value in values.items():
            key = over_the_air().get(name)
            fault = f"{name} is set at the node only" if key is None else key.fault(value)
            if fault is not None:
                raise RegistryError(fault)
        known = (self._registry.node_config(dev_eui) or {"values": {}})["values"]
        interval_s = int(known.get("interval_s", {"value": _INTERVAL_S})["value"])
        trial_min, token = trial_minutes(values, interval_s), fresh_token(self._registry, dev_eui)
        payload = cast("bytes", commands.pack_set(token, trial_min, list(values.items())))
        await self._downlinks.enqueue(dev_eui, ports.COMMANDS, payload, confirmed=True)
        order = NodeOrder(dev_eui, self._clock.now_ms(), token, trial_min, dict(values), who)
        self._registry.put_node_order(order)

    async def ask(self, dev_eui: str, names: Sequence[str]) -> None:
        """Ask a node what it runs with."""
        taken: list[int] = []
        for at in range(0, len(names), commands.MAX_GET):
            taken.append(fresh_token(self._registry, dev_eui, taken))
            payload = commands.pack_get(taken[-1], list(names[at : at + commands.MAX_GET]))
            await self._downlinks.enqueue(dev_eui, ports.COMMANDS, payload, confirmed=True)


def fault_of(key: Key, text: str) -> str | None:
    """Return what is wrong with a value as somebody wrote it: "whole" or "range", None for nothing."""
    try:
        value = int(text)
    except ValueError:
        return "whole"
    return None if key.fault(value) is None else "range"
