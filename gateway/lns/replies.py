"""What is said back to a data frame: acknowledgement, MAC commands, the next downlink, in one frame."""

from __future__ import annotations

from collections.abc import Callable

from wire.lorawan import frames

from . import commands, parameters
from .gathering import Heard
from .queues import DownlinkQueues
from .radio import Radio
from .session import Session
from .settings import LnsSettings
from .windows import RxPlan


class Replies:
    """Makes and sends answers. Counters are durable before they come here."""

    def __init__(
        self, radio: Radio, queues: DownlinkQueues, settings: LnsSettings, count: Callable[..., None]
    ) -> None:
        self._radio, self._queues, self._settings, self._count = radio, queues, settings, count

    def order(self, session: Session, length: int) -> bytes:
        """Return the order of new receive parameters, if one is due and fits beside `length` bytes."""
        order = parameters.requests(session, self._settings)
        if not order or length + len(order) > frames.MAX_FOPTS:
            return b""
        wanted = self._settings
        session.rx_asked = parameters.pack(wanted.rx1_dr_offset, wanted.rx2_dr, wanted.rx1_delay_s)
        return order

    def wants_word(self, frame: frames.DataFrame, session: Session) -> bool:
        """Tell whether the network has something to say without having been asked by a MAC command."""
        return bool(
            self._queues.waiting(session.dev_eui)
            or frame.fctrl & frames.ADR_ACK_REQ
            or (frame.adr and commands.adr_request(session, self._settings))
        )

    async def send(
        self,
        heard: Heard,
        frame: frames.DataFrame,
        session: Session,
        fcnt_down: int,
        answers: bytes,
        ack: bool,
    ) -> None:
        """Send one downlink under a counter that is already durable."""
        request = commands.adr_request(session, self._settings) if frame.adr else b""
        if len(answers) + len(request) > frames.MAX_FOPTS:
            request = b""
        plan = RxPlan(session.rx_delay_s, session.rx1_dr_offset, session.rx2_dr)
        fopts = len(answers) + len(request)
        item = self._queues.next(session.dev_eui, lambda: self._radio.room(heard, plan) - fopts)
        due = ack or answers or request or item or session.sticky
        if not due and not frame.fctrl & frames.ADR_ACK_REQ:
            return
        flags = (frames.ADR if self._settings.adr else 0) | (frames.ACK if ack else 0)
        if self._queues.waiting(session.dev_eui) > (1 if item else 0):
            flags |= frames.F_PENDING
        phy = frames.build_data(
            session.nwk,
            session.app,
            frames.CONFIRMED_DOWN if item and item.confirmed else frames.UNCONFIRMED_DOWN,
            session.dev_addr,
            fcnt_down,
            flags,
            answers + request,
            item.f_port if item else None,
            item.payload if item else b"",
        )
        if not await self._radio.answer(heard, plan, phy):
            return
        self._count("lns.downlinks")
        if request:
            commands.adr_was_asked(session, request)
        if item:
            self._queues.sent(item)
