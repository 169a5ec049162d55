"""Receive parameters of sessions that are older than the settings: RXParamSetupReq and RXTimingSetupReq.

A device repeats its answer in every uplink until a downlink comes (TS001-1.0.4 sections 5.4 and 5.7), and
listens by the new parameters from the order on. So: what was ordered is durable before the order leaves,
the answer makes it the session's, an answer is always answered, and nothing new is ordered by the
downlink that ends it. DlChannelReq, the third of this kind, is never ordered here.
"""

from __future__ import annotations

from collections.abc import Callable

from wire.lorawan import eu868, maccommands, netcommands

from .session import Session
from .settings import LnsSettings

STICKY = (maccommands.RX_PARAM_SETUP, maccommands.RX_TIMING_SETUP, maccommands.DL_CHANNEL)
MAX_REFUSALS = 3
_ALL = 7
_ASKED = 1 << 16


def pack(rx1_dr_offset: int, rx2_dr: int, rx_delay_s: int) -> int:
    """Return what was ordered as one number for the store; 0 is kept for nothing."""
    return _ASKED | rx1_dr_offset << 12 | rx2_dr << 8 | rx_delay_s


def take_answers(session: Session, given: list[tuple[int, bytes]], count: Callable[..., None]) -> None:
    """Take the answers in a new uplink, or their absence: then the order was not heard."""
    asked, session.rx_asked = session.rx_asked, 0
    found = {cid: payload for cid, payload in given if cid in STICKY}
    session.sticky = bool(found)
    if not asked:
        return
    bits = found.get(maccommands.RX_PARAM_SETUP)
    if bits is not None:
        if netcommands.unpack_bits(bits) & _ALL == _ALL:
            session.rx1_dr_offset, session.rx2_dr = asked >> 12 & 0xF, asked >> 8 & 0xF
        else:
            session.rx_refusals += 1
            count("lns.rx_parameters_refused", f"{session.dev_eui}: RXParamSetupAns {bits.hex()}")
    if maccommands.RX_TIMING_SETUP in found:
        session.rx_delay_s = asked & 0xF


def requests(session: Session, settings: LnsSettings) -> bytes:
    """Return what to order of a device whose session differs from the settings; b"" for nothing."""
    if session.sticky or session.rx_refusals >= MAX_REFUSALS:
        return b""
    out = b""
    if (session.rx1_dr_offset, session.rx2_dr) != (settings.rx1_dr_offset, settings.rx2_dr):
        out += netcommands.pack_rx_param_setup_req(settings.rx1_dr_offset, settings.rx2_dr, eu868.RX2_FREQ_HZ)
    if session.rx_delay_s != settings.rx1_delay_s:
        out += netcommands.pack_rx_timing_setup_req(settings.rx1_delay_s)
    return out
