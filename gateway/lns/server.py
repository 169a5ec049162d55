"""The network server: frames from gateways in, verified application uplinks out, answers back in time.

    frame -> gathering -> join  -> nonces durable -> JoinAccept
                       -> data  -> MIC, counter -> durable -> sink -> ACK, answers, queue -> downlink

Everything of one device happens under that device's lock, in order; devices run beside one another
and share commits. What is wrong with a frame is counted (`lns.…`), and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import RegistryError, StoreError
from gateway.model import (
    DeviceKeys,
    DownlinkSender,
    KeySource,
    LoraDownlink,
    LoraFrame,
    Uplink,
    UplinkSink,
)
from wire.errors import WireError
from wire.lorawan import frames, join, maccommands

from . import commands, joining, parameters, store
from .duty import DutyLedger
from .gathering import Gathering, Heard
from .known import KnownSessions
from .outbox import Outbox
from .queues import MAX_APPLICATION_PORT, DownlinkQueues
from .radio import Radio
from .replies import Replies
from .session import COPY, FOREIGN, NEW, JoinState, Session
from .settings import LnsSettings
from .windows import JOIN_PLAN

logger = logging.getLogger("meetnet.lns")

# Sessions of which no uplink was heard yet: the device may be in one of them when it asks again.
_UNUSED_KEPT = 3
_CAUSES = {
    "phy": "lns.truncated",
    "fopts": "lns.truncated",
    "major": "lns.major_version",
    "mtype": "lns.not_lorawan",
}


class NetworkServer:
    """A FrameSink. Create, `attach` the ways to gateways, `await start()`, `await close()`."""

    def __init__(
        self,
        keys: KeySource,
        sink: UplinkSink,
        session_store: store.SessionStore,
        clock: Clock,
        counters: Counters,
        settings: LnsSettings | None = None,
    ) -> None:
        self._keys = keys
        self._store = session_store
        self._clock = clock
        self._count = counters.count
        self._settings = settings or LnsSettings()
        self._radio = Radio(counters, self._settings, DutyLedger(session_store, clock))
        self._heard_ms: dict[str, int] = {}
        self._gathering = Gathering(self._settings.gathering_s, self._settings.max_gathering, self._heard)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        snapshot = session_store.load()
        self._joins = snapshot.devices
        self._sessions = KnownSessions(snapshot.sessions)
        self._queues = DownlinkQueues(
            session_store, self._count, self._settings, snapshot.downlinks, snapshot.last_downlink_id
        )
        self._replies = Replies(self._radio, self._queues, self._settings, self._count)
        self._outbox = Outbox(sink, session_store, counters, snapshot.undelivered)

    # -- life ----------------------------------------------------------------------------------
    def attach(self, sender: DownlinkSender) -> None:
        """Add a way to gateways."""
        self._radio.senders.append(sender)

    async def start(self) -> None:
        """Hand over what a kill kept from the sink."""
        self._outbox.retry()

    async def close(self) -> None:
        """Finish what is under way; the store stays open for its owner to close."""
        self._gathering.close()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._outbox.close()

    def status(self) -> dict[str, int]:
        """Return sizes for the status page."""
        return {
            "devices_joined": len(self._joins),
            "sessions": len(self._sessions),
            "queued_downlinks": len(self._queues),
            "undelivered": len(self._outbox),
        }

    def on_air(self, downlink: LoraDownlink) -> None:
        """Take note of a fallback that a gateway sent by its own choice: it counts for its duty cycle."""
        self._radio.on_air(downlink)

    def airtime_us(self, gateway_id: str) -> dict[str, int]:
        """Return what a gateway spent of the last hour, by the name of the sub-band."""
        return self._radio.duty.spent_us(gateway_id)

    def heard_ms(self, dev_eui: str) -> int | None:
        """Return when a device was last heard, None when it was not since the start."""
        return self._heard_ms.get(dev_eui)

    # -- for the rest of the house -------------------------------------------------------------
    def frame(self, frame: LoraFrame) -> None:
        """Take a frame from a gateway; returns at once."""
        self._radio.traffic.heard(frame.gateway_id, asyncio.get_running_loop().time())
        if not self._gathering.add(frame):
            self._count("lns.overload", "too many frames at once: some are dropped unseen")

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> int:
        """Queue an application downlink for a device's next uplink; durable on return. Returns its id.

        RegistryError when the device is unknown, its queue is full, or port or length cannot be.
        """
        if self._keys.device_keys(dev_eui) is None:
            raise RegistryError(f"device {dev_eui} is not registered for LoRaWAN: add it first")
        return await self._queues.put(dev_eui, f_port, payload, confirmed)

    async def reset_join(self, dev_eui: str) -> None:
        """Accept any DevNonce at the device's next join: for one whose memory was erased.

        JoinNonce keeps rising, so old JoinAccepts stay worthless; old JoinRequests could be replayed
        until the device has joined.
        """
        if self._keys.device_keys(dev_eui) is None:
            raise RegistryError(f"device {dev_eui} is not registered for LoRaWAN: add it first")
        async with self._locks[dev_eui]:
            state = JoinState(-1, self._joins.get(dev_eui, JoinState()).join_nonce)
            await self._store.commit(store.save_device(dev_eui, state))
            self._joins[dev_eui] = state

    # -- frames --------------------------------------------------------------------------------
    def _heard(self, heard: Heard) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(self._frame(heard)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Let no frame end the service: a fault of ours is logged whole, and counted."""
        try:
            await work
        except StoreError as error:
            self._count("lns.store", str(error))
        except Exception as error:
            logger.exception("a frame could not be processed")
            self._count("lns.internal_error", repr(error))

    async def _frame(self, heard: Heard) -> None:
        try:
            mtype = frames.message_type(heard.phy)
            if mtype == frames.JOIN_REQUEST:
                await self._join(heard, join.parse_join_request(heard.phy))
            else:
                await self._data(heard, frames.parse_data(heard.phy))
        except WireError as error:
            self._count(_CAUSES.get(error.field, "lns.malformed"), str(error))

    # -- joins ---------------------------------------------------------------------------------
    async def _join(self, heard: Heard, request: join.JoinRequest) -> None:
        dev_eui = request.dev_eui.hex()
        device = self._keys.device_keys(dev_eui)
        if device is None:
            self._count("lns.unknown_dev_eui", f"{dev_eui} wants to join but is not registered")
            return
        async with self._locks[dev_eui]:
            await self._join_locked(heard, request, device)

    async def _join_locked(self, heard: Heard, request: join.JoinRequest, device: DeviceKeys) -> None:
        dev_eui = device.dev_eui
        state = self._joins.get(dev_eui, JoinState())
        try:
            joining.check_request(request, device, state)
        except joining.JoinRefusedError as refused:
            self._count(refused.cause, str(refused))
            return
        state = JoinState(request.dev_nonce, state.join_nonce + 1)
        address = joining.device_address(
            dev_eui, state.join_nonce, self._settings.net_id, self._sessions.is_taken
        )
        session = joining.new_session(device, request.dev_nonce, state.join_nonce, address, self._settings)
        never_used = [old for old in self._sessions.of(dev_eui) if not old.active][:-_UNUSED_KEPT]
        self._sessions.add(session)  # before the first await: nobody else gets this address
        try:
            await self._store.commit(
                store.save_device(dev_eui, state),
                *map(store.delete_session, never_used),
                store.insert_session(session, self._store.vault),
            )
        except StoreError:
            self._sessions.remove(session)
            raise
        self._joins[dev_eui] = state
        for old in never_used:
            self._sessions.remove(old)
        phy = joining.accept_frame(device, session, self._settings)
        if await self._radio.answer(heard, JOIN_PLAN, phy):
            self._count("lns.join_accepts")

    # -- data ----------------------------------------------------------------------------------
    async def _data(self, heard: Heard, frame: frames.DataFrame) -> None:
        if not frame.uplink:
            self._count("lns.not_uplink", "a gateway forwards downlinks of this or another network")
            return
        devices = self._sessions.devices_at(frame.dev_addr)
        if not devices:
            self._count("lns.unknown_dev_addr", f"DevAddr {frame.dev_addr:08x} is no device of ours")
            return
        for dev_eui in devices:
            async with self._locks[dev_eui]:
                if await self._data_locked(heard, frame, dev_eui):
                    return
        self._count("lns.mic_mismatch", f"DevAddr {frame.dev_addr:08x}: the MIC fits no session")

    async def _data_locked(self, heard: Heard, frame: frames.DataFrame, dev_eui: str) -> bool:
        """Process the frame if it belongs to this device; tell whether it did."""
        for session in self._sessions.of(dev_eui):
            if session.dev_addr != frame.dev_addr:
                continue
            verdict, fcnt = session.judge(frame)
            if verdict == FOREIGN:
                continue
            if self._keys.device_keys(dev_eui) is None:
                self._count("lns.device_removed", f"{dev_eui} still speaks but is no longer registered")
            elif verdict == NEW:
                await self._new_uplink(heard, frame, session, fcnt)
            elif verdict == COPY:
                await self._copy(heard, frame, session, fcnt)
            else:
                self._count("lns.replay", f"{dev_eui}: counter {fcnt} again, {session.fcnt_up} was accepted")
            return True
        return False

    async def _new_uplink(self, heard: Heard, frame: frames.DataFrame, session: Session, fcnt: int) -> None:
        plain = frames.decrypt(session.nwk, session.app, frame, fcnt)
        commands.note_signal(session, heard)
        given = self._given(frame, plain)
        parameters.take_answers(session, given, self._count)
        answers = commands.answers(session, given, heard, self._count)
        answers += self._replies.order(session, len(answers))
        replies = frame.confirmed or answers or session.sticky or self._replies.wants_word(frame, session)
        older = [old for old in self._sessions.of(session.dev_eui) if old.join_nonce < session.join_nonce]
        fcnt_down = session.fcnt_down + 1 if replies else session.fcnt_down
        statements = [store.update_session(session, fcnt, fcnt_down, session.tx_power)]
        statements += map(store.delete_session, older)
        uplink = self._uplink(heard, frame, session, fcnt, plain)
        key = (session.dev_eui, session.join_nonce, fcnt)
        if uplink is not None:
            statements.append(store.insert_undelivered(key, uplink))
        await self._store.commit(*statements)
        reserved, session.fcnt_down = session.fcnt_down, fcnt_down
        session.fcnt_up, session.active = fcnt, True
        session.accepted_at_s = asyncio.get_running_loop().time()
        for old in older:
            self._sessions.remove(old)
        self._heard_ms[session.dev_eui] = heard.received_at_ms
        self._count("lns.uplinks")
        stored = uplink is None or await self._outbox.deliver(key, uplink)
        self._queues.heard(session.dev_eui, frame.ack)
        if replies:
            await self._replies.send(heard, frame, session, reserved, answers, ack=frame.confirmed and stored)

    async def _copy(self, heard: Heard, frame: frames.DataFrame, session: Session, fcnt: int) -> None:
        """The last frame again. A retry after both windows gets its answer again; the rest is silence."""
        self._count("lns.duplicates")
        age_s = heard.arrived_at_s - session.accepted_at_s
        waits = (session.dev_eui, session.join_nonce, fcnt) in self._outbox
        if not frame.confirmed or waits or age_s < session.rx_delay_s:
            return
        reserved = session.fcnt_down
        await self._store.commit(store.update_session(session, fcnt, reserved + 1, session.tx_power))
        session.fcnt_down = reserved + 1
        plain = frames.decrypt(session.nwk, session.app, frame, fcnt)
        answers = commands.answers(session, self._given(frame, plain), heard, self._count)
        await self._replies.send(heard, frame, session, reserved, answers, ack=True)

    def _given(self, frame: frames.DataFrame, plain: bytes) -> list[tuple[int, bytes]]:
        return maccommands.split(plain if frame.port == 0 else frame.fopts, True)

    def _uplink(
        self, heard: Heard, frame: frames.DataFrame, session: Session, fcnt: int, plain: bytes
    ) -> Uplink | None:
        if frame.port is None or frame.port == 0 or not plain:
            return None
        if frame.port > MAX_APPLICATION_PORT:
            self._count("lns.reserved_port", f"{session.dev_eui}: FPort {frame.port}")
            return None
        return Uplink(
            source="lns",
            dev_eui=session.dev_eui,
            f_port=frame.port,
            payload=plain,
            received_at_ms=heard.received_at_ms,
            f_cnt=fcnt,
            receptions=heard.receptions(),
        )
