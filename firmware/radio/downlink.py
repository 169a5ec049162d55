"""Taking a downlink: everything that can be wrong with it, and what it changes when nothing is."""

from wire.errors import WireError
from wire.lorawan import frames

from . import mac_answers


def take(phy, session, nwk, app, device):
    """Accept a frame of this session or drop it without a trace.

    Returns None for a frame that is not for us, damaged, or replayed. Else the counter has moved,
    commands are obeyed, and (port or None, payload, acknowledges, more to come) comes back.
    """
    try:
        frame = frames.parse_data(phy)
    except WireError:
        return None
    if frame.uplink or frame.dev_addr != session.dev_addr:
        return None
    fcnt = frames.full_fcnt(session.fcnt_down, frame.fcnt16)
    if fcnt is None or not frames.mic_ok(nwk, frame, fcnt):
        _acknowledge_duplicate(frame, session, nwk)
        return None
    session.fcnt_down = fcnt
    session.adr_ack_count = 0
    session.sticky = b""
    session.ack_due = frame.confirmed
    key = app if frame.port else nwk
    data = frames.crypt_payload(key, False, session.dev_addr, fcnt, frame.frm)
    answers, session.sticky = mac_answers.handle(session, data if frame.port == 0 else frame.fopts, device)
    session.answers += answers
    return frame.port, data, frame.ack, bool(frame.fctrl & frames.F_PENDING)


def _acknowledge_duplicate(frame, session, nwk):
    """A confirmed downlink that came before: its ACK was lost, give it again, execute nothing."""
    last = session.fcnt_down
    if frame.confirmed and last >= 0 and frame.fcnt16 == last & 0xFFFF and frames.mic_ok(nwk, frame, last):
        session.ack_due = True
