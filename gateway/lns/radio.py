"""Answers to devices: the first window that a gateway still can and may send in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.counters import Counters
from gateway.model import DownlinkSender, LoraDownlink
from wire.lorawan import airtime, eu868

from .duty import DutyLedger
from .gathering import Heard
from .settings import LnsSettings
from .traffic import Traffic
from .windows import RxPlan, Window, windows

# How many uplinks an answer may drown: in RX2, which is for when RX1 is taken, not more than the one it
# answers; in RX1 more, or devices far away would never be answered, but no crowd.
_MOST_DROWNED, _MOST_DROWNED_LATE = 8.0, 1.0


class Radio:
    """The ways to gateways, and what their duty cycle still allows."""

    def __init__(self, counters: Counters, settings: LnsSettings, duty: DutyLedger) -> None:
        self.senders: list[DownlinkSender] = []
        self.duty = duty
        self.traffic = Traffic()
        self._count = counters.count
        self._settings = settings

    def room(self, heard: Heard, plan: RxPlan) -> int:
        """Return the payload bytes that the roomiest window can carry."""
        return max(eu868.max_payload(window.dr) for window in self._windows(heard, plan))

    async def answer(self, heard: Heard, plan: RxPlan, phy: bytes) -> bool:
        """Send in the best window that is left; False (counted) when no gateway takes it."""
        why = "no gateway that heard the device can be sent to"
        cause = "lns.downlink_no_route"
        offered = self._windows(heard, plan)
        for index, window in enumerate(offered):
            sender = self._sender(window)
            if sender is None or len(phy) > eu868.max_phy(window.dr):
                continue
            now_s = asyncio.get_running_loop().time()
            if window.opens_at_s - now_s < self._settings.lead_s:
                late_s = now_s - heard.arrived_at_s
                cause, why = "lns.downlink_too_late", f"the answer was ready {late_s:.2f} s late"
                continue
            gateway_id = window.copy.gateway_id
            airtime_us = window.airtime_us(len(phy))
            end_s = window.opens_at_s + airtime_us / 1e6
            if not self.traffic.is_free(gateway_id, window.opens_at_s, end_s):
                cause, why = "lns.downlink_crowded", f"gateway {gateway_id} sends something else then"
                continue
            drowned = self.traffic.drowned(gateway_id, airtime_us / 1e6, now_s)
            if drowned > (_MOST_DROWNED_LATE if window.is_second else _MOST_DROWNED):
                cause = "lns.downlink_crowded"
                why = f"gateway {gateway_id} would not hear some {drowned:.0f} uplinks meanwhile"
                continue
            if not self.duty.allows(gateway_id, window.frequency_hz, airtime_us):
                cause, why = "lns.downlink_duty_cycle", f"gateway {gateway_id} has used its hour"
                continue
            in_s = window.opens_at_s - now_s + airtime_us / 1e6
            booked = await self.duty.book(gateway_id, window.frequency_hz, airtime_us, in_s)
            error = await sender.transmit(
                window.downlink(phy, self._fallback(window, offered[index + 1 :], phy))
            )
            if error is None:
                self.traffic.sends(gateway_id, window.opens_at_s, end_s, now_s)
                return True
            if error != "NO_ANSWER":  # without an answer it may have been sent
                self.duty.give_back(booked)
            cause, why = "lns.downlink_refused", f"gateway {gateway_id}: {error}"
        self._count(cause, why)
        return False

    def on_air(self, downlink: LoraDownlink) -> None:
        """Book a fallback that its gateway chose by itself."""
        airtime_us = airtime.time_on_air_us(
            downlink.spreading_factor, downlink.bandwidth_khz, len(downlink.phy), False
        )
        self.duty.book_now(downlink.gateway_id, downlink.frequency_hz, airtime_us)

    def _fallback(self, window: Window, later: Sequence[Window], phy: bytes) -> LoraDownlink | None:
        """Return the second window of the same gateway, for one that chooses itself (Basics Station)."""
        for second in later:
            if second.copy is window.copy and len(phy) <= eu868.max_phy(second.dr):
                airtime_us = second.airtime_us(len(phy))
                if self.duty.allows(second.copy.gateway_id, second.frequency_hz, airtime_us):
                    return second.downlink(phy)
        return None

    def _windows(self, heard: Heard, plan: RxPlan) -> list[Window]:
        settings = self._settings
        return list(windows(heard, plan, settings.rx1_power_dbm, settings.rx2_power_dbm))

    def _sender(self, window: Window) -> DownlinkSender | None:
        for sender in self.senders:
            if sender.reaches(window.copy.gateway_id):
                return sender
        return None
