"""The device's side of ADR: asking for a sign of life, then turning itself up step by step.

TS001-1.0.4 section 4.3.1.1, order of the ladder as LoRaMac-node has it: power, data rate, channels.
"""

from wire._compat import const
from wire.lorawan.eu868 import ADR_ACK_DELAY, ADR_ACK_LIMIT, MIN_DR

_DEFAULTS = const(7)


def at_the_floor(session):
    """Tell whether nothing is left that would make the device easier to hear."""
    return (
        session.dr == MIN_DR
        and session.tx_power == 0
        and session.nb_trans == 1
        and session.channels.mask & _DEFAULTS == _DEFAULTS
    )


def asks_for_answer(session):
    """Tell whether the next uplink carries ADRACKReq."""
    return session.adr_ack_count >= ADR_ACK_LIMIT and not at_the_floor(session)


def count_silence(session):
    """Count an uplink that brought no downlink and take the next step when it is due; True if it was."""
    session.adr_ack_count += 1
    over = session.adr_ack_count - ADR_ACK_LIMIT
    if over < ADR_ACK_DELAY or over % ADR_ACK_DELAY or at_the_floor(session):
        return False
    if session.tx_power:
        session.tx_power = 0
    elif session.dr > MIN_DR:
        session.dr -= 1
        if not session.channels.for_dr(session.dr):
            session.channels.enable_defaults()
    else:
        session.channels.enable_defaults()
        session.nb_trans = 1
    return True
