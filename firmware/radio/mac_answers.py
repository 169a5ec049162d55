"""What the network orders by MAC command, and what the device answers (TS001-1.0.4 section 5).

`handle` changes the session and returns (answers, sticky answers): sticky ones are repeated in each
uplink until a downlink arrives. Orders are all-or-nothing, LinkADRReqs in a row count as one order.
"""

from wire.lorawan import eu868
from wire.lorawan import maccommands as mac

from .channels import dr_range_ok, receivable, usable

_ALL_ADR = mac.CHANNEL_MASK_ACK | mac.DATA_RATE_ACK | mac.POWER_ACK


def handle(session, commands, device):
    """Obey commands (bytes of FOpts or port 0); return (answers, sticky).

    device gives `battery` and `margin_db` for DevStatus and takes `heard_link_check(margin, gateways)`
    and `heard_time(gps_s, fraction_256)`.
    """
    answers = b""
    sticky = b""
    todo = mac.split(commands, False)
    i = 0
    while i < len(todo):
        cid, payload = todo[i]
        i += 1
        if cid == mac.LINK_ADR:
            block = [payload]
            while i < len(todo) and todo[i][0] == mac.LINK_ADR:
                block.append(todo[i][1])
                i += 1
            answers += mac.pack_link_adr_ans(link_adr(session, block)) * len(block)
        elif cid == mac.RX_PARAM_SETUP:
            sticky += mac.pack_rx_param_setup_ans(_rx_param_setup(session, payload))
        elif cid == mac.RX_TIMING_SETUP:
            session.rx1_delay_s = mac.unpack_rx_timing_setup_req(payload)
            sticky += mac.pack_rx_timing_setup_ans()
        elif cid == mac.DL_CHANNEL:
            sticky += mac.pack_dl_channel_ans(_dl_channel(session, payload))
        elif cid == mac.NEW_CHANNEL:
            answers += mac.pack_new_channel_ans(_new_channel(session, payload))
        elif cid == mac.DUTY_CYCLE:
            session.max_duty_cycle = mac.unpack_duty_cycle_req(payload)
            answers += mac.pack_duty_cycle_ans()
        elif cid == mac.DEV_STATUS:
            margin = min(max(device.margin_db, -32), 31)
            answers += mac.pack_dev_status_ans(device.battery, margin)
        elif cid == mac.LINK_CHECK:
            device.heard_link_check(payload[0], payload[1])
        elif cid == mac.DEVICE_TIME:
            gps_s, fraction = mac.unpack_device_time_ans(payload)
            device.heard_time(gps_s, fraction)
        # TxParamSetupReq: EU868 knows no dwell time, the device stays silent (RP002 2.4.8)
    return answers, sticky


def link_adr(session, block):
    """Obey a block of LinkADRReq payloads together; return the bits that each is answered with."""
    channels = session.channels
    bits = _ALL_ADR
    mask = channels.mask
    dr = tx_power = eu868.KEEP
    nb_trans = 0
    for payload in block:
        dr, tx_power, wanted, control, nb_trans = mac.unpack_link_adr_req(payload)
        if control == 0:
            mask = wanted
        elif control == mac.MASK_ALL_ON:
            mask = channels.defined_mask()
        else:
            bits &= ~mac.CHANNEL_MASK_ACK
    if not mask or mask & ~channels.defined_mask():
        bits &= ~mac.CHANNEL_MASK_ACK
    if dr == eu868.KEEP:
        dr = session.dr
    judged = mask if bits & mac.CHANNEL_MASK_ACK else channels.mask
    if not eu868.MIN_DR <= dr <= eu868.MAX_DR or not channels.for_dr(dr, judged):
        bits &= ~mac.DATA_RATE_ACK
    if tx_power == eu868.KEEP:
        tx_power = session.tx_power
    if tx_power > eu868.MAX_TX_POWER:
        bits &= ~mac.POWER_ACK
    if bits == _ALL_ADR:
        channels.mask = mask
        session.dr = dr
        session.tx_power = tx_power
        session.nb_trans = nb_trans or 1
    return bits


def _rx_param_setup(session, payload):
    offset, rx2_dr, freq_hz = mac.unpack_rx_param_setup_req(payload)
    bits = 0
    if offset <= eu868.MAX_RX1_DR_OFFSET:
        bits |= mac.RX1_OFFSET_ACK
    if rx2_dr <= eu868.MAX_DR:
        bits |= mac.RX2_DATA_RATE_ACK
    if receivable(freq_hz):
        bits |= mac.RX2_CHANNEL_ACK
    if bits == 7:
        session.rx1_dr_offset = offset
        session.rx2_dr = rx2_dr
        session.rx2_freq_hz = freq_hz
    return bits


def _new_channel(session, payload):
    index, freq_hz, min_dr, max_dr = mac.unpack_new_channel_req(payload)
    if not eu868.FIRST_FREE_CHANNEL <= index < eu868.MAX_CHANNELS:
        return 0
    bits = 0
    if freq_hz == 0 or usable(freq_hz):
        bits |= mac.FREQUENCY_ACK
    if freq_hz == 0 or dr_range_ok(min_dr, max_dr):
        bits |= mac.RANGE_ACK
    if bits == 3:
        if freq_hz:
            session.channels.define(index, freq_hz, min_dr, max_dr)
        else:
            session.channels.remove(index)
        _keep_sending(session)
    return bits


def _keep_sending(session):
    """Whatever the network removes, some channel must carry the data rate."""
    if not session.channels.for_dr(session.dr):
        session.channels.enable_defaults()
        session.dr = min(session.dr, eu868.MAX_DEFAULT_DR)


def _dl_channel(session, payload):
    index, freq_hz = mac.unpack_dl_channel_req(payload)
    bits = 0
    slot = session.channels.slots[index] if index < eu868.MAX_CHANNELS else None
    if slot is not None:
        bits |= mac.RANGE_ACK
    if receivable(freq_hz):
        bits |= mac.FREQUENCY_ACK
    if bits == 3:
        slot[3] = freq_hz
    return bits
