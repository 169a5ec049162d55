"""Answers to devices: the first window that a gateway still can and may send in."""

from __future__ import annotations

import asyncio

from gateway.counters import Counters
from gateway.model import DownlinkSender
from wire.lorawan import eu868

from .gathering import Heard
from .settings import LnsSettings
from .windows import DutyLedger, RxPlan, Window, windows


class Radio:
    """The ways to gateways, and what their duty cycle still allows."""

    def __init__(self, counters: Counters, settings: LnsSettings) -> None:
        self.senders: list[DownlinkSender] = []
        self._count = counters.count
        self._settings = settings
        self._duty = DutyLedger()

    def room(self, heard: Heard, plan: RxPlan) -> int:
        """Return the payload bytes that the roomiest window can carry."""
        return max(eu868.max_payload(window.dr) for window in self._windows(heard, plan))

    async def answer(self, heard: Heard, plan: RxPlan, phy: bytes) -> bool:
        """Send in the best window that is left; False (counted) when no gateway takes it."""
        why = "no gateway that heard the device can be sent to"
        cause = "lns.downlink_no_route"
        for window in self._windows(heard, plan):
            sender = self._sender(window)
            if sender is None or len(phy) > eu868.max_phy(window.dr):
                continue
            now_s = asyncio.get_running_loop().time()
            if window.opens_at_s - now_s < self._settings.lead_s:
                cause, why = (
                    "lns.downlink_too_late",
                    f"the answer was ready {now_s - heard.arrived_at_s:.2f} s late",
                )
                continue
            gateway_id = window.copy.gateway_id
            airtime_s = window.airtime_s(len(phy))
            if not self._duty.allows(gateway_id, window.frequency_hz, airtime_s, now_s):
                cause, why = "lns.downlink_duty_cycle", f"gateway {gateway_id} has used its hour"
                continue
            error = await sender.transmit(window.downlink(phy))
            if error is None or error == "NO_ANSWER":  # without an answer it may have been sent
                self._duty.spend(gateway_id, window.frequency_hz, airtime_s, window.opens_at_s + airtime_s)
            if error is None:
                return True
            cause, why = "lns.downlink_refused", f"gateway {gateway_id}: {error}"
        self._count(cause, why)
        return False

    def _windows(self, heard: Heard, plan: RxPlan) -> list[Window]:
        settings = self._settings
        return list(windows(heard, plan, settings.rx1_power_dbm, settings.rx2_power_dbm))

    def _sender(self, window: Window) -> DownlinkSender | None:
        for sender in self.senders:
            if sender.reaches(window.copy.gateway_id):
                return sender
        return None
