"""Offers updates to nodes as they are heard, hands over fragments, and watches what becomes of them.

A node is spoken to only just after it was heard, and only in the stage that the plan has reached
(rollout.py); never while it rains at its site or a noise event is on, never where the owner said no.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import wire.status
from gateway.counters import Counters
from gateway.errors import DownlinkError, RegistryError, StoreError, UpdateError
from gateway.model import DownlinkQueue, Uplink
from gateway.update import rollout as plan
from gateway.update.book import DONE, HALTED, RUNNING, Rollout, UpdateBook
from gateway.update.bundle import Bundle
from wire import fragments, ports, update
from wire.errors import WireError
from wire.status import FLAG_FELL_BACK, FLAG_SAFE_MODE

OFFER_AGAIN_S = 1800.0
HEARD_AGAIN_MS = 3_600_000
FRAGMENT_BYTES = {"slow": 48, "fast": 112}  # fits 51 bytes at SF12, and 115 at SF9
SUMS_PERCENT = 100  # as many sums as fragments, then it is begun anew


class UpdateService:
    """The roll-outs that run. transport_of(dev_eui): "mqtt" or "lorawan". event(dev_eui): not now.

    clock_ms: the gateway's. port: of the web server that serves bundles.
    """

    def __init__(
        self,
        book: UpdateBook,
        queue: DownlinkQueue,
        transport_of: Callable[[str], str | None],
        event: Callable[[str], bool],
        counters: Counters,
        clock_ms: Callable[[], int],
        port: Callable[[], int] = lambda: 0,
    ) -> None:
        self._book = book
        self._queue = queue
        self._transport_of = transport_of
        self._event = event
        self._counters = counters
        self._clock_ms = clock_ms
        self._port = port
        self._bundles: dict[str, Bundle] = {}
        self._offered_s: dict[tuple[str, str], float] = {}
        self._set_up: dict[tuple[str, str], int] = {}  # the size of fragments, once the node has agreed
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: dict[str, dict[str, plan.Target]] = {}
        self._changes = -1
        self._written_ms: dict[tuple[str, str], int] = {}

    async def close(self) -> None:
        """Finish what is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._book.close()

    def offered(self, bundle_id: str) -> Path | None:
        """Return the file of a bundle that is being rolled out, or None."""
        return self._book.offered(bundle_id)

    def heard(self, uplinks: Sequence[Uplink]) -> None:
        """Take what nodes said. Called on the loop; returns at once."""
        try:
            for found in self._book.rollouts():
                if found.state == RUNNING:
                    self._take(found, uplinks)
        except StoreError as error:
            self._counters.count("update.book_failed", str(error))

    # -- what is heard

    def _targets(self, rollout_id: str) -> dict[str, plan.Target]:
        """Return how far every device is: read once, and again when the command line has written."""
        changes = self._book.changes()
        if changes != self._changes:
            self._known.clear()
            self._changes = changes
        found = self._known.get(rollout_id)
        if found is None:
            found = self._known[rollout_id] = self._book.targets(rollout_id)
        return found

    def _put(self, rollout_id: str, before: plan.Target, after: plan.Target) -> None:
        """Remember how far a device is. That it was heard, again, is written once an hour."""
        self._targets(rollout_id)[after.dev_eui] = after
        key = (rollout_id, after.dev_eui)
        same = replace(before, heard_ms=after.heard_ms) == after
        if not same or after.heard_ms - self._written_ms.get(key, 0) >= HEARD_AGAIN_MS:
            self._written_ms[key] = after.heard_ms
            self._book.put_target(rollout_id, after)

    def _take(self, rollout: Rollout, uplinks: Sequence[Uplink]) -> None:
        targets = self._targets(rollout.id)
        mine = [uplink for uplink in uplinks if uplink.dev_eui in targets]
        if not mine:
            return
        for uplink in mine:
            before = targets[uplink.dev_eui]
            after = replace(before, heard_ms=max(before.heard_ms, uplink.received_at_ms))
            after = self._said(rollout, after, uplink)
            if uplink.f_port == ports.STATUS and after.state == plan.KEPT:
                after = replace(after, well=_is_well(uplink))
            if after != before:
                self._put(rollout.id, before, after)
        refusing = self._book.refusals()
        taking_part = {dev: target for dev, target in targets.items() if dev not in refusing}
        verdict = plan.judge(rollout.id, taking_part, self._clock_ms(), rollout.soak_s)
        if verdict.halt:
            self._book.set_state(rollout.id, HALTED, verdict.halt)
            self._counters.count("update.halted", f"{rollout.id}: {verdict.halt}")
            return
        if verdict.done:
            self._book.set_state(rollout.id, DONE)
            return
        for dev_eui in {uplink.dev_eui for uplink in mine} & verdict.allowed:
            spread = [uplink for uplink in mine if uplink.dev_eui == dev_eui]
            self._spawn(self._next(rollout, targets[dev_eui], spread[-1]))

    def _said(self, rollout: Rollout, target: plan.Target, uplink: Uplink) -> plan.Target:
        if uplink.f_port == ports.FRAGMENTS:
            self._fragment_answer(rollout, target, uplink)
            return target
        if uplink.f_port != ports.COMMANDS or uplink.payload[:1] != bytes((update.STATE,)):
            return target
        try:
            bundle_id, state, reason, _ = update.unpack_state(uplink.payload)
        except WireError as error:
            self._counters.count("update.state_malformed", f"{uplink.dev_eui}: {error}")
            return target
        if bundle_id.hex() != rollout.id:
            return target
        name = update.STATES[state]
        if target.state in (plan.KEPT, plan.REVERTED) and name in plan.UNDER_WAY:
            return target  # an old one that came late
        if name == target.state:
            return target
        why = update.REASONS.get(reason, f"reason {reason}") if reason else ""
        self._counters.count(f"update.{name}", f"{uplink.dev_eui}: {rollout.id} {why}".strip())
        return replace(target, state=name, reason=why, since_ms=uplink.received_at_ms)

    def _fragment_answer(self, rollout: Rollout, target: plan.Target, uplink: Uplink) -> None:
        try:
            answers = cast("list[tuple[int, tuple[int, ...]]]", fragments.unpack(uplink.payload, True))
        except WireError as error:
            self._counters.count("update.fragment_answer_malformed", f"{uplink.dev_eui}: {error}")
            return
        key = (rollout.id, target.dev_eui)
        for command, fields in answers:
            if command == fragments.SETUP:
                if fields[1]:
                    self._set_up.pop(key, None)
                    self._counters.count("update.session_refused", f"{uplink.dev_eui}: bits {fields[1]}")
                elif key in self._set_up:
                    self._set_up[key] = abs(self._set_up[key])

    # -- what is said

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _next(self, rollout: Rollout, target: plan.Target, uplink: Uplink) -> None:
        """Say to a node that may be spoken to what comes next."""
        try:
            if target.state in (plan.WAITING, plan.OFFERED, plan.LOADING):
                over_lora = self._transport_of(target.dev_eui) == "lorawan"
                if target.state == plan.LOADING and over_lora:
                    await self._hand_over(rollout, target, uplink)
                elif target.state != plan.LOADING:
                    await self._offer(rollout, target, over_lora=over_lora)
        except (RegistryError, DownlinkError, StoreError, UpdateError) as error:
            self._counters.count("update.not_sent", f"{target.dev_eui}: {error}")

    async def _offer(self, rollout: Rollout, target: plan.Target, *, over_lora: bool) -> None:
        key = (rollout.id, target.dev_eui)
        now_s = self._clock_ms() / 1000
        if now_s - self._offered_s.get(key, -OFFER_AGAIN_S) < OFFER_AGAIN_S:
            return
        if self._event(target.dev_eui):
            self._counters.count("update.held_back", f"{target.dev_eui}: something is going on at its site")
            return
        self._offered_s[key] = now_s
        bundle = self._bundle(rollout.id)
        way = update.FRAGMENTS if over_lora else update.PULL
        offer: Any = update.Offer(
            bytes.fromhex(rollout.id),
            bundle.head.kind,
            way,
            bundle.head.serial,
            len(bundle.data),
            rollout.trial_min,
            0 if over_lora else self._port(),
        )
        await self._queue.enqueue(target.dev_eui, ports.COMMANDS, cast("bytes", update.pack_offer(offer)))
        self._counters.count("update.offered", f"{target.dev_eui}: {rollout.id}")
        if target.state == plan.WAITING:
            offered = replace(target, state=plan.OFFERED, since_ms=self._clock_ms())
            self._put(rollout.id, target, offered)

    async def _hand_over(self, rollout: Rollout, target: plan.Target, uplink: Uplink) -> None:
        """Set the session up, or send the next fragment."""
        key = (rollout.id, target.dev_eui)
        bundle = self._bundle(rollout.id)
        size = self._set_up.get(key, 0)
        if size <= 0:
            # Sizes below 0 are those that the node has not agreed to yet. A node that knows the session,
            # because only we started anew, agrees at once and keeps what it has.
            size = -size or FRAGMENT_BYTES["fast" if _is_fast(uplink) else "slow"]
            m = -(-len(bundle.data) // size)
            setup = fragments.pack_setup(0, m, size, m * size - len(bundle.data), bytes.fromhex(rollout.id))
            self._set_up[key] = -size
            await self._queue.enqueue(target.dev_eui, ports.FRAGMENTS, setup)
            return
        pieces = fragments.split(bundle.data, size)
        n = self._book.next_fragment(rollout.id, target.dev_eui)
        if n > len(pieces) * (100 + SUMS_PERCENT) // 100 + 8:
            n = 1
        payload = fragments.pack_data(0, n, fragments.coded(pieces, n))
        await self._queue.enqueue(target.dev_eui, ports.FRAGMENTS, payload)
        self._book.put_next_fragment(rollout.id, target.dev_eui, n + 1)
        self._counters.count("update.fragments")

    def _bundle(self, rollout_id: str) -> Bundle:
        found = self._bundles.get(rollout_id)
        if found is None:
            found = self._bundles[rollout_id] = self._book.bundle(rollout_id)
        return found


def _is_well(uplink: Uplink) -> bool:
    """Tell whether a status says that the application runs, with its sensors."""
    try:
        status = cast("Any", wire.status).decode_status(uplink.payload)
        return not status.flags & (FLAG_SAFE_MODE | FLAG_FELL_BACK)
    except WireError:
        return False  # a node that was understood before and is not any more


def _is_fast(uplink: Uplink) -> bool:
    """Tell whether a node was heard at SF9 or faster, so that 115 bytes fit (RP002-1.0.4, EU868)."""
    rates = [reception.data_rate or "" for reception in uplink.receptions]
    return bool(rates) and all(rate.startswith(("SF7B", "SF8B", "SF9B")) for rate in rates)
