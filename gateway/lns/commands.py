"""MAC commands of an uplink, and what to say back."""

from __future__ import annotations

import math
from collections.abc import Callable

from wire.lorawan import eu868, gpstime, maccommands, netcommands
from wire.lorawan.frames import MAX_FOPTS

from .adr import propose, required_snr_db
from .gathering import Heard
from .session import Session
from .settings import LnsSettings

_MAX_REFUSALS = 3
_ADR_OK = maccommands.POWER_ACK | maccommands.DATA_RATE_ACK | maccommands.CHANNEL_MASK_ACK


def link_margin_db(heard: Heard) -> int:
    """Return how far the best copy was above the demodulation floor, in whole dB, 0..254."""
    best = heard.best_first()[0]
    if best.snr_db is None:
        return 0
    return min(max(math.floor(best.snr_db - required_snr_db(best.spreading_factor)), 0), 254)


def answers(
    session: Session, commands: list[tuple[int, bytes]], heard: Heard, count: Callable[..., None]
) -> bytes:
    """Take a device's MAC commands; return the commands to send back, at most 15 bytes."""
    out = b""
    for cid, payload in commands:
        if cid == maccommands.LINK_CHECK:
            out += netcommands.pack_link_check_ans(link_margin_db(heard), min(len(heard.best_first()), 255))
        elif cid == maccommands.DEVICE_TIME:
            gps_ms = gpstime.gps_ms(heard.received_at_ms)
            out += netcommands.pack_device_time_ans(gps_ms // 1000, gps_ms % 1000 * 256 // 1000)
        elif cid == maccommands.LINK_ADR:
            _link_adr_answer(session, netcommands.unpack_bits(payload), count)
    return out[:MAX_FOPTS] if len(out) <= MAX_FOPTS else _whole_commands(out)


def _whole_commands(out: bytes) -> bytes:
    """Cut after the last command that fits: a device may ask the same thing many times over."""
    kept = b""
    for cid, payload in maccommands.split(out, False):
        if len(kept) + 1 + len(payload) > MAX_FOPTS:
            break
        kept += bytes((cid,)) + payload
    return kept


def _link_adr_answer(session: Session, bits: int, count: Callable[..., None]) -> None:
    if session.adr_asked is None:
        return
    if bits & _ADR_OK == _ADR_OK:
        session.tx_power = session.adr_asked[1]
        session.adr_refusals = 0
    else:
        # A device that always refuses must not be asked for ever (helium/router 791).
        session.adr_refusals += 1
        count("lns.adr_refused", f"{session.dev_eui}: LinkADRAns {bits:03b}")
    session.adr_asked = None


def note_signal(session: Session, heard: Heard) -> None:
    """Remember how well a new uplink was heard; a change of data rate starts the memory again."""
    best = heard.best_first()[0]
    dr = eu868.data_rate(best.spreading_factor, best.bandwidth_khz)
    if dr != session.uplink_dr:
        if dr is not None and session.uplink_dr is not None and dr < session.uplink_dr:
            # The device slowed down by itself: its ADR back-off has gone to full power before that.
            session.tx_power = 0
        session.uplink_dr = dr
        session.snr_db.clear()
    if best.snr_db is not None:
        session.snr_db.append(best.snr_db)


def adr_request(session: Session, settings: LnsSettings) -> bytes:
    """Return a LinkADRReq when the link calls for one, else nothing."""
    if not settings.adr or session.uplink_dr is None or session.adr_refusals >= _MAX_REFUSALS:
        return b""
    better = propose(session.snr_db, session.uplink_dr, session.tx_power, settings.adr_margin_db)
    if better is None:
        return b""
    return netcommands.pack_link_adr_req(better[0], better[1], session.channel_mask)


def adr_was_asked(session: Session, request: bytes) -> None:
    """Remember a LinkADRReq that a gateway took; its answer decides."""
    dr, tx_power, *_ = maccommands.unpack_link_adr_req(request[1:])
    session.adr_asked = (dr, tx_power)
    session.snr_db.clear()
